"""Make the providers that every resource names, so that none takes a default provider."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pulumi_kubernetes
import pulumi_random
from pulumi import ProviderResource, Resource, ResourceOptions, ResourceTransformation

from components.base.logical_names import KUBERNETES


def providers_of(context: str | None, kubeconfig: str | None, cluster: str | None) -> list[ProviderResource]:
    """Return the providers of one cluster, whose uid is `cluster` where it is known."""
    kubernetes = pulumi_kubernetes.Provider(
        KUBERNETES,
        context=context,
        kubeconfig=kubeconfig or "",  # None would write the shell's KUBECONFIG into the state
        cluster_identifier=cluster,
        enable_secret_mutable=True,  # otherwise a changed value deletes the Secret first, and CertSync's key with it
    )
    return [kubernetes, pulumi_random.Provider("random")]


def options_of(providers: Sequence[ProviderResource], placed: ResourceTransformation) -> Callable[..., ResourceOptions]:
    """Return a function that makes the options of a part out of what it waits for. A part that isn't there is None."""

    def after(*parts: Resource | None) -> ResourceOptions:
        waits = [part for part in parts if part]
        return ResourceOptions(providers=list(providers), depends_on=waits, transformations=[placed])

    return after
