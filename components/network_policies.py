"""Close the platform's namespaces to everything that is not a path of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, ResourceOptions
from pulumi_kubernetes import core, meta
from pulumi_kubernetes.networking import v1

from components.base.logical_names import namespace_name
from components.base.names import type_token
from components.base.namespace import namespace as create_namespace
from components.network_paths import Addresses, End, Others, Path, Pods

_NAMESPACE_NAME = "kubernetes.io/metadata.name"  # which Kubernetes sets, and nobody else can


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkPoliciesArgs:
    """The namespace, and the paths of the whole stack."""

    namespace: str
    made: Input[str]  # the same name, as the Namespace's own output: the policies wait for it
    paths: Sequence[Path]
    keep: bool = False  # what leaves the stack stays in the cluster


def closed_namespace(
    name: str, namespace: str, identity: Mapping[str, Input[str]], paths: Sequence[Path], opts: ResourceOptions
) -> tuple[core.v1.Namespace, NetworkPolicies]:
    """Create a Namespace of this stack, and the policies that close it. `opts` are the Namespace's.

    Where the Namespace stays, so do its policies: what runs on in it is cut off where nothing else allows its paths.

    `identity` has the annotations that tell whose it is, and `paths` are those of the whole stack.
    """
    own = create_namespace(namespace_name(name), namespace, identity, opts)
    keep = bool(opts.retain_on_delete)
    policies = NetworkPoliciesArgs(namespace=namespace, made=own.metadata.name, paths=paths, keep=keep)
    return own, NetworkPolicies(f"{name}-policies", policies, ResourceOptions(parent=opts.parent))


class NetworkPolicies(ComponentResource):
    """Create a NetworkPolicy for each kind of pods of a namespace, and one that closes it for all others.

    A policy has all that its pods need in both directions, so it cuts nothing off at the moment in which it is made or
    changed. The one that closes the namespace comes last and goes first.
    """

    def __init__(self, name: str, args: NetworkPoliciesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("NetworkPolicies"), name, None, opts)
        policies = [
            v1.NetworkPolicy(
                f"{name}-{pods.name}",
                metadata=meta.v1.ObjectMetaArgs(name=pods.name, namespace=args.made),
                spec=v1.NetworkPolicySpecArgs(
                    pod_selector=_selector(pods),
                    policy_types=["Ingress", "Egress"],
                    ingress=_ingress(pods, args.paths),
                    egress=_egress(pods, args.paths),
                ),
                opts=ResourceOptions(parent=self, retain_on_delete=args.keep),
            )
            for pods in _pods(args.namespace, args.paths)
        ]
        if policies:
            v1.NetworkPolicy(
                f"{name}-others",
                metadata=meta.v1.ObjectMetaArgs(name="others", namespace=args.made),
                spec=v1.NetworkPolicySpecArgs(
                    pod_selector=meta.v1.LabelSelectorArgs(), policy_types=["Ingress", "Egress"]
                ),
                opts=ResourceOptions(parent=self, depends_on=policies, retain_on_delete=args.keep),
            )
        self.register_outputs({})


def _pods(namespace: str, paths: Sequence[Path]) -> Sequence[Pods]:
    """Return the kinds of pods of a namespace in the order of the table."""
    ends = (end for path in paths for end in (path.target, path.source))
    found = {end.name: end for end in ends if isinstance(end, Pods) and end.namespace == namespace}
    return list(found.values())


# A list without rules is left out: some programs read an empty one as "everything".
def _ingress(pods: Pods, paths: Sequence[Path]) -> Sequence[v1.NetworkPolicyIngressRuleArgs] | None:
    rules = [
        v1.NetworkPolicyIngressRuleArgs(from_=[*_peers(path.source, pods)] or None, ports=_ports(path))
        for path in paths
        if path.target == pods
    ]
    return rules or None


def _egress(pods: Pods, paths: Sequence[Path]) -> Sequence[v1.NetworkPolicyEgressRuleArgs] | None:
    rules = [
        v1.NetworkPolicyEgressRuleArgs(to=[*_peers(path.target, pods)] or None, ports=_ports(path))
        for path in paths
        if path.source == pods
    ]
    return rules or None


def _peers(end: End, seen_from: Pods) -> Iterator[v1.NetworkPolicyPeerArgs]:
    """Yield the peers of a rule. A rule without any is for everybody."""
    match end:
        case Addresses():
            for cidr in end.ranges:
                block = v1.IPBlockArgs(cidr=cidr, except_=[*end.but] or None)
                yield v1.NetworkPolicyPeerArgs(ip_block=block)
        case Pods() if end.namespace == seen_from.namespace:
            yield v1.NetworkPolicyPeerArgs(pod_selector=_selector(end))
        case Pods():
            yield v1.NetworkPolicyPeerArgs(namespace_selector=_namespace(end.namespace), pod_selector=_selector(end))
        case Others():
            labels = meta.v1.LabelSelectorArgs(match_labels=end.labels) if end.labels else None
            yield v1.NetworkPolicyPeerArgs(namespace_selector=_namespace(end.namespace), pod_selector=labels)


def _ports(path: Path) -> Sequence[v1.NetworkPolicyPortArgs] | None:
    ports = [
        v1.NetworkPolicyPortArgs(port=port, protocol=protocol) for port in path.ports for protocol in path.protocols
    ]
    return ports or None


def _namespace(name: str) -> meta.v1.LabelSelectorArgs:
    return meta.v1.LabelSelectorArgs(match_labels={_NAMESPACE_NAME: name})


def _selector(pods: Pods) -> meta.v1.LabelSelectorArgs:
    exact = {label: values[0] for label, values in pods.labels.items() if len(values) == 1}
    several = [
        meta.v1.LabelSelectorRequirementArgs(key=label, operator="In", values=[*values])
        for label, values in pods.labels.items()
        if len(values) > 1
    ]
    absent = [meta.v1.LabelSelectorRequirementArgs(key=pods.without, operator="DoesNotExist")] if pods.without else []
    return meta.v1.LabelSelectorArgs(match_labels=exact or None, match_expressions=[*several, *absent] or None)
