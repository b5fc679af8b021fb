"""Connect an instance's nodes: the first with the host, a second one with the first."""

from __future__ import annotations

import json

from embedded.errors import EmbeddedError
from embedded.instance import Instance
from embedded.machine import sh
from embedded.ranges import IPV4, IPV6, Address, Ranges

# An address of IPv6 is looked for on the link before it is used, for a second in which nothing can bind it.
_AT_ONCE = {IPV4.flag: (), IPV6.flag: ("nodad",)}


def connect_first(instance: Instance) -> None:
    """Make the first node's network namespace, with a link to the host. Raises EmbeddedError for a taken address."""
    namespace = instance.node.network_namespace
    ranges = instance.ranges
    routes = json.loads(sh("ip", "-json", ranges.flag, "route", "get", str(instance.node_address), check=False) or "[]")
    if routes and routes[0].get("dev") not in (None, instance.link) and "gateway" not in routes[0]:
        raise EmbeddedError(
            f"{instance.node_address} is on this machine's interface {routes[0]['dev']} already: "
            "choose another instance name (make up INSTANCE=…)"
        )
    sh("ip", "netns", "add", namespace)
    sh("ip", "link", "add", instance.link, "type", "veth", "peer", "name", "eth0", "netns", namespace)
    sh("ip", "address", "add", f"{instance.host_address}/{ranges.length}", "dev", instance.link, *_AT_ONCE[ranges.flag])
    sh("ip", "link", "set", instance.link, "up")
    _bring_up(namespace, "eth0", instance.node_address, ranges)
    _route(namespace, ranges, "default", instance.host_address)


def connect_second(instance: Instance) -> None:
    """Make the second node's network namespace, with a cable to the first, which leads to everything else."""
    first, second = instance.node.network_namespace, instance.second_node.network_namespace
    ranges = instance.ranges
    sh("ip", "netns", "add", second)
    sh("ip", "-netns", first, "link", "add", "node2", "type", "veth", "peer", "name", "eth0", "netns", second)
    _bring_up(first, "node2", instance.cable_address, ranges)
    _bring_up(second, "eth0", instance.second_node.address, ranges)
    _route(second, ranges, "default", instance.cable_address)
    _route(first, ranges, instance.second_node.pods, instance.second_node.address)


def _bring_up(namespace: str, interface: str, address: Address, ranges: Ranges) -> None:
    sh("ip", "-netns", namespace, "link", "set", "lo", "up")
    given = (f"{address}/{ranges.length}", "dev", interface, *_AT_ONCE[ranges.flag])
    sh("ip", "-netns", namespace, "address", "add", *given)
    sh("ip", "-netns", namespace, "link", "set", interface, "up")


def _route(namespace: str, ranges: Ranges, to: str, via: Address) -> None:
    sh("ip", "-netns", namespace, ranges.flag, "route", "add", to, "via", str(via))
