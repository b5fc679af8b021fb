"""Let the pods of a part leave their nodes one at a time."""

from __future__ import annotations

from collections.abc import Mapping

from pulumi import Input, Resource, ResourceOptions
from pulumi_kubernetes import meta, policy


def budget(
    name: str, namespace: Input[str], labels: Mapping[str, str], *, logical: str, parent: Resource
) -> policy.v1.PodDisruptionBudget:
    """Create a PodDisruptionBudget for the pods with these labels.

    `kubectl drain` then takes one pod, waits for its successor, and takes the next. It never waits for ever: one pod
    may always leave, even where there is only one, and a pod that is not ready may leave at any time.
    """
    return policy.v1.PodDisruptionBudget(
        logical,
        metadata=meta.v1.ObjectMetaArgs(name=name, namespace=namespace),
        spec=policy.v1.PodDisruptionBudgetSpecArgs(
            max_unavailable=1,
            selector=meta.v1.LabelSelectorArgs(match_labels=dict(labels)),
            unhealthy_pod_eviction_policy="AlwaysAllow",
        ),
        opts=ResourceOptions(parent=parent),
    )
