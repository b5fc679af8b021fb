"""Make the providers that every resource names, so that none takes a default provider."""

from __future__ import annotations

import pulumi_kubernetes
import pulumi_random
from pulumi import ProviderResource


def providers_of(context: str | None, kubeconfig: str | None, cluster: str | None) -> list[ProviderResource]:
    """Return the providers of one cluster, whose uid is `cluster` where it is known."""
    kubernetes = pulumi_kubernetes.Provider(
        "kubernetes",
        context=context,
        kubeconfig=kubeconfig or "",  # None would write the shell's KUBECONFIG into the state
        cluster_identifier=cluster,
        enable_secret_mutable=True,  # otherwise a changed value deletes the Secret first, and CertSync's key with it
    )
    return [kubernetes, pulumi_random.Provider("random")]
