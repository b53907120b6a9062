# make report   brings everything that is needed and does the main job
# make test     lint, types, layers and tests, which build the site and run its examples too
# make docs     the site, docs/_build/html/index.html
# make bench    side by side with its peers and the machine's limit, 20 minutes (PyTorch in an environment of its own)
# make .venv    only the environment, with the command in .venv/bin/monolayer

# The first Python that is new enough; name another with make PYTHON=...
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.PHONY: test-oldest pytest-oldest help .venv report test lint format types layers pytest docs bench clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

# The stamp is the last thing written: an installation that was cut off is done again.
.venv/ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "monolayer needs Python 3.11 or newer; name one with make PYTHON=/path/to/python3" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/ready-dev: .venv/ready
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

.venv: .venv/ready

report: .venv/ready
	$(BIN)/monolayer reproduce --out runs/report --overwrite

test: lint types layers pytest test-oldest

lint: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/ready-dev
	$(BIN)/mypy

layers: .venv/ready-dev
	$(BIN)/lint-imports

pytest: .venv/ready-dev
	$(BIN)/pytest --numprocesses=auto

# -W: a warning is an error; -n: a name that leads nowhere is a warning.
docs: .venv/ready-dev
	$(BIN)/sphinx-build -W --keep-going -n -q docs docs/_build/html
	@echo "The site is docs/_build/html/index.html"

.venv-oldest/ready: pyproject.toml tests/oldest.txt
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --upgrade pip
	.venv-oldest/bin/python -m pip install --quiet --constraint tests/oldest.txt --editable . pytest pytest-randomly hypothesis pandas
	@touch $@

# What touches the libraries most, with the oldest that pyproject.toml accepts, where these have wheels.
test-oldest:
	@if $(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 13))'; then $(MAKE) --no-print-directory pytest-oldest; \
	else echo "Not tested: the oldest versions, which have no wheels for this Python; 3.11 and 3.12 have them." >&2; fi

# Their own deprecations are not ours.
pytest-oldest: .venv-oldest/ready
	.venv-oldest/bin/python -m pytest --quiet -o filterwarnings=default tests/sklearn tests/engine tests/data/test_scaler.py

.venv-bench/ready: pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --upgrade pip
	.venv-bench/bin/python -m pip install --quiet --editable . torch==2.13.0
	@touch $@

# More with BENCH, such as make bench BENCH=--docs, which writes the tables into docs/performance.md too.
bench: .venv-bench/ready
	.venv-bench/bin/python -m benchmarks.bench $(BENCH)

clean:
	rm -rf .venv .venv-bench .venv-oldest runs docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
