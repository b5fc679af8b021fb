"""Ask the cluster of a stack for everything that `pulumi up` will need, and change nothing."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from operations.checks import (
    admission,
    applications,
    archive,
    backup,
    certificates,
    clashes,
    deliveries,
    escrow,
    hosts,
    identity,
    kubernetes,
    network,
    operated_pods,
    operators,
    outside,
    rights,
    route,
    storage,
    way_in,
)
from operations.checks.report import counted, rows
from operations.checks.result import Check, Level, Result, fail, unknown
from operations.cluster import Cluster, Unanswered
from operations.pulumi import Stack
from settings import Settings


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """Print the table. Return 0 when `up` has what it needs, 1 when something fails. Raises OperationError."""
    results = judged(stack, stack.settings(), checks(stack))
    print("\n".join(report(results)))
    return int(any(result.level is Level.FAIL for result in results))


def judged(stack: Stack, settings: Settings, checks: Mapping[str, Check]) -> list[Result]:
    """Return the results of all checks on the stack's cluster. Raises OperationError."""
    _ = stack.exported  # read once, before checks ask for it side by side
    return list(examine(Cluster(settings.cluster.context, settings.cluster.kubeconfig), settings, checks))


def checks(stack: Stack) -> Mapping[str, Check]:
    """Return all checks in the order of the table. A check that the cluster doesn't answer is shown by its name."""
    return {
        "the stack's cluster": partial(identity.identity, stack),
        "OpenShift and IPv6": partial(kubernetes.distribution, stack.commands),
        "kinds": kubernetes.kinds,
        "postgres-operator": operators.postgres_operator,
        "redis-operator": operators.redis_operator,
        "cert-manager": operators.cert_manager,
        "cert-manager's webhook": certificates.webhook,
        "ClusterIssuer": partial(certificates.issuer, stack.commands),
        "StorageClasses": partial(storage.storage_classes, stack),
        "IngressClass or Gateway": partial(route.route, stack.commands),
        "way in": partial(way_in.way_in, stack.commands),
        "addresses of clients": partial(way_in.believed, stack.commands),
        "host": partial(hosts.host, stack),
        "NetworkPolicies": partial(network.policies, stack.commands),
        "rights": rights.rights,
        "pods of Jobs": partial(admission.pods_of_jobs, stack),
        "pods of operators": partial(operated_pods.refused, stack.commands),
        "what is there already": partial(clashes.clashes, stack),
        "applications": partial(applications.applications, stack.commands),
        "deliveries": partial(deliveries.deliveries, stack.commands),
        "backup": partial(backup.backups, stack.commands),
        "archive": partial(archive.archived, stack.commands),
        "escrow": partial(escrow.escrow, stack),
        "DNS": outside.name,
        "chart": partial(outside.chart, stack),
    }


def examine(cluster: Cluster, settings: Settings, checks: Mapping[str, Check]) -> Iterator[Result]:
    """Yield the results in order. If the cluster doesn't answer, yield only that failure."""
    try:
        yield from kubernetes.answers(cluster, settings)
    except Unanswered as reason:
        fix = "start the cluster or log in to it; cluster.context and cluster.kubeconfig say which one it is"
        yield fail("Kubernetes", f"does not answer: {reason}", fix)
        return
    # Each spends most of its time waiting for its own kubectl.
    with ThreadPoolExecutor(len(checks)) as pool:
        for results in pool.map(lambda name: _results(name, checks[name], cluster, settings), checks):
            yield from results


def _results(name: str, check: Check, cluster: Cluster, settings: Settings) -> list[Result]:
    results: list[Result] = []
    try:
        for result in check(cluster, settings):
            results.append(result)
    except Unanswered as reason:
        results.append(unknown(name, reason))
    return results


def report(results: Sequence[Result]) -> Iterator[str]:
    """Yield the table, and the verdict at the end."""
    yield from rows(results)
    yield ""
    yield _verdict(Counter(result.level for result in results))


def _verdict(found: Counter[Level]) -> str:
    warnings = counted(found[Level.WARN], "warning") if found[Level.WARN] else ""
    if found[Level.FAIL]:
        others = ", ".join(filter(None, [warnings, f"{found[Level.UNKNOWN]} unknown" if found[Level.UNKNOWN] else ""]))
        failures = counted(found[Level.FAIL], "failure") + (f", {others}" if others else "")
        return f"{failures}: `pulumi up` would fail or do harm"
    if found[Level.UNKNOWN]:
        told = f", with {warnings}" if warnings else ""
        return f"ready for `pulumi up` as far as the cluster tells{told}; {found[Level.UNKNOWN]} unknown"
    return "ready for `pulumi up`" + (f", with {warnings}" if warnings else "")
