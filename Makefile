# The commands of the project; `make help` lists them.

PYTHON ?= python3
BIN := .venv/bin
# Tests wait for daemons more than they compute: twice as many as there are processors.
JOBS ?= $(shell expr 2 \* $$(nproc))
QUICK ?=
STAMP := .venv/.ready
# Tests of one file share their cluster, so they stay together, in the order of tests/conftest.py.
SPREAD := -n $(JOBS) --dist loadfile --no-loadscope-reorder
PYTEST := $(BIN)/pytest $(SPREAD) -q

# Hundreds of tests start programs: none of them compiles all of the sources again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup packages demo demo-down lint check test torture lab deb client bench docs clean coverage-of-ganeti

help:
	@echo "make demo [QUICK=1]  three nodes on this machine, real daemons, real guests"
	@echo "make demo-down       end the demo and remove its files"
	@echo "make test            lint, types, import floors, unit and end-to-end tests"
	@echo "                     [STRICT=1: what fails beside others does not get a second look]"
	@echo "make check           the same without end-to-end tests: while you work"
	@echo "make lint            ruff, mypy, import-linter"
	@echo "make torture         kill daemons at every step of every operation; takes long"
	@echo "make lab             tests on hosts of their own: namespaces and virtual machines"
	@echo "make deb             build the Debian package in build/"
	@echo "make client          a wheel of the Python client of the remote API alone"
	@echo "make bench           measure; prints tables"
	@echo "make coverage-of-ganeti  how much of Ganeti's interface there is, what is missing"
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

test: setup
	$(BIN)/ruff check
	$(BIN)/python tests/whole_run.py $(SPREAD) -- -q -m "not torture and not lab" $(ARGS) \
	    -- $(BIN)/mypy -- $(BIN)/lint-imports
	@echo "How much of Ganeti's interface there is (make coverage-of-ganeti names what is missing):"
	@$(BIN)/python tests/ganeti_coverage/report.py --totals

check: lint
	$(PYTEST) -m "not torture and not lab" --ignore tests/e2e $(ARGS)

torture: setup
	@$(PYTEST) -m torture $(ARGS) || { [ $$? = 5 ] && echo "There are no such tests yet."; }

lab: setup
	$(BIN)/pytest -n 0 -q --durations=0 --durations-min=1 -m lab tests/lab tests/safety $(ARGS)

deb:
	@$(PYTHON) packaging/build_deb.py

client:
	@$(PYTHON) packaging/build_client.py

bench: setup
	@for file in benchmarks/*.py; do \
	    [ -e "$$file" ] || { echo "There are no benchmarks yet."; exit 0; }; \
	    echo "== $$file"; $(BIN)/python "$$file" || exit 1; \
	done

docs: setup
	$(BIN)/python docs/build.py $(if $(HTML),--html $(HTML))

coverage-of-ganeti: setup
	@$(BIN)/python tests/ganeti_coverage/report.py $(ARGS)

clean:
	rm -rf .venv .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache \
	    build dist ./*.egg-info
