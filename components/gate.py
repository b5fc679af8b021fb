"""Jobs which succeed when the thing is really usable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Resource, ResourceOptions

from components.names import type_token
from components.pod import Step, digest, pod_template, run_once, scripts
from components.rights import grant, service_account


@dataclass(frozen=True, kw_only=True, slots=True)
class GateArgs:
    """What a gate does, and when it does it again."""

    namespace: Input[str]
    steps: Sequence[Step]
    guards: object  # plain data; the gate runs again when it changes
    guarded_value: Input[str] = ""  # the same for what is known only when it is made; never a secret
    deadline_seconds: int = 300  # of each step
    after: Sequence[Resource] = ()  # the steps wait for them; scripts and rights are made meanwhile


class Gate(ComponentResource):
    """Holds up everything that depends on it until its steps have succeeded, one after the other.

    Creates a ConfigMap with the scripts and a Job for each step, with the ServiceAccount, Role and RoleBinding which
    the step's rules ask for. An operator's word is not enough (a database is "Running" while its pooler crashes, a
    RedisSentinel has no status), so the steps do what the application will do. When one does not succeed, `up` ends
    with its last line.
    """

    def __init__(self, name: str, args: GateArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("Gate"), name, None, opts)
        scripts_map = scripts(f"{name}-scripts", args.namespace, args.steps, parent=self)
        guarded = {"infisical-platform/guards": digest(args.guards), "infisical-platform/value": args.guarded_value}
        before = list(args.after)
        for step in args.steps:
            job = name if len(args.steps) == 1 else f"{name}-{step.name}"
            account = service_account(job, args.namespace, parent=self) if step.rules else None
            rights = [grant(job, args.namespace, step.rules, account, parent=self)] if account else []
            template = pod_template(
                step,
                scripts_map=scripts_map.metadata.name,
                service_account=account.metadata.name if account else None,
                annotations=guarded,
            )
            done = run_once(
                job,
                args.namespace,
                template,
                args.deadline_seconds,
                parent=self,
                depends_on=[*before, *rights],
            )
            before = [done]
        self.register_outputs({})
