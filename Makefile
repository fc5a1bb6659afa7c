# `make demo` and `make test` work on a machine that has only Python (3.11 or newer) and make.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# LiteLLM would otherwise fetch its price map from the network when it is imported.
export LITELLM_LOCAL_MODEL_COST_MAP := True

.PHONY: help setup demo test test-all test-versions lint type bench bench-chaos docs docs-generated notebooks clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "pointsman needs Python 3.11 or newer; none found on PATH"; exit 1; }
	@echo "setting up $(VENV) with $(PYTHON) (two minutes or three)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --editable '.[dev]' 2>&1 | { grep -v -E '^WARNING: Location|notice' || true; }; \
		test $${PIPESTATUS[0]} -eq 0
	@touch $@

setup: $(READY)  ## create .venv and install pointsman with everything for development

demo: $(READY)  ## three honest minutes: model servers, faults, learning, zero lost requests
	@$(BIN)/pointsman demo $(ARGS)

# Tests wait for servers more than they compute, so more of them than cores run at a time; each file in one process.
SIDE_BY_SIDE := -n 4 --dist loadfile

test: $(READY)  ## all tests (under 10 minutes; those for Redis skip without its binary)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

test-all: $(READY)  ## all tests, the longer checks with all their rounds, then the other versions of the hosts
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)
	POINTSMAN_LONG=1 $(BIN)/python -m pytest -m long $(SIDE_BY_SIDE) $(ARGS)
	$(BIN)/python tests/versions.py

test-versions: $(READY)  ## the doors' tests on the oldest and newest LangChain and LiteLLM (installs them from the index)
	$(BIN)/python tests/versions.py $(ARGS)

lint: $(READY)  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(READY)  ## mypy, strict
	$(BIN)/mypy

bench: $(READY)  ## the benchmark tables, peers included
	@for script in $(filter-out benchmarks/chaos.py,$(wildcard benchmarks/*.py)); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

bench-chaos: $(READY)  ## the reliability scorecard, LiteLLM and LangChain beside (about half an hour; ARGS="--only pointsman" plays ours)
	$(BIN)/python benchmarks/chaos.py $(ARGS)

notebooks: $(READY)  ## execute every notebook, top to bottom, offline
	$(BIN)/python -m pytest --nbmake notebooks

docs: $(READY)  ## run every snippet of the README and of docs/
	$(BIN)/python -m pytest tests/docs $(ARGS)

docs-generated: $(READY)  ## write the pages of docs/ that are made from the code
	$(BIN)/python -m pointsman.reference docs

clean:  ## remove the environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
