# One command a line. `make up` and `make test` need nothing prepared: they install and build what is missing.
INSTANCE ?= dev
CONTEXT ?=
export PATH := $(PATH):$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/infisical-platform/tools/bin
python := .venv/bin/python
embedded := $(python) -m embedded

.PHONY: up down status repair preview destroy refresh test unit e2e check

up: .venv/synced ## the embedded cluster, and `pulumi up` of stack dev on it
	@$(embedded) up --instance $(INSTANCE) $(if $(CONTEXT),--context $(CONTEXT))

down: .venv/synced ## end the cluster and delete all that it has on disk
	@$(embedded) down --instance $(INSTANCE)

status: .venv/synced ## what runs, what does not, and why
	@$(embedded) status --instance $(INSTANCE)

repair: .venv/synced ## after a killed `up`: release the lock, clear what is stuck half-way
	@$(embedded) repair --instance $(INSTANCE)

preview refresh destroy: .venv/synced ## the same of Pulumi, on stack dev
	@$(embedded) pulumi --instance $(INSTANCE) $@ $(if $(filter preview,$@),,--yes)

test: check unit e2e ## everything

unit: .venv/synced ## seconds, no cluster
	@$(python) -m pytest tests/unit

e2e: .venv/synced ## the real thing, from empty
	@$(embedded) build
	@$(python) -m pytest tests/jobs tests/standins tests/e2e

check: .venv/synced ## lint, format, types
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/pyright

.venv/synced: uv.lock pyproject.toml bootstrap.sh
	@./bootstrap.sh
	@touch $@
