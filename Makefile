# Two commands need nothing set up by hand: `make run` and `make test`.
VENV := .venv
PYTHON := $(VENV)/bin/python

.PHONY: run test check format clean

run: $(VENV)/.core ## start the proxy, on the demo model unless an upstream is configured
	OPTILLM_DEMO=$${OPTILLM_DEMO:-auto} exec $(PYTHON) optillm.py $(ARGS)

test: $(VENV)/.dev ## run the tests
	$(PYTHON) -m pytest $(ARGS)

check: $(VENV)/.dev ## static checks: style, types, import rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/.dev
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

clean:
	rm -rf $(VENV)

# The core stays small so that a newcomer waits seconds; tests and checks add their tools on top.
$(VENV)/.core: requirements.txt
	test -x $(PYTHON) || python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.dev: $(VENV)/.core pyproject.toml
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@
