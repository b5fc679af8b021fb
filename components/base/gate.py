"""Hold up an update until what it made is really usable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions
from pulumi_kubernetes import core

from components.base.content import digest
from components.base.job import run_once
from components.base.logical_names import step_name
from components.base.names import type_token
from components.base.pod import Step, pod_template
from components.base.rbac import role_binding, service_account
from components.base.scripts import scripts_map

TRIGGERS = "infisical-platform/triggers"  # the annotation with their digest


@dataclass(frozen=True, kw_only=True, slots=True)
class GateArgs:
    """What a gate does, and what makes it run again."""

    namespace: Input[str]
    steps: Sequence[Step]
    triggers: object  # the gate runs again when this changes: plain data that may hold Outputs, never a secret
    deadline_seconds: int = 300  # of each step
    after: Sequence[Resource] = ()  # the steps wait for these; scripts and rights are made meanwhile


class Gate(ComponentResource):
    """Hold up everything that depends on it until its steps have succeeded, one after the other.

    Creates a ConfigMap with the scripts and a Job for each step, with the ServiceAccount, Role and RoleBinding that
    the step's rules ask for. An operator's word is not enough (a database is "Running" while its pooler crashes, a
    RedisSentinel has no status), so the steps do what the application will do. When one does not succeed, `up` ends
    with its last line.
    """

    def __init__(self, name: str, args: GateArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("Gate"), name, None, opts)
        scripts = [step.script for step in args.steps]
        config_map = scripts_map(f"{name}-scripts", args.namespace, scripts, parent=self)
        triggers = Output.from_input(args.triggers).apply(digest)
        before = list(args.after)
        for step in args.steps:
            job = name if len(args.steps) == 1 else step_name(name, step.name)
            account = service_account(job, args.namespace, parent=self) if step.rules or step.rules_in else None
            bindings = _bindings(job, args.namespace, step, account, self) if account else []
            template = pod_template(
                step,
                job=job,
                scripts_map=config_map.metadata.name,
                service_account=account.metadata.name if account else None,
                annotations={TRIGGERS: triggers},
            )
            done = run_once(
                job,
                args.namespace,
                template,
                args.deadline_seconds,
                parent=self,
                depends_on=[*before, *bindings],
            )
            before = [done]
        self.register_outputs({})


def _bindings(
    job: str, namespace: Input[str], step: Step, account: core.v1.ServiceAccount, parent: Resource
) -> list[Resource]:
    """Create the step's Roles with their bindings: its own, and one in each other namespace, called by that too."""
    own = [role_binding(job, namespace, step.rules, account, parent=parent)] if step.rules else []
    others = [
        role_binding(job, elsewhere, rules, account, logical=f"{job}-{elsewhere}", parent=parent)
        for elsewhere, rules in step.rules_in.items()
    ]
    return [*own, *others]
