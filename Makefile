# Needs Python 3.11+, make and a C++ compiler; the rest it installs into .venv. `make help` lists the targets.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RIVALS := $(VENV)/.rivals
# The one pinned version of uv is the lock file's own.
UV_VERSION := $(shell sed -n '/^name = "uv"$$/{n;s/^version = "\(.*\)"$$/\1/p;q;}' uv.lock)
# The first that is new enough; `make dev PYTHON=/path/to/python` chooses another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)

# A part of the tests for each core, each with servers of its own. More than four would wait for the disk and for each other.
PYTEST := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal

export UV_PROJECT_ENVIRONMENT := $(VENV)
export UV_PYTHON_DOWNLOADS := never
# Compiled once here, not at each start: Celery's import takes 2.0 s without it and 0.7 s with it.
export UV_COMPILE_BYTECODE := 1

dev: $(READY) ## Run everything on this machine (PORT, METERLINE_HOME; DATABASE_URL and REDIS_URL replace what is embedded)
	@$(BIN)/python -m app.dev --stop-with-parent

test: $(READY) ## All tests (ARGS="-k usage" chooses, ARGS="-n 0" takes one core and stops in the debugger if asked)
	@$(PYTEST) $(ARGS)

test-fast: $(READY) ## The tests that start no web, worker or beat process
	@$(PYTEST) -m "not processes" $(ARGS)

lint: $(READY) ## Style and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY) ## Types, strictly
	@$(BIN)/mypy

layers: $(READY) ## Imports point down the ladder only
	@$(BIN)/lint-imports

bench: $(RIVALS) ## Measure this machine (ARGS="--help" tells how)
	@$(BIN)/python -m tests.benchmarks $(ARGS)

migrate: $(READY) ## Bring the development database up to date; NEW="add widgets" writes the migration for changed models first
	@$(BIN)/python -m app.dev meterline migrate $(if $(NEW),--new "$(NEW)")

seed: $(READY) ## Put the example data into the development database (`make dev` does)
	@$(BIN)/python -m app.dev $(BIN)/python -m app.dev.seed

schema: $(READY) ## Print the GraphQL schema
	@METERLINE_ENV=development $(BIN)/meterline schema

clean: ## Remove the environment and all caches; data in .meterline stay
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	@find app workers migrations tests -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## This list
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)$$/\1\t\2/p' Makefile | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-10s %s\n' "$$name" "$$text"; done

# A warm start compares two dates. `uv sync` itself puts the environment right when the lock file changes.
$(READY): pyproject.toml uv.lock
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed (looked for python3, python3.14 … python3.11)"; exit 1; }
	@command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null || \
		{ echo "error: a C++ compiler is needed (Debian: apt install g++)"; exit 1; }
	@test -x $(BIN)/python || { echo "making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "error: $(PYTHON) cannot make an environment (Debian: apt install python3-venv)"; exit 1; }; }
	@test "$$($(BIN)/uv --version 2>/dev/null | cut -d' ' -f2)" = "$(UV_VERSION)" || \
		{ echo "installing uv $(UV_VERSION)"; $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"; }
	@echo "installing what uv.lock lists (a minute or so at first)"
	@$(BIN)/uv sync --frozen --python $(BIN)/python
	@touch $@

# What the benchmark compares with. Every other target does without, and installing theirs takes it away again: so this is newer.
$(RIVALS): $(READY)
	@$(BIN)/uv sync --frozen --quiet --group bench --python $(BIN)/python
	@touch $@

.PHONY: dev test test-fast lint types layers bench migrate seed schema clean help
