# make report   brings everything that is needed and does the main job
# make ladder   one layer on ever better features, half an hour; make report then has a section of it
# make test     lint, types, layers and tests, which build the site and run its examples too; sanitizers
# make docs     the site, docs/_build/html/index.html
# make bench    side by side with its peers and the machine's limit, half an hour (PyTorch in an environment of its own)
# make .venv    only the environment, with the command in .venv/bin/monolayer
# make native   the compiled engine alone, in place, after a change in src/native; BIN=DIR for an environment elsewhere
# make sanitize its tests under the address and undefined-behaviour sanitizers

# The first Python that is new enough; name another with make PYTHON=...
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY_DEV = $(dir $(BIN))ready-dev

# The first C++ compiler, or the one that CXX names. An installation without one has only the NumPy engine.
ifeq ($(origin CXX),default)
COMPILER = $(firstword $(foreach name,c++ g++ clang++,$(shell command -v $(name))))
else
COMPILER = $(shell command -v $(firstword $(CXX)))
endif
NATIVE := CMakeLists.txt hatch_build.py $(wildcard src/native/*)
CMAKE = MAKEFLAGS=--no-print-directory $(BIN)/cmake
JOBS = $(shell getconf _NPROCESSORS_ONLN)

.PHONY: test-oldest pytest-oldest help .venv report ladder test lint format types layers pytest docs bench clean \
	native sanitize sanitized

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

# The stamp is the last thing written: an installation that was cut off is done again.
.venv/ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "monolayer needs Python 3.11 or newer; name one with make PYTHON=/path/to/python3" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@ .venv/native

# The compiled engine came with the installation, or with `make native`; where its sources have changed since, it is built
# again, if there is a compiler. Make itself does not see that an installation of this moment has brought it.
.venv/native: .venv/ready $(NATIVE)
	@if [ -n "$$(find $(NATIVE) -newer $@)" ]; then $(BIN)/python -m pip install --quiet --no-deps --editable .; fi
	@touch $@

.venv/ready-dev: .venv/ready
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

.venv: .venv/native

report: .venv/native
	$(BIN)/monolayer reproduce --out runs/report --overwrite \
		$(if $(wildcard runs/ladder/ladder.csv),--ladder runs/ladder)

ladder: .venv/native
	$(BIN)/monolayer ladder cifar10 --out runs/ladder --overwrite

test: lint types layers pytest sanitize test-oldest

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

pytest: .venv/ready-dev .venv/native
	$(BIN)/pytest --numprocesses=auto

# In a folder that stays, so that only what has changed is compiled again. What is there is not written over: a process
# may be computing with it, and CMake takes two files of one second for the same.
native: $(READY_DEV)
	$(CMAKE) -S . -B build/native -D Python_EXECUTABLE=$(abspath $(BIN))/python -D MONOLAYER_WERROR=ON --log-level=NOTICE
	$(CMAKE) --build build/native --parallel $(JOBS)
	rm -f src/monolayer/engine/_native.*.so
	$(CMAKE) --install build/native --prefix src/monolayer/engine
	$(if $(filter .venv/bin,$(BIN)),@touch .venv/native)

sanitize: $(READY_DEV)
	@if [ -n "$(COMPILER)" ]; then $(MAKE) --no-print-directory sanitized; \
	else echo "Not tested under the sanitizers: there is no C++ compiler here." >&2; fi

# A copy of the package with an engine of its own comes first on the path, so the installed one stays as it is; a line of
# Python sees to it that this is what is tested. Without leaks: Python leaves some itself.
SANITIZED = PYTHONPATH=build/sanitize/package ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	LD_PRELOAD="$$(cat build/sanitize/preload)" DYLD_INSERT_LIBRARIES="$$(cat build/sanitize/preload)" $(BIN)/python
SANITIZED_TESTS = $(filter-out tests/engine/test_native_build.py,$(wildcard tests/engine/test_native*.py))

sanitized:
	$(CMAKE) -S . -B build/sanitize -D Python_EXECUTABLE=$(abspath $(BIN))/python -D MONOLAYER_WERROR=ON \
		-D MONOLAYER_SANITIZE=ON --log-level=NOTICE
	$(CMAKE) --build build/sanitize --parallel $(JOBS)
	rm -rf build/sanitize/package
	mkdir build/sanitize/package
	cp -R src/monolayer build/sanitize/package/
	rm -f build/sanitize/package/monolayer/engine/_native.*.so
	$(CMAKE) --install build/sanitize --prefix build/sanitize/package/monolayer/engine
	$(SANITIZED) -c "import monolayer.engine._native as it; assert b'__asan_init' in open(it.__file__, 'rb').read()"
	$(SANITIZED) -m pytest -m "not cifar10" $(SANITIZED_TESTS)

# -W: a warning is an error; -n: a name that leads nowhere is a warning.
docs: .venv/ready-dev
	$(BIN)/sphinx-build -W --keep-going -n -q docs docs/_build/html
	@echo "The site is docs/_build/html/index.html"

.venv-oldest/ready: pyproject.toml tests/oldest.txt
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --upgrade pip
	MONOLAYER_NATIVE=off .venv-oldest/bin/python -m pip install --quiet --constraint tests/oldest.txt --editable . pytest pytest-randomly hypothesis pandas
	@touch $@

# What touches the libraries most, with the oldest that pyproject.toml accepts, where these have wheels.
test-oldest:
	@if $(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 13))'; then $(MAKE) --no-print-directory pytest-oldest; \
	else echo "Not tested: the oldest versions, which have no wheels for this Python; 3.11 and 3.12 have them." >&2; fi

# Their own deprecations are not ours. Wheels are built with the tools of the other environment.
pytest-oldest: .venv-oldest/ready
	.venv-oldest/bin/python -m pytest --quiet -o filterwarnings=default --ignore tests/engine/test_native_build.py tests/sklearn tests/engine tests/data/test_scaler.py

.venv-bench/ready: pyproject.toml $(NATIVE)
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --upgrade pip
	.venv-bench/bin/python -m pip install --quiet --editable . torch==2.13.0
	@touch $@

# More with BENCH, such as make bench BENCH=--docs, which writes the tables into docs/performance.md too.
bench: .venv-bench/ready
	.venv-bench/bin/python -m benchmarks.bench $(BENCH)

clean:
	rm -rf .venv .venv-bench .venv-oldest build src/monolayer/engine/_native.*.so runs docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
