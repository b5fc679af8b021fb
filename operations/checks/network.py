"""Check that NetworkPolicies let in and out what this cluster needs, and that something enforces them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from urllib.parse import urlencode

from components.network_paths import Pods, network_paths
from components.operator_paths import operator_paths
from operations.checks.deployments import find
from operations.checks.result import Result, fail, ok, warn
from operations.cluster import Cluster, Object, Unanswered
from safeguards.network import IMAGES, Cut, api_server_cuts, dns_cuts, nobody, operator_cut, operators_of
from settings import Commands, Settings

_SUBJECT = "NetworkPolicies"
_ENFORCED_BY = (
    "antrea-agent",
    "aws-node",
    "azure-npm",
    "calico-node",
    "canal",
    "cilium",
    "kube-network-policies",
    "kube-router",
    "ovnkube-node",
    "weave-net",
)


def policies(commands: Commands, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge the settings of NetworkPolicies by what the cluster has."""
    if not settings.network_policies.enabled:
        fix = commands.set("networkPolicies.enabled", "true")
        yield warn(_SUBJECT, "any pod of the cluster reaches PostgreSQL, Patroni, Redis and the Sentinels", fix)
        return
    has_pods = partial(_has_pods, cluster)
    cuts = [*_operators(cluster, settings), *api_server_cuts(settings, _api_server(cluster))]
    cuts += dns_cuts(settings, has_pods)
    for cut in cuts:
        yield fail(_SUBJECT, f"{cut.key}: {cut.reason}", commands.set(cut.key, cut.value))
    if not cuts:
        yield ok(_SUBJECT, "the operators, DNS and the API server have their paths")
    visitors = settings.network_policies.ingress_controller
    if nobody(visitors, has_pods):
        seen = f"no pod is {' or '.join(map(str, visitors))}, so nobody would reach Infisical"
        fix = commands.set("networkPolicies.ingressController[0].namespace", "NAMESPACE")
        yield warn(f"{_SUBJECT}: ingress controller", seen, f"{fix}, and the labels that the controller's pods have")
    if not visitors:
        fix = commands.set("networkPolicies.ingressController[0].namespace", "NAMESPACE")
        yield warn(f"{_SUBJECT}: ingress controller", "any pod reaches Infisical past the ingress controller", fix)
    yield from _unknown(cluster, settings)
    yield from _enforced(cluster)


def _operators(cluster: Cluster, settings: Settings) -> Iterator[Cut]:
    images: dict[str, set[str]] = {}
    for deployed in find(cluster, lambda each: each.repository in IMAGES.values()):
        images.setdefault(deployed.repository, set()).add(deployed.namespace)
    for operator in operators_of(settings):
        if IMAGES[operator] in images:  # a row of its own says when there is none
            yield from operator_cut(settings, operator, images)


def _has_pods(cluster: Cluster, namespace: str, labels: Mapping[str, str]) -> bool | None:
    selector = ",".join(f"{name}={value}" for name, value in labels.items())
    try:
        return bool(cluster.items(f"/api/v1/namespaces/{namespace}/pods?{urlencode({'labelSelector': selector})}"))
    except Unanswered:
        return None  # the user may not look


def _api_server(cluster: Cluster) -> set[tuple[str, int]]:
    found = cluster.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes") or {}
    return {
        (address, port["port"])
        for endpoint in found.get("endpoints") or ()
        for address in endpoint["addresses"]
        for port in found.get("ports") or ()
    }


def _unknown(cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Warn of pods that no path is for in the namespaces that policies close: the platform's, and its operators'."""
    paths = (*network_paths(settings), *operator_paths(settings))
    ends = [end for path in paths for end in (path.source, path.target) if isinstance(end, Pods)]
    for namespace in dict.fromkeys((*settings.cluster.names.namespaces, *(end.namespace for end in ends))):
        known = [end for end in ends if end.namespace == namespace]
        pods = cluster.items(f"/api/v1/namespaces/{namespace}/pods")
        strange = [pod["metadata"]["name"] for pod in pods if _runs(pod) and not _is_one_of(pod, known)]
        if strange:
            yield warn(
                f"{_SUBJECT}: {namespace}",
                f"{', '.join(strange)} reach nothing and are reached by nobody",
                "if they are yours, give them a NetworkPolicy of their own, because policies add up",
            )


def _runs(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") == "Running"


def _is_one_of(pod: Object, known: Sequence[Pods]) -> bool:
    labels = pod["metadata"].get("labels", {})
    return any(
        all(labels.get(name) in values for name, values in end.labels.items()) and end.without not in labels
        for end in known
    )


def _enforced(cluster: Cluster) -> Iterator[Result]:
    """Warn where flannel alone makes the pods' network. Other plugins enforce policies, or can't be told by a name."""
    names = {each["metadata"]["name"] for each in cluster.items("/apis/apps/v1/daemonsets")}
    if any("flannel" in name for name in names) and names.isdisjoint(_ENFORCED_BY):
        yield warn(
            f"{_SUBJECT}: network plugin",
            "flannel enforces no policies, so they have no effect",
            "install a program that does, for example Calico beside flannel, or kube-network-policies",
        )
