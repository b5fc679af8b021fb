"""Make sure of what the cluster must have: operators, and objects that settings name and others made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi import ComponentResource, ResourceOptions
from pulumi_kubernetes.apiextensions import CustomResource

from components.base.logical_names import CLUSTER_OPERATORS
from components.base.names import type_token
from components.cluster_operators import ClusterOperators, ClusterOperatorsArgs
from components.operator_chart import OperatorChart
from components.stack_identity import StackIdentity
from settings import Settings
from settings.ingress import IngressSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class RequirementsArgs:
    """What is read."""

    storage_classes: Sequence[str]
    ingress: IngressSettings  # its issuer, and its class or Gateway
    operators: ClusterOperatorsArgs | None = None  # None where the cluster has all of them

    @classmethod
    def of(cls, settings: Settings, identity: StackIdentity, charts: Mapping[str, OperatorChart]) -> RequirementsArgs:
        """Build the arguments from the stack's settings."""
        return cls(
            storage_classes=settings.storage_classes,
            ingress=settings.ingress,
            operators=ClusterOperatorsArgs.of(settings, identity, charts),
        )

    @property
    def installs_cert_manager(self) -> bool:
        """Return whether cert-manager comes with this stack."""
        return self.operators is not None and any(each.operator == "certManager" for each in self.operators.installed)


class Requirements(ComponentResource):
    """Install the operators that the stack brings, and read each object, so that `up` ends at a missing one.

    Without a read, `up` would wait for volumes, certificates and addresses until some deadline. A preview reads
    nothing, so it needs no cluster. A ClusterIssuer is read where cert-manager is there already: nobody can make one
    before.
    """

    operators: ClusterOperators | None

    def __init__(self, name: str, args: RequirementsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("Requirements"), name, None, opts)
        below = ResourceOptions(parent=self)
        self.operators = ClusterOperators.wanted(CLUSTER_OPERATORS, args.operators, below)
        if not pulumi.runtime.is_dry_run():
            for api_version, kind, id_ in _objects(args):
                CustomResource.get(
                    f"{name}-{kind.lower()}-{id_.replace('/', '-')}",
                    api_version=api_version,
                    kind=kind,
                    id=id_,
                    opts=ResourceOptions(parent=self),
                )
        self.register_outputs({})


def _objects(args: RequirementsArgs) -> list[tuple[str, str, str]]:
    """Return apiVersion, kind, and the provider's id of each."""
    found = [("storage.k8s.io/v1", "StorageClass", name) for name in sorted(set(args.storage_classes))]
    issuer, route = args.ingress.issuer, args.ingress.route
    if issuer.kind == "existing" and not args.installs_cert_manager:
        found.append(("cert-manager.io/v1", "ClusterIssuer", issuer.name))
    if route.kind == "ingress":
        found += [("networking.k8s.io/v1", "IngressClass", route.class_name)] if route.has_object else []
    else:
        found.append(("gateway.networking.k8s.io/v1", "Gateway", f"{route.namespace}/{route.name}"))
    return found
