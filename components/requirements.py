"""What the cluster must have already: objects which settings name and others made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi import ComponentResource, ResourceOptions
from pulumi_kubernetes.apiextensions import CustomResource

from components.ingress import ClassRoute, ClusterIssuer, GatewayRoute, LetsEncryptIssuer
from components.names import type_token


@dataclass(frozen=True, kw_only=True, slots=True)
class RequirementsArgs:
    """What is looked for."""

    storage_classes: Sequence[str]
    issuer: ClusterIssuer | LetsEncryptIssuer
    route: ClassRoute | GatewayRoute


class Requirements(ComponentResource):
    """Reads each object, so that `up` ends at once with the name of one that does not exist.

    Else volumes, certificates and addresses would be waited for until some deadline. In a preview nothing is read: it
    needs no cluster.
    """

    def __init__(self, name: str, args: RequirementsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("Requirements"), name, None, opts)
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
    """apiVersion, kind, and the provider's id of each."""
    found = [("storage.k8s.io/v1", "StorageClass", name) for name in sorted(set(args.storage_classes))]
    if isinstance(args.issuer, ClusterIssuer):
        found.append(("cert-manager.io/v1", "ClusterIssuer", args.issuer.name))
    if isinstance(args.route, ClassRoute):
        found.append(("networking.k8s.io/v1", "IngressClass", args.route.class_name))
    else:
        found.append(("gateway.networking.k8s.io/v1", "Gateway", f"{args.route.namespace}/{args.route.name}"))
    return found
