"""Connect an instance's nodes: the first with the host, a second one with the first."""

from __future__ import annotations

import json

from embedded.errors import EmbeddedError
from embedded.instance import Instance
from embedded.machine import sh


def connect_first(instance: Instance) -> None:
    """Make the first node's network namespace, with a link to the host. Raises EmbeddedError for a taken address."""
    namespace = instance.node.network_namespace
    routes = json.loads(sh("ip", "-json", "-4", "route", "get", str(instance.node_address), check=False) or "[]")
    if routes and routes[0].get("dev") not in (None, instance.link) and "gateway" not in routes[0]:
        raise EmbeddedError(
            f"{instance.node_address} is on this machine's interface {routes[0]['dev']} already: "
            "choose another instance name (make up INSTANCE=…)"
        )
    sh("ip", "netns", "add", namespace)
    sh("ip", "link", "add", instance.link, "type", "veth", "peer", "name", "eth0", "netns", namespace)
    sh("ip", "address", "add", f"{instance.host_address}/30", "dev", instance.link)
    sh("ip", "link", "set", instance.link, "up")
    _bring_up(namespace, "eth0", f"{instance.node_address}/30")
    sh("ip", "-netns", namespace, "route", "add", "default", "via", str(instance.host_address))


def connect_second(instance: Instance) -> None:
    """Make the second node's network namespace, with a cable to the first, which leads to everything else."""
    first, second = instance.node.network_namespace, instance.second_node.network_namespace
    sh("ip", "netns", "add", second)
    sh("ip", "-netns", first, "link", "add", "node2", "type", "veth", "peer", "name", "eth0", "netns", second)
    _bring_up(first, "node2", f"{instance.cable_address}/30")
    _bring_up(second, "eth0", f"{instance.second_node.address}/30")
    sh("ip", "-netns", second, "route", "add", "default", "via", str(instance.cable_address))
    sh("ip", "-netns", first, "route", "add", instance.second_node.pods, "via", str(instance.second_node.address))


def _bring_up(namespace: str, interface: str, address: str) -> None:
    sh("ip", "-netns", namespace, "link", "set", "lo", "up")
    sh("ip", "-netns", namespace, "address", "add", address, "dev", interface)
    sh("ip", "-netns", namespace, "link", "set", interface, "up")
