"""Find others that serve the site's host."""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.result import Result, fail, ok, unknown, warn
from operations.cluster import Cluster, Object, Unanswered
from operations.pulumi import Stack
from settings import Settings
from settings.ingress import IngressClass

_INGRESSES = "/apis/networking.k8s.io/v1/ingresses"
_HTTP_ROUTES = "/apis/gateway.networking.k8s.io/v1/httproutes"
_SOLVER = "acme.cert-manager.io/http01-solver"  # it comes and goes with a challenge for this very host


def host(stack: Stack, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge every other Ingress and HTTPRoute that has the site's host."""
    name = settings.infisical.host
    subject = f"host {name}"
    ours = {id_ for type_, id_ in stack.owned if type_.endswith((":Ingress", ":HTTPRoute"))}
    try:
        found = [entry for entry in [*_ingresses(cluster, name), *_routes(cluster, name)] if _id(entry) not in ours]
    except Unanswered as reason:
        yield unknown(subject, reason)
        return
    for entry in found:
        shown = f"{entry['kind']} {_id(entry)}"
        if _same_way(entry, settings):
            fix = f"take the host out of it, or delete it: {cluster.kubectl(_delete(entry))}"
            yield fail(subject, f"{shown} has it too: the controller refuses ours, or sends requests there", fix)
        else:
            fix = f"once DNS leads to the new way in: {cluster.kubectl(_delete(entry))}"
            yield warn(subject, f"{shown} serves it as well, by a different way in", fix)
    if not found:
        yield ok(subject, "no other Ingress or HTTPRoute has it")


def _ingresses(cluster: Cluster, name: str) -> Iterator[Object]:
    for entry in cluster.items(_INGRESSES):
        hosts = {rule.get("host") for rule in entry["spec"].get("rules", [])}
        if name in hosts and entry["metadata"].get("labels", {}).get(_SOLVER) != "true":
            yield {"kind": "Ingress", **entry}  # in a list they have none


def _routes(cluster: Cluster, name: str) -> Iterator[Object]:
    for entry in cluster.items(_HTTP_ROUTES):
        if name in entry["spec"].get("hostnames", []):
            yield {"kind": "HTTPRoute", **entry}


def _same_way(entry: Object, settings: Settings) -> bool:
    """Return whether it hangs on the same class, or on the same Gateway."""
    route, spec, metadata = settings.ingress.route, entry["spec"], entry["metadata"]
    if isinstance(route, IngressClass):
        annotated = metadata.get("annotations", {}).get("kubernetes.io/ingress.class")
        return entry["kind"] == "Ingress" and spec.get("ingressClassName", annotated) == route.class_name
    gateways = {
        (parent.get("namespace", metadata["namespace"]), parent["name"]) for parent in spec.get("parentRefs", [])
    }
    return entry["kind"] == "HTTPRoute" and (route.namespace, route.name) in gateways


def _id(entry: Object) -> str:
    return f"{entry['metadata']['namespace']}/{entry['metadata']['name']}"


def _delete(entry: Object) -> str:
    return f"delete {entry['kind'].lower()} -n {entry['metadata']['namespace']} {entry['metadata']['name']}"
