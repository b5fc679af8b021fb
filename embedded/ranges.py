"""The networks of an embedded cluster, in either family of addresses. A cluster has one family alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranges:
    """Which addresses links, nodes, pods and Services have."""

    links: str  # of all instances, in parts of four addresses
    cable: str  # between the two nodes of an instance, which no other sees
    pods: str  # of all nodes
    node_pods: tuple[str, str]  # of each node
    services: str
    anywhere: str
    flag: str  # of `ip`
    firewall: str  # the program that writes the kernel's rules

    @property
    def slots(self) -> int:
        """Return for how many instances there are links."""
        return ip_network(self.links).num_addresses // 4

    def link(self, slot: int) -> tuple[Address, Address]:
        """Return the host's and the node's address on the link in a slot."""
        first = ip_network(self.links)[4 * slot]
        return first + 1, first + 2

    @property
    def ends(self) -> tuple[Address, Address]:
        """Return the first and the second node's address on the cable between them."""
        cable = ip_network(self.cable)
        return cable[1], cable[2]

    @property
    def length(self) -> int:
        """Return how many bits say which link, or cable, an address is of."""
        return ip_network(self.cable).prefixlen

    @property
    def api_server(self) -> str:
        """Return the address of the API server's Service, which is the first one."""
        return str(ip_network(self.services)[1])

    @property
    def dns(self) -> str:
        """Return the address of the resolver's Service."""
        return str(ip_network(self.services)[10])

    @property
    def forwarding(self) -> Sequence[str]:
        """Return the kernel's settings that let a node pass on what is not for itself.

        Without the first, the answer to a pod that called through a Service would bypass the NAT.
        """
        family = "ipv6/conf/all/forwarding" if self is IPV6 else "ipv4/ip_forward"
        return (f"bridge/bridge-nf-call-{self.firewall}", family)


IPV4 = Ranges(
    links="198.18.0.0/15",  # RFC 2544 sets it aside for test benches, so no route of a user leads there
    cable="10.87.0.0/30",
    pods="10.88.0.0/15",
    node_pods=("10.88.0.0/16", "10.89.0.0/16"),
    services="10.96.0.0/16",
    anywhere="0.0.0.0/0",
    flag="-4",
    firewall="iptables",
)
IPV6 = Ranges(
    links="fd6e:6669:0:18::/111",  # below a prefix of its own, as RFC 4193 wants for what no route leads to
    cable="fd6e:6669:0:87::/126",
    pods="fd6e:6669:0:88::/63",
    node_pods=("fd6e:6669:0:88::/64", "fd6e:6669:0:89::/64"),
    services="fd6e:6669:0:96::/112",
    anywhere="::/0",
    flag="-6",
    firewall="ip6tables",
)


def url_host(address: object) -> str:
    """Return an address as URLs have it."""
    return f"[{address}]" if ":" in str(address) else str(address)
