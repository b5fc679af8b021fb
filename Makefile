# One command a line. `make up` and `make test` need nothing prepared: they install and build what is missing.
INSTANCE ?= dev
CONTEXT ?=
tools := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/infisical-platform/tools/bin
export PATH := $(PATH):$(tools):$(CURDIR)/.venv/bin
python := .venv/bin/python
embedded := $(python) -m embedded
where = --instance $(INSTANCE) $(if $(CONTEXT),--context $(CONTEXT))

.PHONY: up down status repair preview destroy refresh test unit e2e check

up: .venv/synced ## the embedded cluster, and `pulumi up` of stack dev on it; CONTEXT=… takes a cluster of yours
	@$(embedded) up $(where)

down: .venv/synced ## end the cluster and delete all that it has on disk
	@$(embedded) down $(where)

status: .venv/synced ## what runs, what does not, and why
	@$(embedded) status $(where)

repair: .venv/synced ## after a killed `up`: release the lock, clear what is stuck half-way
	@$(embedded) repair $(where)

preview refresh destroy: .venv/synced ## the same of Pulumi, on stack dev
	@$(embedded) pulumi $(where) $@ $(if $(filter preview,$@),,--yes)

test: check unit e2e ## everything

unit: .venv/synced ## seconds, no cluster
	@$(python) -m pytest tests/unit

e2e: .venv/synced ## the real thing, from empty
	@$(embedded) build
	@tests/install-engines.sh
	@$(python) -m pytest tests/jobs tests/standins tests/e2e --durations=10

check: .venv/synced ## lint, format, types
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/pyright

.venv/synced: uv.lock pyproject.toml bootstrap.sh
	@./bootstrap.sh
	@touch $@
