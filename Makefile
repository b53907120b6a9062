# make report   install, download the data, run the assignment's experiments and write runs/report/report.html
# make ladder   train on better and better features, half an hour; make report then includes a section on it
# make test     run all checks: lint, types, import layers, tests, documentation, sanitizers, oldest libraries
# make format   fix lint errors and format the code
# make docs     build the site, docs/_build/html/index.html
# make bench    compare with other libraries and with the machine's limit, half an hour (PyTorch in .venv-bench)
# make .venv    create the environment, with the command in .venv/bin/monolayer
# make native   build the compiled engine in place after a change in src/native; BIN=DIR selects another environment
# make sanitize run the engine's tests under the address and undefined-behaviour sanitizers
# make clean    remove everything that these targets create

# The first Python that is new enough; select another with make PYTHON=...
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY_DEV = $(dir $(BIN))ready-dev

# The first C++ compiler found, or CXX. Without a compiler, only the NumPy engine is installed.
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

# The stamp is written last, so an interrupted installation is repeated.
.venv/ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "monolayer requires Python 3.11 or newer; select one with make PYTHON=/path/to/python3" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@ .venv/native

# The installation or `make native` built the compiled engine. If its sources have changed since, build it again. `find`
# compares the times, because make does not notice that .venv/ready has just built it.
.venv/native: .venv/ready $(NATIVE)
	@if [ -n "$$(find $(NATIVE) -newer $@)" ]; then $(BIN)/python -m pip install --quiet --no-deps --editable .; fi
	@touch $@

# The default features of `monolayer ladder` include hog, which needs scikit-image. The installation builds the engine
# again, hence the second file.
.venv/ready-hog: .venv/ready
	$(BIN)/python -m pip install --quiet --editable '.[hog]'
	@touch $@ .venv/native

.venv/ready-dev: .venv/ready
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

.venv: .venv/native

report: .venv/native
	$(BIN)/monolayer reproduce --out runs/report --overwrite \
		$(if $(wildcard runs/ladder/ladder.csv),--ladder runs/ladder)

ladder: .venv/ready-hog .venv/native
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

# The build folder is kept, so that only changed files are compiled. The old library is removed, not overwritten: a process
# may be using it, and CMake considers two files of the same second equal.
native: $(READY_DEV)
	$(CMAKE) -S . -B build/native -D Python_EXECUTABLE=$(abspath $(BIN))/python -D MONOLAYER_WERROR=ON --log-level=NOTICE
	$(CMAKE) --build build/native --parallel $(JOBS)
	rm -f src/monolayer/engine/_native.*.so
	$(CMAKE) --install build/native --prefix src/monolayer/engine
	$(if $(filter .venv/bin,$(BIN)),@touch .venv/native)

sanitize: $(READY_DEV)
	@if [ -n "$(COMPILER)" ]; then $(MAKE) --no-print-directory sanitized; \
	else echo "Not tested under the sanitizers: no C++ compiler found." >&2; fi

# A copy of the package with a sanitized engine comes first on the path, so the installed one is not touched; a line of
# Python checks that this copy is imported. Leak detection is off, because Python itself leaks.
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

# -W: warnings are errors; -n: unresolved references are warnings.
docs: .venv/ready-dev
	$(BIN)/sphinx-build -W --keep-going -n -q docs docs/_build/html
	@echo "The site is docs/_build/html/index.html"

.venv-oldest/ready: pyproject.toml tests/oldest.txt
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --upgrade pip
	MONOLAYER_NATIVE=off .venv-oldest/bin/python -m pip install --quiet --constraint tests/oldest.txt --editable . pytest pytest-randomly hypothesis pandas
	@touch $@

# The tests that depend most on other libraries, with the oldest versions that pyproject.toml accepts.
test-oldest:
	@if $(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 13))'; then $(MAKE) --no-print-directory pytest-oldest; \
	else echo "The oldest versions are not tested: they have wheels for Python 3.11 and 3.12 only." >&2; fi

# Deprecation warnings of old versions are ignored. The tests of the wheel need build tools, which .venv has.
pytest-oldest: .venv-oldest/ready
	.venv-oldest/bin/python -m pytest --quiet -o filterwarnings=default --ignore tests/engine/test_native_build.py tests/sklearn tests/engine tests/data/test_scaler.py

.venv-bench/ready: pyproject.toml $(NATIVE)
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --upgrade pip
	.venv-bench/bin/python -m pip install --quiet --editable . torch==2.13.0
	@touch $@

# BENCH passes options: make bench BENCH=--docs also writes the tables into docs/performance.md.
bench: .venv-bench/ready
	.venv-bench/bin/python -m benchmarks.bench $(BENCH)

clean:
	rm -rf .venv .venv-bench .venv-oldest build src/monolayer/engine/_native.*.so runs docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
