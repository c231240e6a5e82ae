# The commands of the project; `make help` lists them.

PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2
QUICK ?=
STAMP := .venv/.ready
# Tests of one file share their cluster, so they stay together.
PYTEST := $(BIN)/pytest -n $(JOBS) --dist loadfile -q

.DEFAULT_GOAL := help
.PHONY: help setup packages demo demo-down lint check test torture lab bench docs clean

help:
	@echo "make demo [QUICK=1]  three nodes on this machine, real daemons, real guests"
	@echo "make demo-down       end the demo and remove its files"
	@echo "make test            lint, types, import floors, unit and end-to-end tests"
	@echo "make check           the same without end-to-end tests: while you work"
	@echo "make lint            ruff, mypy, import-linter"
	@echo "make torture         kill daemons at every step of every operation; takes long"
	@echo "make lab             tests that need virtual machines as nodes (LVM, DRBD)"
	@echo "make bench           measure; prints tables"
	@echo "make docs            write the reference pages; HTML=DIR: render all of it"
	@echo "make setup           the virtual environment .venv; the others do it by themselves"
	@echo "make packages        install missing Debian packages (root)"

setup: $(STAMP)

$(STAMP): setup.cfg pyproject.toml .ci/setup
	@./.ci/setup $(PYTHON)
	@touch $@

packages:
	@./.ci/packages

demo: setup packages
	@$(BIN)/python -m demo $(if $(QUICK),--quick)

demo-down: setup
	@$(BIN)/python -m demo --down

lint: setup
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(PYTEST) -m "not torture" $(ARGS)

check: lint
	$(PYTEST) -m "not torture" --ignore tests/e2e $(ARGS)

torture: setup
	@$(PYTEST) -m torture $(ARGS) || { [ $$? = 5 ] && echo "There are no such tests yet."; }

lab: setup
	@echo "No test needs virtual machines as nodes yet: disks on LVM and DRBD are not there."

bench: setup
	@for file in benchmarks/*.py; do \
	    [ -e "$$file" ] || { echo "There are no benchmarks yet."; exit 0; }; \
	    echo "== $$file"; $(BIN)/python "$$file" || exit 1; \
	done

docs: setup
	$(BIN)/python docs/build.py $(if $(HTML),--html $(HTML))

clean:
	rm -rf .venv .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache \
	    build dist ./*.egg-info
