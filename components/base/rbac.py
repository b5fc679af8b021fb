"""Let a Job talk to the API server, with an identity and with rules in a namespace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi import Input, Resource, ResourceOptions
from pulumi_kubernetes import core, meta, rbac


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyRule:
    """Verbs on one resource of an API group. Without names, they hold for every object of that resource."""

    group: str
    resource: str
    verbs: Sequence[str]
    names: Sequence[str] = ()


def service_account(name: str, namespace: Input[str], *, parent: Resource) -> core.v1.ServiceAccount:
    """Create the identity of a Job that talks to the API server."""
    metadata = meta.v1.ObjectMetaArgs(name=name, namespace=namespace)
    return core.v1.ServiceAccount(name, metadata=metadata, opts=ResourceOptions(parent=parent))


def subject(account: core.v1.ServiceAccount | rbac.v1.SubjectArgs) -> rbac.v1.SubjectArgs:
    """Return an account as bindings name it. A SubjectArgs stands for one that a different component made."""
    if isinstance(account, rbac.v1.SubjectArgs):
        return account
    return rbac.v1.SubjectArgs(kind="ServiceAccount", name=account.metadata.name, namespace=account.metadata.namespace)


def role_binding(
    name: str,
    namespace: Input[str],
    rules: Sequence[PolicyRule],
    account: core.v1.ServiceAccount | rbac.v1.SubjectArgs,
    *,
    parent: Resource,
    logical: str = "",
) -> rbac.v1.RoleBinding:
    """Create a Role in `namespace` with `rules`, and bind it to `account`, which may live in a different namespace.

    `logical` is Pulumi's name for both, where objects of one name are in several namespaces.
    """
    logical = logical or name
    metadata = meta.v1.ObjectMetaArgs(name=name, namespace=namespace)
    role = rbac.v1.Role(
        logical,
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
        logical,
        metadata=metadata,
        role_ref=rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=role.metadata.name),
        subjects=[subject(account)],
        opts=ResourceOptions(parent=parent),
    )


def token_reviewer(
    name: str, account: core.v1.ServiceAccount, *, in_cluster: str, parent: Resource
) -> rbac.v1.ClusterRoleBinding:
    """Let `account` ask the API server whose a token is, and nothing else. Infisical asks so with the token itself."""
    role = rbac.v1.ClusterRole(
        f"{name}-token-review",
        metadata=meta.v1.ObjectMetaArgs(name=f"{in_cluster}-token-review"),
        rules=[
            rbac.v1.PolicyRuleArgs(api_groups=["authentication.k8s.io"], resources=["tokenreviews"], verbs=["create"])
        ],
        opts=ResourceOptions(parent=parent),
    )
    return rbac.v1.ClusterRoleBinding(
        f"{name}-token-review",
        metadata=meta.v1.ObjectMetaArgs(name=f"{in_cluster}-token-review"),
        role_ref=rbac.v1.RoleRefArgs(
            api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=role.metadata.name
        ),
        subjects=[subject(account)],
        opts=ResourceOptions(parent=parent),
    )
