"""Refuse a Gateway's listener that would serve the site without TLS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from safeguards.cluster import LiveCluster
from safeguards.refusal import Refusal
from settings import Commands, Settings
from settings.ingress import GatewayRoute


def refuse_plain_http(settings: Settings, cluster: LiveCluster, commands: Commands) -> None:
    """Raise Refusal when the route would hang on a listener of protocol HTTP. Passwords would cross the network."""
    route = settings.ingress.route
    if isinstance(route, GatewayRoute):
        listeners = cluster.listeners(route.namespace, route.name)
        if plain := plain_listeners(route, listeners):
            raise Refusal(
                f"ingress.route.listener: listener {' and '.join(plain)} of Gateway {route.namespace}/{route.name} has "
                f"no TLS, and the site would be served there in plain text. Choose one of protocol HTTPS: "
                f"{commands.set('ingress.route.listener', https_listener(listeners))}"
            )


def plain_listeners(route: GatewayRoute, listeners: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the listeners of protocol HTTP that the site's route would hang on."""
    wanted = [each for each in listeners if route.listener in (None, each["name"])]
    return [each["name"] for each in wanted if each.get("protocol") == "HTTP"]


def https_listener(listeners: Sequence[Mapping[str, Any]]) -> str:
    """Return a listener that a command can name."""
    return next((each["name"] for each in listeners if each.get("protocol") == "HTTPS"), "NAME")
