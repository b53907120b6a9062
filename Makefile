# make report   brings everything that is needed and does the main job
# make test     lint, types, layers and tests, which build the site and run its examples too
# make docs     the site, docs/_build/html/index.html
# make bench    side by side with its peers and the machine's limit, 20 minutes (PyTorch in an environment of its own)
# make .venv    only the environment, with the command in .venv/bin/monolayer

# The first Python that is new enough; name another with make PYTHON=...
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.PHONY: help .venv report test lint format types layers pytest docs bench clean

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

test: lint types layers pytest

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
	$(BIN)/pytest

# -W: a warning is an error; -n: a name that leads nowhere is a warning.
docs: .venv/ready-dev
	$(BIN)/sphinx-build -W --keep-going -n -q docs docs/_build/html
	@echo "The site is docs/_build/html/index.html"

.venv-bench/ready: pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --upgrade pip
	.venv-bench/bin/python -m pip install --quiet --editable . torch==2.13.0
	@touch $@

# More with BENCH, such as make bench BENCH=--docs, which writes the tables into docs/performance.md too.
bench: .venv-bench/ready
	.venv-bench/bin/python -m benchmarks.bench $(BENCH)

clean:
	rm -rf .venv .venv-bench runs docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
