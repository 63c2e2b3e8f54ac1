# The package in .venv, with uv where it is installed and with venv and pip elsewhere.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
NEWEST := .venv-newest
LOWEST := .venv-lowest
MODELS := .venv-models
UV := $(shell command -v uv 2>/dev/null)
# requirements/*.txt hold exact versions for these; the first is the lowest that the package runs on.
LOCKED := 3.11 3.12 3.13
PYTHON_LOWEST ?= python$(firstword $(LOCKED))

ifdef UV
  # $(call make-venv,folder,Python) and $(call install,folder) what to install
  make-venv = uv venv --quiet --clear --python $(2) $(1)
  # uv leaves compiling to the first start, which then takes a second.
  install = UV_COMPILE_BYTECODE=1 uv pip install --quiet --python $(1)/bin/python
else
  make-venv = $(2) -m venv --clear $(1)
  install = $(1)/bin/python -m pip --disable-pip-version-check install --quiet
endif

# $(call install-locked,test): what requirements/test.txt holds, then the package alone.
define install-locked
	@python=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	case " $(LOCKED) " in \
	*" $$python "*) $(call install,$(VENV)) -r requirements/$(1).txt && \
	  $(call install,$(VENV)) --no-deps --no-build-isolation --editable . ;; \
	*) echo "requirements/$(1).txt is for Python $(LOCKED); for $$python the newest are installed"; \
	  $(call install,$(VENV)) --editable '.[$(1)]' ;; \
	esac
endef

.DEFAULT_GOAL := help
.PHONY: help demo test quick test-newest test-lowest test-peers test-models test-browser fuzz kills mutants bench check format lint \
  types docs man reports docs-check lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	$(call make-venv,$(VENV),$(PYTHON))

$(VENV)/demo: pyproject.toml | $(BIN)/python
	$(call install,$(VENV)) --editable .
	@touch $@

$(VENV)/test: pyproject.toml requirements/test.txt | $(BIN)/python
	$(call install-locked,test)
	@touch $@ $(VENV)/demo

$(VENV)/dev: pyproject.toml requirements/test.txt requirements/dev.txt | $(BIN)/python
	$(call install-locked,dev)
	@touch $@ $(VENV)/test $(VENV)/demo

$(PEERS)/ready: pyproject.toml requirements/peers_alone.txt
	$(call make-venv,$(PEERS),$(PYTHON))
	$(call install,$(PEERS)) --editable '.[test,peers]'
	$(call install,$(PEERS)) --no-deps -r requirements/peers_alone.txt
	@touch $@

$(MODELS)/ready: pyproject.toml requirements/models.txt
	$(call make-venv,$(MODELS),$(PYTHON))
	$(call install,$(MODELS)) --editable '.[test]' -r requirements/models.txt
	@touch $@

demo: $(VENV)/demo ## install the package and run the main job on a sample
	$(BIN)/attn compute samples/love_coding.yaml

test: $(VENV)/test ## install what the tests need, in locked versions, and run them
	$(BIN)/python -m pytest

quick: $(VENV)/test ## run those of them that take no time, in under a minute
	$(BIN)/python -m pytest -m "not slow"

test-newest: ## run them with the newest versions that pyproject.toml allows
	$(call make-venv,$(NEWEST),$(PYTHON))
	$(call install,$(NEWEST)) --editable '.[test]'
	$(NEWEST)/bin/python -m pytest

test-lowest: ## run them with the lowest versions, on the lowest Python
	$(call make-venv,$(LOWEST),$(PYTHON_LOWEST))
	$(LOWEST)/bin/python requirements/lowest.py > $(LOWEST)/lowest.txt
	$(call install,$(LOWEST)) --constraint $(LOWEST)/lowest.txt --editable '.[test]'
	$(LOWEST)/bin/python -m pytest

test-peers: $(PEERS)/ready ## compare with other implementations, in a virtual environment of their own
	$(PEERS)/bin/python -m pytest tests/peers

test-models: $(MODELS)/ready ## translate with published word vectors, in a virtual environment of their own
	$(MODELS)/bin/python -m pytest tests/models

# axe-core alone, which only these tests read; without a network its tests are skipped, and said.
$(VENV)/browser: requirements/browser.txt | $(VENV)/test
	@if $(call install,$(VENV)) --no-deps -r requirements/browser.txt; then touch $@; else \
	  echo "axe-core could not be installed: its tests are skipped"; fi

test-browser: $(VENV)/browser ## look at pictures and pages in Chromium; skipped, and said, if there is none
	$(BIN)/python -m pytest -rs tests/browser

fuzz: $(VENV)/test ## look for inputs that break a reader: FUZZ="--seconds 600 --seed 7"
	$(BIN)/python -m tests.fuzz $(FUZZ)

kills: $(VENV)/test ## end commands while they write a file: KILLS="--kills 200 --seed 7"
	$(BIN)/python -m tests.fuzz.kills $(KILLS)

mutants: $(VENV)/test ## put faults into the package; tests must notice: MUTANTS="--only maths/"
	$(BIN)/python -m tests.mutants $(MUTANTS)

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

docs: $(VENV)/dev ## write what is generated in README.md and docs
	$(BIN)/python -m docs._make write

reports: $(VENV)/dev ## write the pages of the gallery alone
	$(BIN)/python -m docs._make reports

man: $(VENV)/dev ## write the man pages in docs/man alone
	$(BIN)/python -m docs._make man

docs-check: $(VENV)/dev ## fail if what is generated there has drifted
	$(BIN)/python -m docs._make check

lock: ## write requirements/*.txt anew; needs each Python that they are for
	$(PYTHON) requirements/lock.py $(LOCKED)

clean: ## remove the virtual environment and all caches
	rm -rf $(VENV) $(PEERS) $(NEWEST) $(LOWEST) $(MODELS) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
