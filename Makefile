# Needs: Python 3.11 or newer, git, make. `make demo` and `make test` set up what else they need, in .venv.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
PYTEST_ARGS ?=
TYPED := git_peer tests tools $(if $(wildcard benchmarks/*.py),benchmarks)

# The checkout was moved or copied, or nothing is set up: the scripts in .venv would lead elsewhere.
ifneq ($(shell cat $(VENV)/.where 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all lint types check bench soak oracle landing-oracle lines clean

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## .venv with git-peer and the tools of its development
	@:

$(STAMP): pyproject.toml tools/setup-venv git_peer/__init__.py $(wildcard docs/git-peer.1 hooks/*)
	@tools/setup-venv $(VENV)
	@touch $@

demo: $(STAMP) ## two clones, a lock, a refused commit: for real, in a scratch folder
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/git-peer demo

TESTS := not slow and not soak
# One more than cores: some tests wait for a server or a lease.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

test: $(STAMP) ## what to run before each commit, a few minutes (PYTEST_ARGS adds arguments)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m '$(TESTS)' $(PYTEST_ARGS)

test-all: $(STAMP) ## every test but the soaks: those of `make test`, then those that it leaves out
	@bad=0; $(MAKE) --no-print-directory test || bad=1; \
	$(MAKE) --no-print-directory test TESTS='slow and not soak' || bad=1; \
	exit $$bad

lint: $(STAMP) ## style and format
	@bad=0; $(BIN)/ruff check . || bad=1; $(BIN)/ruff format --check . || bad=1; exit $$bad

types: $(STAMP) ## static types
	@$(BIN)/mypy $(TYPED)

check: $(STAMP) ## the import rule, docs against code, what the package and the plugin hold
	@bad=0; \
	$(BIN)/lint-imports || bad=1; \
	$(BIN)/python -m tools.docs_check || bad=1; \
	$(BIN)/python -m tools.package_check || bad=1; \
	$(BIN)/python -m tools.plugin_check || bad=1; \
	exit $$bad

bench: $(STAMP) ## the benchmarks, as a table
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m benchmarks

SECONDS ?= 60
CLONES ?= 3
SESSIONS ?= 3
SEED ?=

soak: $(STAMP) ## sessions under kills, cuts and wrong clocks, and the history checked (SECONDS, CLONES, SESSIONS, SEED)
	@PYTHONPATH="$(CURDIR)" $(BIN)/python -P -m tests.soak $(SECONDS) $(CLONES) $(SESSIONS) $(SEED)

HISTORIES ?= 2000

oracle: $(STAMP) ## random histories pushed, judged by git-peer and by a model (HISTORIES, SEED)
	@PYTHONPATH="$(CURDIR)" $(BIN)/python -P -m tests.enforce.push_oracle $(HISTORIES) $(SEED)

lines: $(STAMP) ## random edits of files, and whether locked lines are followed through them (CASES, SEED)
	@PYTHONPATH="$(CURDIR)" $(BIN)/python -P -m tests.core.lines_oracle $(CASES) $(SEED)

landing-oracle: HISTORIES = 10000
landing-oracle: $(STAMP) ## random histories of work on its way into main, and whether it has landed (HISTORIES, SEED)
	@PYTHONPATH="$(CURDIR)" $(BIN)/python -P -m tests.enforce.landing_oracle $(HISTORIES) $(SEED)

clean: ## what is made here, .venv included
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
