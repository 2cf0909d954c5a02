# Two commands need nothing set up by hand: `make run` and `make test`.
VENV := .venv
PYTHON := $(VENV)/bin/python
CLIENTS := .venv-clients
PEERS := .venv-peers

.PHONY: run test check bench bench-peers clients format clean

run: $(VENV)/.core ## start the proxy, on the demo model unless an upstream is configured
	OPTILLM_DEMO=$${OPTILLM_DEMO:-auto} exec $(PYTHON) optillm.py $(ARGS)

test: $(VENV)/.dev ## run the tests
	$(PYTHON) -m pytest -n 2 --dist loadfile $(ARGS)

check: $(VENV)/.dev ## static checks: style, types, import rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(VENV)/.dev ## what the proxy costs, beside the bare upstream: docs/performance.md
	$(PYTHON) -m benchmarks.bench $(ARGS)

bench-peers: $(VENV)/.dev ## the same for other proxies; installs them apart, which takes minutes and 9 GB
	$(PYTHON) -m benchmarks.peers $(ARGS)

clients: $(CLIENTS)/.done tests/clients/node_modules ## drive the proxy with the clients of docs/recipes.md; needs node 20
	$(CLIENTS)/bin/python -m pytest -W default tests/clients $(ARGS)

format: $(VENV)/.dev
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

clean:
	rm -rf $(VENV) $(CLIENTS) $(PEERS) tests/clients/node_modules

# The core stays small so that a newcomer waits seconds; tests and checks add their tools on top.
$(VENV)/.core: requirements.txt
	test -x $(PYTHON) || python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.dev: $(VENV)/.core pyproject.toml
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

# Apart from the above: these clients are many, heavy, and of two minds about the openai package.
$(CLIENTS)/.done: requirements.txt pyproject.toml tests/clients/openai2/requirements.txt
	python3 -m venv $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[clients]'
	python3 -m venv $(CLIENTS)/openai2
	$(CLIENTS)/openai2/bin/python -m pip install --quiet --disable-pip-version-check -r tests/clients/openai2/requirements.txt
	touch $@

tests/clients/node_modules: tests/clients/package-lock.json
	npm ci --prefix tests/clients --no-audit --no-fund
	touch $@
