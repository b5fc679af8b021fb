"""Check whether `up` finds a way to ask the site through its ingress controller."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from operations.checks.result import Result, fail, ok, unknown, warn
from operations.checks.route import addressed, of_class
from operations.cluster import Cluster, Object, Unanswered
from settings import Commands, Settings
from settings.ingress import Controller, IngressClass

_SUBJECT = "way in through the controller"
_HTTPS = 443
_GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"  # on what implementations make for a Gateway (GEP-1762)
_NAME = "app.kubernetes.io/name"
_CONTROLLERS = ("ingress-nginx", "traefik", "haproxy-ingress", "kubernetes-ingress", "contour", "kong", "envoy")


def way_in(commands: Commands, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge the controller that the stack names, or else the addresses that the one of its class publishes."""
    route = settings.ingress.route
    try:
        services = cluster.items("/api/v1/services")
        if route.controller:
            yield _named(commands, services, route.controller)
        elif not route.asked and isinstance(route, IngressClass):
            yield ok(_SUBJECT, "nobody asks the site there, as ingress.route.awaitAddress says")
        elif not isinstance(route, IngressClass):
            seen = "nobody asks the site there: a Gateway's address may not lead back into the cluster"
            yield warn(_SUBJECT, seen, _naming(commands, services, {_GATEWAY_NAME: [route.name]}))
        elif missing := _unpublished(of_class(cluster, route.class_name), services):
            yield warn(_SUBJECT, missing, _naming(commands, services, {_NAME: _CONTROLLERS}))
    except Unanswered as reason:
        yield unknown(_SUBJECT, reason)


def believed(commands: Commands, _: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge whether a client may say itself which address it has."""
    subject = "addresses of clients"
    if proxies := settings.ingress.trusted_proxies:
        yield ok(subject, f"as {', '.join(proxies)} say")
        return
    seen = "Infisical believes X-Forwarded-For from anybody, in audit logs, rate limits and trusted IPs"
    fix = commands.set("ingress.trustedProxies[0]", "RANGE")
    yield warn(subject, seen, f"{fix}, the range in which the ingress controller's pods are")


def _named(commands: Commands, services: Sequence[Object], named: Controller) -> Result:
    of_namespace = [entry for entry in services if entry["metadata"]["namespace"] == named.namespace]
    found = next((entry for entry in of_namespace if entry["metadata"]["name"] == named.service), None)
    if not found:
        names = ", ".join(sorted(entry["metadata"]["name"] for entry in of_namespace)) or "none"
        fix = commands.set("ingress.route.controller.service", "NAME")
        return fail(_SUBJECT, f"no Service {named.namespace}/{named.service}; there is {names}", fix)
    ports = [entry["port"] for entry in found["spec"].get("ports", [])]
    if named.port not in ports:
        fix = commands.set("ingress.route.controller.port", str(next(iter(ports), "PORT")))
        shown = ", ".join(map(str, ports))
        return fail(_SUBJECT, f"Service {named.namespace}/{named.service} has no port {named.port}, but {shown}", fix)
    return ok(_SUBJECT, f"Service {named.namespace}/{named.service}, port {named.port}")


def _unpublished(ingresses: Sequence[Object], services: Sequence[Object]) -> str:
    """Return why ours will get no address, as far as others of its class tell."""
    if ingresses and not any(map(addressed, ingresses)):
        return f"none of the {len(ingresses)} Ingresses of the class has an address, so nobody can ask the site there"
    balancers = [entry for entry in services if entry["spec"].get("type") == "LoadBalancer"]
    if not ingresses and balancers and not any(map(addressed, balancers)):
        return f"no load balancer has an address yet: Service {', '.join(map(_id, balancers))}"
    return ""


def _naming(commands: Commands, services: Sequence[Object], labels: dict[str, Sequence[str]]) -> str:
    """Return the commands that name a controller, the one that the cluster has where its labels tell."""
    likely = [
        entry["metadata"]
        for entry in services
        if any(entry["metadata"].get("labels", {}).get(label) in values for label, values in labels.items())
        and any(port["port"] == _HTTPS for port in entry["spec"].get("ports", []))
    ]
    found = likely[0] if likely else {"namespace": "NAMESPACE", "name": "SERVICE"}
    parts = {"namespace": found["namespace"], "service": found["name"]}
    return " && ".join(commands.set(f"ingress.route.controller.{key}", value) for key, value in parts.items())


def _id(entry: Object) -> str:
    return f"{entry['metadata']['namespace']}/{entry['metadata']['name']}"
