# One command a line. `make up` and `make test` need nothing prepared: they install and build what is missing.
INSTANCE ?= dev
CONTEXT ?=
tools := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/infisical-platform/tools/bin
export PATH := $(PATH):$(tools):$(CURDIR)/.venv/bin
python := .venv/bin/python
embedded := $(python) -m embedded
where = --instance $(INSTANCE) $(if $(CONTEXT),--context $(CONTEXT))
# An operation on STACK, with your own Pulumi; without STACK on `dev` of the embedded cluster.
# OPTIONS go through to it.
operate = $(if $(STACK),$(python) -m operations $(1) --stack $(STACK),$(embedded) operate $(where) $(1)) $(2)

.PHONY: up down status repair preview destroy refresh doctor charts secrets import-secrets escrow reference graph \
  test bench unit mutation contract e2e programs platform failures check

up: .venv/synced ## the embedded cluster, and `pulumi up` of stack dev on it; CONTEXT=… takes a cluster of yours, TIMELINE=up.html draws it
	@$(embedded) up $(where) $(if $(TIMELINE),--timeline '$(TIMELINE)')

down: .venv/synced ## end the cluster and delete all that it has on disk
	@$(embedded) down $(where)

status: .venv/synced ## what runs, what does not, and why
	@$(embedded) status $(where)

repair: .venv/synced ## after a killed `up`: release the lock, clear what is stuck half-way
	@$(embedded) repair $(where)

preview: policy/.venv/synced
preview refresh destroy: .venv/synced ## the same of Pulumi, on stack dev; the preview with the policy pack
	@$(embedded) pulumi $(where) $@ $(if $(filter preview,$@),--policy-pack policy,--yes)

doctor: .venv/synced ## ask the cluster of STACK for what `pulumi up` will need
	@$(call operate,doctor)

charts: .venv/synced ## put STACK's chart into charts/, pinned by its digest; CHART=… takes a copy of yours
	@$(call operate,charts,$(if $(CHART),--chart '$(CHART)'))

secrets: .venv/synced ## which secrets of STACK are set, missing, optional, and how to set them
	@$(call operate,secrets)

import-secrets: .venv/synced ## take over a deployment: FILE is the manifest of its Kubernetes Secret
	@$(call operate,import-secrets,'$(FILE)' $(OPTIONS))

escrow: .venv/synced ## write what must be kept outside of the cluster, encrypted to RECIPIENT (age or GPG)
	@$(call operate,escrow,'$(RECIPIENT)' $(OPTIONS))

graph: .venv/synced ## draw docs/graph.svg and write the table of docs/architecture.md
	@$(python) -m pictures graph --table docs/architecture.md

reference: .venv/synced ## write docs/configuration.md, docs/stack.schema.json and Pulumi.yaml anew from settings/
	@$(python) -m operations reference

bench: .venv/synced ## ratios of one run, on a cluster of its own: docs/benchmarks.md, and up.html
	@$(python) -m bench

test: check unit mutation contract e2e ## everything

unit: .venv/synced ## the program on mocks, and the tools around it: seconds, no cluster
	@$(python) -m pytest tests/unit tests/tools

mutation: .venv/synced ## take every wait, secret mark and protection away in turn: a unit test turns red
	@$(python) -m tests.mutation

contract: .venv/synced ## what is emitted, against what others define
	@$(python) -m pytest tests/contract

e2e: .venv/synced ## the real thing, from empty; THOROUGH=1 for some minutes more of it
	@$(embedded) build
	@tests/install-engines.sh
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target programs platform failures

# Most of their time they wait, so they run side by side.
programs: ## what needs no cluster: the Jobs' scripts, the stand-ins, the engine
	@$(python) -m pytest tests/jobs tests/standins tests/engine

platform: ## the platform on a cluster of its own, as its user lives with it
	@E2E_INSTANCE=e2e $(python) -m pytest tests/e2e/test_platform.py --durations=5

failures: ## on another one: what is refused, what fails and heals, what rotates
	@E2E_INSTANCE=e2e-failures $(if $(THOROUGH),THOROUGH=1 )$(python) -m pytest tests/e2e --durations=5 \
	  --ignore tests/e2e/test_platform.py

check: .venv/synced ## lint, format, types
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/pyright

policy/.venv/synced: policy/uv.lock policy/pyproject.toml policy/sync.sh .venv/synced
	@PYTHON=$(CURDIR)/$(python) policy/sync.sh
	@touch $@

.venv/synced: uv.lock pyproject.toml bootstrap.sh
	@./bootstrap.sh
	@touch $@
