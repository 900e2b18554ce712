# Everything runs in .venv, which this file makes with whatever `python3` there is (3.11 or later).
# Wheels are kept in WHEELS, so that a second set-up, or one in a fresh clone, works without a network.
PYTHON ?= python3
CACHE  ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/connector_kit
BIN    := .venv/bin
READY  := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test quick check lint types floors format coverage bench clean

help:  ## show the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## make .venv with the package and all development tools in it

$(READY): pyproject.toml requirements.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "connector_kit needs Python 3.11 or later; this is %d.%d. Try: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	@.ci/install "$(CACHE)"
	@touch $(READY)

demo: $(READY)  ## sync the New York flights from a misbehaving HTTP API into demo.sqlite
	@$(BIN)/python docs/examples/demo.py

test: $(READY)  ## run all tests, the slow ones too
	@$(BIN)/python -m pytest

quick: $(READY)  ## run the tests without the slow ones
	@$(BIN)/python -m pytest -m "not slow"

check: lint types floors  ## lint, types, floors

lint: $(READY)
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .

types: $(READY)
	@$(BIN)/python -m mypy
	@$(BIN)/python -m pyright

floors: $(READY)
	@$(BIN)/lint-imports

format: $(READY)  ## rewrite the code in the project's format
	@$(BIN)/python -m ruff check --fix-only .
	@$(BIN)/python -m ruff format .

coverage: $(READY)  ## tests with branch coverage; fails under 97 % for floors 0 to 3
	@$(BIN)/python -m coverage run -m pytest
	@$(BIN)/python -m coverage report --fail-under=97

bench: $(READY)  ## the benchmark tables
	@$(BIN)/python benchmarks/run.py

clean:  ## remove .venv, the demo's database and caches
	rm -rf .venv demo.sqlite demo.sqlite-wal demo.sqlite-shm .mypy_cache .ruff_cache .pytest_cache .hypothesis
