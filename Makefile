# Two commands: `make course` (the main job) and `make test`. Everything lands in .venv, node_modules, data and out.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: course test lint clean

# Until the course exists, its first page: a real model draws a sentence, here, with no network and no PyTorch.
course: .venv/core
	@mkdir -p out
	$(BIN)/bozzetto generate "a red apple" -o out/first.png --size 512 --show

test: .venv/dev data/world.parquet
	$(BIN)/ruff check .
	$(BIN)/python -m pytest

lint: .venv/dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

data/world.parquet: .venv/dev node_modules/.package-lock.json
	$(BIN)/bozzetto world build

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --ignore-scripts --no-fund --no-audit

.venv/core: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) --editable .
	@touch $@

.venv/dev: .venv/core
	$(PIP) --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv node_modules out build src/*.egg-info
