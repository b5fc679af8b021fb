"""A Job which succeeds when the thing is really usable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Resource, ResourceOptions
from pulumi_kubernetes import core, meta, rbac

from components.names import type_token
from components.pod import Step, digest, pod_template, run_once, scripts


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A right of the gate in its own namespace; without names it holds for every object of the kind."""

    group: str
    resource: str
    verbs: Sequence[str]
    names: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class GateArgs:
    """What a gate does, and when it does it again."""

    namespace: Input[str]
    steps: Sequence[Step]
    guards: object  # plain data; the gate runs again when it changes
    guarded_value: Input[str] = ""  # the same for what is known only when it is made; never a secret
    rules: Sequence[Rule] = ()
    deadline_seconds: int = 300


class Gate(ComponentResource):
    """Holds up everything that depends on it until its steps have succeeded.

    Creates a ConfigMap with the scripts and a Job; with `rules` also a ServiceAccount, a Role and a RoleBinding. An
    operator's word is not enough (a database is "Running" while its pooler crashes, a RedisSentinel has no status), so
    the steps do what the application will do. When they don't succeed, `up` ends with the script's last line.
    """

    def __init__(self, name: str, args: GateArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("Gate"), name, None, opts)
        scripts_map = scripts(f"{name}-scripts", args.namespace, args.steps, parent=self)
        account = service_account(name, args.namespace, parent=self) if args.rules else None
        rights = [grant(name, args.namespace, args.rules, account, parent=self)] if account else []
        guarded = {"infisical-platform/guards": digest(args.guards), "infisical-platform/value": args.guarded_value}
        template = pod_template(
            args.steps,
            scripts_map=scripts_map.metadata.name,
            service_account=account.metadata.name if account else None,
            annotations=guarded,
        )
        run_once(name, args.namespace, template, args.deadline_seconds, parent=self, depends_on=rights)
        self.register_outputs({})


def service_account(name: str, namespace: Input[str], *, parent: Resource) -> core.v1.ServiceAccount:
    """The identity of a Job which talks to the API server."""
    metadata = meta.v1.ObjectMetaArgs(name=name, namespace=namespace)
    return core.v1.ServiceAccount(name, metadata=metadata, opts=ResourceOptions(parent=parent))


def grant(
    name: str, namespace: Input[str], rules: Sequence[Rule], account: core.v1.ServiceAccount, *, parent: Resource
) -> rbac.v1.RoleBinding:
    """A Role in `namespace` with `rules`, bound to `account`, which may live in another namespace."""
    metadata = meta.v1.ObjectMetaArgs(name=name, namespace=namespace)
    role = rbac.v1.Role(
        name,
        metadata=metadata,
        rules=[
            rbac.v1.PolicyRuleArgs(
                api_groups=[rule.group],
                resources=[rule.resource],
                verbs=list(rule.verbs),
                resource_names=list(rule.names) or None,
            )
            for rule in rules
        ],
        opts=ResourceOptions(parent=parent),
    )
    return rbac.v1.RoleBinding(
        name,
        metadata=metadata,
        role_ref=rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=role.metadata.name),
        subjects=[
            rbac.v1.SubjectArgs(kind="ServiceAccount", name=account.metadata.name, namespace=account.metadata.namespace)
        ],
        opts=ResourceOptions(parent=parent),
    )
