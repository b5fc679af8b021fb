# Each target installs and builds what it needs, so nothing has to be prepared.
INSTANCE ?= dev
NODES ?= 1
BARE ?=
DOMAIN ?=
CLUSTER ?=
SAMPLE ?=
CONTEXT ?=
tools := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/infisical-platform/tools/bin
export PATH := $(PATH):$(tools):$(CURDIR)/.venv/bin
python := .venv/bin/python
embedded := $(python) -m embedded
where = --instance $(INSTANCE) $(if $(CONTEXT),--context $(CONTEXT))
# On STACK these act with your own Pulumi. `up`, `refresh`, `destroy` and `heal` ask before they change anything, `repair`
# before it cancels a lock that a living run may hold. Without STACK, they act on `dev` of the embedded cluster. No other
# target takes a STACK. OPTIONS go through to an operation.
on_a_stack := up preview refresh destroy repair doctor charts secrets import-secrets migrate-secrets escrow forget-cluster status restore adopt drift heal
quoted = '$(subst ','\'',$(1))'
operate = $(if $(STACK),$(python) -m operations $(1) --stack $(call quoted,$(STACK)),$(embedded) operate $(where) $(1)) $(2)
pulumi = $(if $(STACK),pulumi $(1) --stack $(call quoted,$(STACK)) $(2),$(embedded) pulumi $(where) $(1) $(2) $(3))

ifneq ($(origin STACK),undefined)
  ifeq ($(strip $(STACK)),)
    $(if $(filter $(on_a_stack),$(MAKECMDGOALS)),$(error STACK is empty: name a stack of yours, or leave STACK out))
  else
    $(foreach goal,$(filter-out $(on_a_stack),$(MAKECMDGOALS)),\
      $(error `make $(goal)` is not for a stack: leave STACK=$(STACK) out))
    $(if $(filter command,$(origin INSTANCE)),$(error INSTANCE is for the embedded stack, not for STACK=$(STACK)))
    $(if $(CONTEXT),$(error CONTEXT is for the embedded stack; the cluster of STACK=$(STACK) is its cluster.context))
    $(if $(TIMELINE),$(error TIMELINE is for the embedded stack, not for STACK=$(STACK)))
  endif
endif

.PHONY: help adopt drift heal up down status repair preview destroy refresh doctor charts secrets import-secrets migrate-secrets escrow restore forget-cluster reference graph \
  test bench unit mutation contract e2e programs platform failures rehearse check

help: ## list these commands
	@echo 'STACK=name takes a stack of yours and your own Pulumi. Otherwise a command acts on stack dev of the embedded'
	@echo 'cluster, and INSTANCE=name on a second one beside it.'
	@sed -n 's/^\([a-z][a-z0-9 -]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 26

up: .venv/synced ## start the embedded cluster and run `pulumi up` of stack dev on it (CONTEXT=… takes yours, SAMPLE=1 with an application, NODES=2, BARE=1 without operators, DOMAIN=corp.internal, CLUSTER=hostile asks much of pods, CLUSTER=ipv6 has no IPv4, TIMELINE=up.html draws it)
	@$(if $(STACK),$(call pulumi,up),$(embedded) up $(where) --nodes $(NODES) $(if $(BARE),--bare) $(if $(SAMPLE),--sample) $(if $(DOMAIN),--domain $(DOMAIN)) $(if $(CLUSTER),--cluster $(call quoted,$(CLUSTER))) $(if $(TIMELINE),--timeline $(call quoted,$(TIMELINE))))

down: .venv/synced ## end the cluster and delete all that it has on disk
	@$(embedded) down $(where)

status: .venv/synced ## say what runs, how old the backups are, what expires, what is pending
	@$(if $(STACK),$(call operate,status),$(embedded) status $(where))

repair: .venv/synced ## release the lock of a killed `up` and clear what it left half done; asks who may hold the lock, unless OPTIONS=--yes
	@$(call operate,repair,$(if $(STACK),$(OPTIONS),--yes))

preview: policy/.venv/synced
preview: .venv/synced ## run `pulumi preview` on the stack, with the policy pack
	@$(call pulumi,preview,--policy-pack policy)

refresh: .venv/synced ## run `pulumi refresh`, unless the cluster is not the stack's own
	@$(call operate,refresh,$(if $(STACK),,--yes))

destroy: .venv/synced ## run `pulumi destroy`, unless the stack is protected or a namespace holds what is not its own
	@$(call operate,destroy,$(if $(STACK),,--yes))

doctor: .venv/synced ## ask the cluster for everything that `pulumi up` will need
	@$(call operate,doctor)

charts: .venv/synced ## fetch the Helm chart into charts/ and pin its digest (CHART=… takes an archive of yours)
	@$(call operate,charts,$(if $(CHART),--chart $(call quoted,$(CHART))))

