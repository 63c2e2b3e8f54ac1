# The package in .venv, with uv where it is installed and with venv and pip elsewhere.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
UV := $(shell command -v uv 2>/dev/null)

ifdef UV
  MAKE_VENV = uv venv --quiet --python $(PYTHON) $(VENV)
  MAKE_PEERS = uv venv --quiet --clear --python $(PYTHON) $(PEERS)
  INSTALL_PEERS = uv pip install --quiet --python $(PEERS)/bin/python
  # uv leaves compiling to the first start, which then takes a second.
  INSTALL = UV_COMPILE_BYTECODE=1 uv pip install --quiet --python $(BIN)/python
else
  MAKE_VENV = $(PYTHON) -m venv $(VENV)
  MAKE_PEERS = $(PYTHON) -m venv $(PEERS)
  INSTALL_PEERS = $(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet
  INSTALL = $(BIN)/python -m pip --disable-pip-version-check install --quiet
endif

.DEFAULT_GOAL := help
.PHONY: help demo test test-peers bench check format lint types docs docs-check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	$(MAKE_VENV)

$(VENV)/demo: pyproject.toml | $(BIN)/python
	$(INSTALL) --editable .
	@touch $@

$(VENV)/test: pyproject.toml | $(BIN)/python
	$(INSTALL) --editable '.[test]'
	@touch $@ $(VENV)/demo

$(VENV)/dev: pyproject.toml | $(BIN)/python
	$(INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/test $(VENV)/demo

$(PEERS)/ready: pyproject.toml
	$(MAKE_PEERS)
	$(INSTALL_PEERS) --editable '.[test,peers]'
	@touch $@

demo: $(VENV)/demo ## install the package and run the main job on a sample
	$(BIN)/attn compute samples/love_coding.yaml

test: $(VENV)/test ## install what the tests need and run them
	$(BIN)/python -m pytest

test-peers: $(PEERS)/ready ## compare with other implementations, in a virtual environment of their own
	$(PEERS)/bin/python -m pytest tests/peers

bench: $(VENV)/demo $(PEERS)/ready ## compare times and memory with the peers, for benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks --ours $(BIN)/python --peers $(PEERS)/bin/python $(BENCH)

check: $(VENV)/dev ## format, lint, types, docs drift, tests: what .ci/run runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(MAKE) --no-print-directory docs-check
	$(BIN)/python -m pytest

format: $(VENV)/dev ## format the code and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/dev ## lint alone
	$(BIN)/ruff check .

types: $(VENV)/dev ## type check alone
	$(BIN)/mypy

docs: $(VENV)/dev ## write the README's shown outputs anew
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/cog -r -P -I tests -I . README.md

docs-check: $(VENV)/dev ## fail where the README's shown outputs have drifted
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/cog --check --diff -P -I tests -I . README.md

clean: ## remove the virtual environment and all caches
	rm -rf $(VENV) $(PEERS) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
