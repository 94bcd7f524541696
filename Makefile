# Two commands: `make course` (the main job) and `make test`. Everything lands in .venv, node_modules, data and out.
PYTHON ?= python3
BIN := .venv/bin
# What is never imported needs no bytecode: PyTorch alone has thousands of such files.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
BUILT := src/bozzetto/course/built/assets/js/main.js
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
APT := $(SUDO) apt-get install -y -qq --no-install-recommends
# What does not wait for one another goes on side by side: Python's packages and the page's, the checks of both.
MAKEFLAGS += --jobs=2

.PHONY: course test page-tests bars lint lint-python lint-page wheel constraints chromium clean

# The course, served on this machine and opened in the browser; Ctrl-C ends it. No PyTorch.
course: .venv/core $(BUILT)
	$(BIN)/bozzetto course

test: lint page-tests $(BUILT) data/world.parquet chromium
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder  # two files at a time, a thread each

page-tests: $(BUILT)
	npm run --silent test

# How quick and quiet the course is, against the bars of its design. The machine must have nothing else to do.
bars: .venv/dev $(BUILT) chromium
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m bars -s tests/test_bars.py

# Style, types and unused code, of both languages.
lint: lint-python lint-page

lint-python: .venv/dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/vulture

lint-page: node_modules/.package-lock.json
	npm run --silent check
	npm run --silent lint

# What a wheel carries needs no Node any more. Setuptools would pack again whatever an earlier build has left.
wheel: .venv/core $(BUILT)
	rm -rf build
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

# Today's newest versions that go together, under the comment that is there. Read the difference, then `make test`.
constraints:
	rm -rf out/newest && $(PYTHON) -m venv out/newest
	out/newest/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	{ grep '^#' constraints.txt; out/newest/bin/python -m pip freeze --all --exclude-editable --exclude pip \
	  | grep -v '^#' | sed 's/+.*//' | LC_ALL=C sort -f; } > out/constraints.txt
	mv out/constraints.txt constraints.txt && rm -rf out/newest

$(BUILT): node_modules/.package-lock.json $(shell find web -type f 2>/dev/null)
	npm run --silent build

data/world.parquet: .venv/dev node_modules/.package-lock.json
	$(BIN)/bozzetto world build

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --ignore-scripts --no-fund --no-audit
	@touch $@

chromium:
	@command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || { $(SUDO) apt-get update -qq && \
	  for package in chromium-headless-shell chromium; do $(APT) $$package && break; done; }

.venv/core: .venv/pyvenv.cfg pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

# All that core has, too.
.venv/dev: .venv/pyvenv.cfg pyproject.toml constraints.txt
	$(PIP) --editable '.[dev]'
	@touch .venv/core $@

.venv/pyvenv.cfg:
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv node_modules out build dist src/*.egg-info src/bozzetto/course/built