secrets: .venv/synced ## list the secrets that are set, missing or optional, and how to set them
	@$(call operate,secrets)

import-secrets: .venv/synced ## take over a deployment from FILE, the manifest of its Kubernetes Secret
	@$(call operate,import-secrets,$(call quoted,$(FILE)) $(OPTIONS))

adopt: .venv/synced ## say what taking over a running deployment would do (OPTIONS=--write, --take, "--back FILE", docs/moving-in.md)
	@$(call operate,adopt,$(OPTIONS))

migrate-secrets: .venv/synced ## move the Secrets of NAMESPACE into Infisical, step by step (OPTIONS="--step copy --yes", docs/applications.md)
	@$(call operate,migrate-secrets,$(call quoted,$(NAMESPACE)) $(OPTIONS))

escrow: .venv/synced ## write what must be kept outside of the cluster, encrypted to RECIPIENT (age or GPG)
	@$(call operate,escrow,$(call quoted,$(RECIPIENT)) $(OPTIONS))

restore: .venv/synced ## list the backups; with BACKUP=… write the restore of one into the stack file, CONFIRM=… confirms it
	@$(call operate,restore,$(call quoted,$(BACKUP)) $(if $(CONFIRM),--confirm $(call quoted,$(CONFIRM))))

drift: .venv/synced ## say which fields the cluster has otherwise than the stack, and who owns them now (OPTIONS=--json; changes nothing)
	@$(call operate,drift,$(OPTIONS))

heal: .venv/synced ## put back what the stack owns; asks first, unless OPTIONS=--yes
	@$(call operate,heal,$(OPTIONS))

forget-cluster: .venv/synced ## take a cluster that is gone for good out of the state (CLUSTER=uid); generated keys stay
	@$(call operate,forget-cluster,$(call quoted,$(CLUSTER)))

graph: .venv/synced ## draw docs/graph.svg and docs/applications.svg, and write the table of docs/architecture.md
	@$(python) -m pictures graph
	@$(python) -m pictures graph --stack sample --output docs/applications.svg --table docs/architecture.md \
	  --only InfisicalRelease Bootstrap Ingress SecretsOperator ApplicationSecrets

reference: .venv/synced ## write docs/configuration.md, docs/stack.schema.json and Pulumi.yaml from settings/
	@$(python) -m operations reference

bench: .venv/synced ## measure on a cluster of its own, and write docs/benchmarks.md and up.html
	@$(python) -m bench

test: check unit $(if $(THOROUGH),mutation) contract e2e ## run checks and tests (half an hour once the programs are built, THOROUGH=1 for all)

check: .venv/synced ## lint, spelling, format, types
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/codespell
	@.venv/bin/pyright

unit: .venv/synced ## test the program on mocks, and the tools around it, without a cluster
	@$(python) -m pytest --numprocesses auto --dist worksteal tests/unit tests/tools

mutation: .venv/synced ## take every wait, secret mark and protection away in turn, and see a unit test turn red
	@$(python) -m tests.mutation

contract: .venv/synced ## compare what is emitted with what others define
	@$(python) -m pytest --numprocesses auto --dist worksteal tests/contract

e2e: .venv/synced ## test the real thing, from empty (THOROUGH=1 for some minutes more, PATIENCE=2 on a slow machine)
	@$(embedded) build
	@tests/install-engines.sh
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target programs platform failures

# Most of their time they wait, so they run side by side. The first wait the shortest, so they come first where the
# machine is busy.
programs: ## test what needs no cluster: scripts of Jobs, stand-ins, the engine
	@$(python) -m pytest --numprocesses 3 --dist loadfile tests/jobs tests/standins tests/engine

platform: ## test the platform on a cluster of its own, as its user lives with it
	@E2E_INSTANCE=e2e nice -n 10 $(python) -m pytest tests/e2e -m platform --durations=5

failures: ## test what is refused, fails and heals, and rotates, on a second cluster
	@E2E_INSTANCE=e2e-failures nice -n 10 $(python) -m pytest tests/e2e -m 'not platform' --durations=5

rehearse: .venv/synced ## break the platform under writes on a third cluster, and add its figures to docs/rehearsals.md (FAULTS="primary drain" selects)
	@$(embedded) build --rehearsals
	@tests/install-engines.sh
	@E2E_INSTANCE=rehearsals FAULTS=$(call quoted,$(FAULTS)) $(python) -m pytest -s tests/rehearsals$(if $(FAULTS),/test_faults.py)

policy/.venv/synced: policy/uv.lock policy/pyproject.toml policy/sync.sh .venv/synced
	@PYTHON=$(CURDIR)/$(python) policy/sync.sh
	@touch $@

.venv/synced: uv.lock pyproject.toml bootstrap.sh
	@./bootstrap.sh
	@touch $@
