"""Judge whether a Gateway's listeners take the stack's routes. One that doesn't leaves `up` waiting without a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from operations.checks.result import Result, fail, ok
from operations.cluster import Cluster, Object
from settings import Commands, Settings
from settings.ingress import GatewayRoute

_NAMESPACE_NAME = "kubernetes.io/metadata.name"  # which Kubernetes sets


@dataclass(frozen=True, slots=True)
class Guest:
    """Who wants to hang a route on a listener."""

    namespace: str
    labels: Mapping[str, str]  # of the namespace, as far as it is there
    host: str


def guest_of(cluster: Cluster, settings: Settings) -> Guest:
    """Return the namespace of Infisical, with the labels that it has or will have. Raises Unanswered."""
    name = settings.cluster.names.infisical
    found = cluster.get(f"/api/v1/namespaces/{name}") or {}
    labels = {_NAMESPACE_NAME: name, **found.get("metadata", {}).get("labels", {})}
    return Guest(name, labels, settings.infisical.host)


def takes(listener: Object, guest: Guest, home: str) -> bool:
    """Return whether a listener of a Gateway in namespace `home` takes the route."""
    return _lets_in(listener, guest, home) and _has(listener, guest.host)


def closed(subject: str, listeners: Sequence[Object], guest: Guest, home: str) -> Result:
    """Return why none of the listeners takes the route."""
    open_ones = [entry for entry in listeners if _lets_in(entry, guest, home)]
    if open_ones:
        hosts = ", ".join(f"{entry['name']} is for {entry['hostname']}" for entry in open_ones)
        return fail(subject, f"no listener serves {guest.host}: {hosts}", "name a listener that does, or add one")
    return fail(
        subject,
        f"no listener takes routes from namespace {guest.namespace}",
        "set allowedRoutes.namespaces.from of the listener to All, or to a Selector which has it; or make the "
        "namespace with the labels that its Selector asks for",
    )


def redirecting(commands: Commands, wanted: GatewayRoute, listeners: Sequence[Object], guest: Guest) -> Result:
    """Judge the listener from which browsers are sent to HTTPS, and which answers Let's Encrypt."""
    subject, key = f"listener {wanted.redirect_listener} of Gateway", "ingress.route.redirectListener"
    named = [entry for entry in listeners if entry["name"] == wanted.redirect_listener]
    plain = next((entry["name"] for entry in listeners if entry.get("protocol") == "HTTP"), "NAME")
    if not named:
        there = ", ".join(entry["name"] for entry in listeners)
        return fail(subject, f"there is no such one, but {there}", commands.set(key, plain))
    if named[0].get("protocol") != "HTTP":
        seen = f"it is of protocol {named[0].get('protocol')}, and a redirect to HTTPS would not end there"
        return fail(subject, seen, commands.set(key, plain))
    if not takes(named[0], guest, wanted.namespace):
        return closed(subject, named, guest, wanted.namespace)
    return ok(subject, "sends browsers to HTTPS")


def _lets_in(listener: Object, guest: Guest, home: str) -> bool:
    allowed = listener.get("allowedRoutes", {}).get("namespaces", {})
    match allowed.get("from", "Same"):
        case "All":
            return True
        case "Same":
            return guest.namespace == home
        case "Selector":
            return _selects(allowed.get("selector", {}), guest.labels)
        case _:
            return False


def _selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Return whether a label selector has an object with these labels."""
    exact: Mapping[str, str] = selector.get("matchLabels", {})
    expressions: Sequence[Object] = selector.get("matchExpressions", [])
    return exact.items() <= labels.items() and all(_holds(each, labels.get(each["key"])) for each in expressions)


def _holds(expression: Object, value: str | None) -> bool:
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case _:
            return value is None


def _has(listener: Object, host: str) -> bool:
    """Return whether a listener is for a host. Its wildcard stands for any number of labels."""
    name: str = listener.get("hostname") or host
    return host == name or (name.startswith("*.") and host.endswith(name[1:]))
