"""Ask for the cluster's domain, by which operators name Services in full: cluster.local nearly everywhere."""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.result import Result, fail, ok
from operations.cluster import Cluster, Unanswered

_DEFAULT = "cluster.local"


def judge(cluster: Cluster, subject: str, told: str, fix: str) -> Iterator[Result]:
    """Judge the domain that an operator is told; it takes the default when told none. No row where no kubelet tells.

    `fix` takes the right domain by format.
    """
    domain, told = _of(cluster), told or _DEFAULT
    if domain == told:
        yield ok(f"{subject}: cluster domain", told)
    elif domain:
        reason = f"the cluster's is {domain} and the operator takes {told}: it would not reach what it runs"
        yield fail(f"{subject}: cluster domain", reason, fix.format(domain))


def _of(cluster: Cluster) -> str | None:
    try:
        nodes = cluster.items("/api/v1/nodes?limit=1")
        found = cluster.get(f"/api/v1/nodes/{nodes[0]['metadata']['name']}/proxy/configz") if nodes else None
    except Unanswered:  # the right is seldom given, and most clusters have the default
        return None
    return (found or {}).get("kubeletconfig", {}).get("clusterDomain") or None
