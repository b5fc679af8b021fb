"""Destroy a stack, unless its namespaces hold what is not its own: Kubernetes would delete that with them."""

from __future__ import annotations

import argparse
import re

from operations.cluster import Cluster, Object, Unanswered
from operations.errors import OperationError
from operations.pulumi import Stack
from operations.state import resources_of
from settings.names import Names

# Kinds that people put into a namespace. Objects with an owner go with it; controllers make all other kinds for these.
_KINDS = (
    *("Secret.v1.", "ConfigMap.v1.", "PersistentVolumeClaim.v1.", "Pod.v1.", "Service.v1."),
    *("Deployment.v1.apps", "StatefulSet.v1.apps", "DaemonSet.v1.apps", "Job.v1.batch", "CronJob.v1.batch"),
    *("Ingress.v1.networking.k8s.io",),
)
# The operators, the chart, cert-manager and Kubernetes give one of these names to what they make there for the stack.
_OURS = re.compile(r"infisical|platform-(db|kv)|cert-sync|kube-root-ca\.crt|istio-ca-root-cert")


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """Check the stack's namespaces, then run `pulumi destroy`. Return 0. Raises OperationError."""
    cluster_settings = stack.settings().cluster
    cluster = Cluster(cluster_settings.context, cluster_settings.kubeconfig)
    try:
        if foreign := _foreign(stack, cluster, cluster_settings.names):
            lines = "\n".join(f"  {line}" for line in foreign)
            raise OperationError(
                f"the namespaces of stack {stack.name} hold what is not its own and would take it along:\n{lines}\n"
                "move it elsewhere or delete it, and run this again"
            )
    except Unanswered as reason:
        raise OperationError(f"the cluster does not tell what the stack's namespaces hold: {reason}") from None
    stack.show("destroy", *(["--yes", "--skip-preview"] if arguments.yes else []))
    return 0


def _foreign(stack: Stack, cluster: Cluster, names: Names) -> list[str]:
    """Return, as namespace/kind/name, the objects that are neither in the state nor made for one that is."""
    known = {resource.get("id", "") for resource in resources_of(stack.deployment)}
    namespaces = [name for name in names.namespaces if name in known]
    return [
        f"{namespace}: {live['kind']} {live['metadata']['name']}"
        for namespace in namespaces
        for live in cluster.objects(_KINDS, namespace)
        if not _is_ours(live, known)
    ]


def _is_ours(live: Object, known: set[str]) -> bool:
    metadata = live["metadata"]
    in_state = f"{metadata['namespace']}/{metadata['name']}" in known
    return in_state or bool(metadata.get("ownerReferences")) or bool(_OURS.search(metadata["name"]))
