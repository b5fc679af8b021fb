"""The words of the table of paths: pods of the platform, pods of others, addresses, and a path between two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Pods:
    """Pods of the platform, by labels that only they have. Each of these has a policy of this name.

    No label is one that Cilium leaves out of what it knows of a pod, such as the name of a StatefulSet's pod:
    https://docs.cilium.io/en/stable/operations/performance/scalability/identity-relevant-labels/
    """

    name: str
    namespace: str
    labels: Mapping[str, Sequence[str]]  # each label with the values that it may have
    without: str = ""  # a label that tells others apart which have all of these


@dataclass(frozen=True, kw_only=True, slots=True)
class Others:
    """Pods of a namespace that is not the platform's."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True, slots=True)
class Addresses:
    """Addresses outside of the pods' network. Without ranges, everybody, pods and nodes included."""

    ranges: Sequence[str] = ()
    but: Sequence[str] = ()  # ranges inside of them


End = Pods | Others | Addresses
ANYBODY = Addresses()
_PRIVATE_V4 = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
)
PUBLIC = (
    Addresses(ranges=["0.0.0.0/0"], but=_PRIVATE_V4),
    Addresses(ranges=["::/0"], but=["::1/128", "fc00::/7", "fe80::/10"]),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """A connection that is allowed, from where it is opened. Without ports, on all of them."""

    source: End
    target: End
    ports: Sequence[int] = ()
    protocols: Sequence[str] = ("TCP",)
