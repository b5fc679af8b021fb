"""Refuse NetworkPolicies that would cut the platform off from its operators or from the API server.

A policy can name no pod that the program doesn't know. Without its operator a database repairs nothing, and without the
API server Patroni gives up its lead.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic.alias_generators import to_camel

from safeguards.cluster import LiveCluster
from safeguards.refusal import Refusal
from settings import Commands, Settings
from settings.network_policies import Peer

# Whether a namespace has pods with these labels. None when the user may not look.
Selects = Callable[[str, Mapping[str, str]], bool | None]
_NODE_LOCAL = {"k8s-app": "node-local-dns"}  # https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/
# By their names in networkPolicies.operators.
IMAGES: Mapping[str, str] = {
    "postgres": "postgres-operator",
    "redis": "redis-operator",
    "external_secrets": "external-secrets",
}


@dataclass(frozen=True, slots=True)
class Cut:
    """A setting that leaves out what the cluster has, why, and the value that mends it."""

    key: str
    reason: str
    value: str = "VALUE"


def refuse_cut_off(settings: Settings, cluster: LiveCluster, commands: Commands) -> None:
    """Raise Refusal when the policies would leave out an operator, the API server or the DNS that the cluster has."""
    if not settings.network_policies.enabled:
        return
    named = {*_said(settings), *settings.operators.installed}
    unsaid = [operator for operator in operators_of(settings) if operator not in named]
    images: Mapping[str, Collection[str]] = cluster.images() if unsaid else {}
    cuts = [cut for operator in unsaid for cut in operator_cut(settings, operator, images)]
    cuts += api_server_cuts(settings, cluster.api_server())
    cuts += dns_cuts(settings, cluster.has_pods)
    if cuts:
        lines = [f"{cut.key}: {cut.reason}. Set it: {commands.set(cut.key, cut.value)}" for cut in cuts]
        leave_out = commands.set("networkPolicies.enabled", "false")
        raise Refusal("\n".join([*lines, f"To do without NetworkPolicies: {leave_out}"]))


def operators_of(settings: Settings) -> Sequence[str]:
    """Return the operators that a stack depends on, and that policies may shut out."""
    delivering, closed = settings.secrets_operator, settings.network_policies.ingress_controller
    reads = delivering and delivering.kind == "externalSecrets"
    depends = {
        "postgres": settings.database.kind == "operator",
        "redis": settings.redis.kind == "operator",
        "external_secrets": bool(reads and closed),  # everybody reaches Infisical otherwise
    }
    return [operator for operator in IMAGES if depends[operator]]


def _said(settings: Settings) -> Collection[str]:
    """Return the operators whose namespace the stack itself says. They may run where no Deployment shows them."""
    return settings.network_policies.operators.model_fields_set


def operator_cut(settings: Settings, operator: str, images: Mapping[str, Collection[str]]) -> Iterator[Cut]:
    """Yield why an operator does not run where the settings have it. `images` are namespaces by an image's name."""
    namespace, image = getattr(settings.network_policies.operators, operator), IMAGES[operator]
    found = sorted(images.get(image, ()))
    key = f"networkPolicies.operators.{to_camel(operator)}"
    if operator == "external_secrets" and (not found or not {*found}.isdisjoint(_let_in(settings))):
        return  # a canary proves that it delivers, which takes minutes to fail
    if found and namespace not in found:
        reason = f"the operator runs in {' and '.join(found)}, not in {namespace}, so the policies would shut it out"
        yield Cut(key, reason, found[0])
    elif not found:
        yield Cut(key, f"no Deployment runs an image called {image}, so the policies may shut the operator out")


def _let_in(settings: Settings) -> Iterator[str | None]:
    """Yield the namespaces that the stack lets in to Infisical by paths of its own."""
    for path in settings.network_policies.extra_ingress:
        if path.part == "infisical":
            yield path.peer.namespace


def dns_cuts(settings: Settings, has_pods: Selects) -> Iterator[Cut]:
    """Yield why nobody would answer DNS: nothing finds its database then, nor anything else."""
    resolvers = settings.network_policies.dns
    if nobody(resolvers, has_pods):
        reason = f"no pod is {' or '.join(map(str, resolvers))}, so nobody would answer DNS"
        yield Cut('networkPolicies.dns[0].labels["k8s-app"]', reason, "kube-dns")
    if resolvers and not any(peer.cidr for peer in resolvers) and has_pods("kube-system", _NODE_LOCAL):
        reason = (
            "NodeLocal DNSCache answers on every node at an address that no pod has (169.254.20.10, with Kubespray "
            "169.254.25.10), so pods would ask in vain. Name that address and Service kube-dns', or leave out dns"
        )
        yield Cut(f"networkPolicies.dns[{len(resolvers)}].cidr", reason, "169.254.20.10/32")


def nobody(peers: Sequence[Peer], has_pods: Selects) -> bool:
    """Return whether peers are pods alone, and the cluster has none of them."""
    return bool(peers) and not any(
        peer.namespace is None or has_pods(peer.namespace, peer.labels) is not False for peer in peers
    )


def api_server_cuts(settings: Settings, endpoints: Collection[tuple[str, int]]) -> Iterator[Cut]:
    """Yield which of the API server's endpoints the settings leave out."""
    wanted = settings.network_policies.api_server
    said = len(wanted.ports) if "ports" in wanted.model_fields_set else 0  # in the stack file, the first one is free
    for port in sorted({port for _, port in endpoints} - {*wanted.ports}):
        reason = f"the API server listens on {port}, and without it Patroni gives up the database"
        yield Cut(f"networkPolicies.apiServer.ports[{said}]", reason, str(port))
    ranges = [ipaddress.ip_network(cidr) for cidr in wanted.cidrs]
    for address in sorted({address for address, _ in endpoints}):
        known = ipaddress.ip_address(address)
        if ranges and not any(known in each for each in ranges if each.version == known.version):
            reason = f"the API server's address {address} is in none of them, and Patroni gives up the database"
            yield Cut(f"networkPolicies.apiServer.cidrs[{len(ranges)}]", reason, f"{address}/{known.max_prefixlen}")
