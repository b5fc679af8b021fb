"""Check what the site's route depends on: an IngressClass, or a Gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from operations.checks.result import Result, fail, ok, warn
from operations.cluster import Cluster, Object
from safeguards.plain_http import https_listener, plain_listeners
from settings import Commands, Settings
from settings.ingress import GatewayRoute, IngressClass


def route(commands: Commands, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge the IngressClass or the Gateway. A Gateway needs a listener that takes routes of Infisical's namespace."""
    wanted = settings.ingress.route
    if isinstance(wanted, IngressClass):
        yield _class(commands, cluster, wanted)
    else:
        yield _gateway(commands, cluster, wanted, settings.cluster.names.infisical)


def _class(commands: Commands, cluster: Cluster, wanted: IngressClass) -> Result:
    subject = f"IngressClass {wanted.class_name}"
    if found := cluster.get(f"/apis/networking.k8s.io/v1/ingressclasses/{wanted.class_name}"):
        return ok(subject, found["spec"]["controller"])
    classes = cluster.items("/apis/networking.k8s.io/v1/ingressclasses")
    names = sorted(entry["metadata"]["name"] for entry in classes)
    if names:
        fix = commands.set("ingress.route.className", names[0])
        return fail(subject, f"no such class; there is {', '.join(names)}", fix)
    return fail(subject, "no such class, nor any other", "install an ingress controller with its class")


def _gateway(commands: Commands, cluster: Cluster, wanted: GatewayRoute, own: str) -> Result:
    subject = f"Gateway {wanted.namespace}/{wanted.name}"
    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{wanted.namespace}/gateways/{wanted.name}"
    found = cluster.get(path)
    if not found:
        return fail(subject, "no such Gateway", "make it, or correct ingress.route.name and ingress.route.namespace")
    listeners = found["spec"]["listeners"]
    matching = [entry for entry in listeners if wanted.listener in (None, entry["name"])]
    if not matching:
        names = ", ".join(entry["name"] for entry in listeners)
        fix = commands.set("ingress.route.listener", listeners[0]["name"])
        return fail(subject, f"no listener {wanted.listener}; it has {names}", fix)
    if plain := plain_listeners(wanted, listeners):
        fix = commands.set("ingress.route.listener", https_listener(listeners))
        return fail(subject, f"listener {', '.join(plain)} has no TLS, and would serve the site in plain text", fix)
    open_ones = [entry["name"] for entry in matching if _lets_in(entry, wanted.namespace == own)]
    if not open_ones:
        return fail(
            subject,
            f"no listener takes routes from namespace {own}",
            "set allowedRoutes.namespaces.from of the listener to All, or to a Selector which has it",
        )
    conditions = {entry["type"]: entry for entry in found.get("status", {}).get("conditions", [])}
    programmed = conditions.get("Programmed", {"status": "Unknown"})
    if programmed["status"] == "False":
        fix = cluster.kubectl(f"describe gateway -n {wanted.namespace} {wanted.name}")
        return fail(subject, f"not programmed: {programmed.get('message') or programmed.get('reason')}", fix)
    if not found.get("status", {}).get("addresses"):
        fix = cluster.kubectl(f"describe gateway -n {wanted.namespace} {wanted.name}")
        return warn(subject, "it has no address, so nobody reaches what hangs on it", fix)
    return ok(subject, f"listener {', '.join(open_ones)}")


def of_class(cluster: Cluster, class_name: str) -> list[Object]:
    """Return the cluster's Ingresses of a class. Raises Unanswered."""
    ingresses = cluster.items("/apis/networking.k8s.io/v1/ingresses")
    return [entry for entry in ingresses if entry["spec"].get("ingressClassName") == class_name]


def addressed(entry: Object) -> list[str]:
    """Return addresses and names at which an Ingress or a Service is reached."""
    points = entry.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return [point.get("ip") or point["hostname"] for point in points]


def _lets_in(listener: dict[str, Any], same: bool) -> bool:
    where = listener.get("allowedRoutes", {}).get("namespaces", {}).get("from", "Same")
    return where != "None" and (where != "Same" or same)
