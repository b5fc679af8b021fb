"""Check what the site's route depends on: an IngressClass, or a Gateway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.ingress_annotations import annotations_of, needed
from operations.checks.listeners import closed, guest_of, redirecting, takes
from operations.checks.result import Result, fail, ok, warn
from operations.cluster import Cluster, Object, Unanswered
from safeguards.challenge import F5, ONE_PER_HOST
from safeguards.plain_http import https_listener, plain_listeners
from settings import Commands, Settings
from settings.ingress import GatewayRoute, IngressClass, Issuer

# Controllers that serve a host without TLS as well, each with the usual name of its class.
_SERVES_PLAIN = {
    "traefik.io/": "traefik",
    "projectcontour.io/": "contour",
    "ingress-controllers.konghq.com/": "kong",
}
_RETIRED = "/ingress-nginx/controller"  # of its images. Traefik serves the class of this controller as well
_CLASS = "kubernetes.io/ingress.class"


def route(commands: Commands, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge the IngressClass or the Gateway. A Gateway needs a listener that takes routes of Infisical's namespace."""
    wanted = settings.ingress.route
    if isinstance(wanted, IngressClass):
        yield from _class(commands, cluster, wanted, settings)
    else:
        yield from _gateway(commands, cluster, wanted, settings)


def _class(commands: Commands, cluster: Cluster, wanted: IngressClass, settings: Settings) -> Iterator[Result]:
    subject = f"IngressClass {wanted.class_name}"
    if not wanted.has_object:
        yield ok(subject, "Google's own controller, which has none")
        return
    if found := cluster.get(f"/apis/networking.k8s.io/v1/ingressclasses/{wanted.class_name}"):
        controller = found["spec"]["controller"]
        if controller == "k8s.io/ingress-nginx" and _runs_retired(cluster):
            seen = "ingress-nginx is retired: since March 2026 it gets no security updates"
            yield warn(subject, seen, "install another controller, such as Traefik, or a Gateway, and name its class")
        else:
            yield ok(subject, controller)
        yield from _plain(commands, wanted, controller)
        if controller == F5:
            yield from _renewal(commands, cluster, wanted, settings.ingress.issuer)
        return
    classes = cluster.items("/apis/networking.k8s.io/v1/ingressclasses")
    names = sorted(entry["metadata"]["name"] for entry in classes)
    if names:
        fix = commands.set("ingress.route.className", names[0])
        yield fail(subject, f"no such class; there is {', '.join(names)}", fix)
    else:
        yield fail(subject, "no such class, nor any other", "install an ingress controller with its class")


def _runs_retired(cluster: Cluster) -> bool:
    """Return whether the cluster is seen to run ingress-nginx."""
    try:
        found = [each for kind in ("deployments", "daemonsets") for each in cluster.items(f"/apis/apps/v1/{kind}")]
    except Unanswered:
        return False
    containers = (container for each in found for container in each["spec"]["template"]["spec"]["containers"])
    return any(_RETIRED in container["image"] for container in containers)


def _renewal(commands: Commands, cluster: Cluster, wanted: IngressClass, issuer: Issuer) -> Iterator[Result]:
    """Judge whether a controller that gives a host to one Ingress will let cert-manager renew the certificate."""
    subject = f"IngressClass {wanted.class_name}: renewal"
    if issuer.kind == "letsEncrypt":
        yield fail(subject, f"it {ONE_PER_HOST}", commands.set("ingress.issuer.kind", "existing"))
    elif found := cluster.get(f"/apis/cert-manager.io/v1/clusterissuers/{issuer.name}"):
        solvers = found.get("spec", {}).get("acme", {}).get("solvers", [])
        if any("ingress" in solver.get("http01", {}) for solver in solvers):
            fix = f"have ClusterIssuer {issuer.name} prove the host by DNS-01, or name one that does"
            yield warn(subject, f"it {ONE_PER_HOST}", fix)


def _plain(commands: Commands, wanted: IngressClass, controller: str) -> Iterator[Result]:
    """Warn of a controller that serves plain HTTP unless it is told not to, where `up` doesn't know it by its class."""
    kind = next((kind for prefix, kind in _SERVES_PLAIN.items() if controller.startswith(prefix)), "")
    told = annotations_of(wanted)
    missing = {name: value for name, value in needed(wanted, kind).items() if name not in told}
    if missing:
        sets = [commands.set(f'ingress.route.annotations["{name}"]', value) for name, value in missing.items()]
        yield warn(f"IngressClass {wanted.class_name}: plain HTTP", f"{controller} serves it too", " && ".join(sets))


def _gateway(commands: Commands, cluster: Cluster, wanted: GatewayRoute, settings: Settings) -> Iterator[Result]:
    subject = f"Gateway {wanted.namespace}/{wanted.name}"
    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{wanted.namespace}/gateways/{wanted.name}"
    found = cluster.get(path)
    if not found:
        yield fail(subject, "no such Gateway", "make it, or correct ingress.route.name and ingress.route.namespace")
        return
    listeners = found["spec"]["listeners"]
    matching = [entry for entry in listeners if wanted.listener in (None, entry["name"])]
    if not matching:
        names = ", ".join(entry["name"] for entry in listeners)
        fix = commands.set("ingress.route.listener", listeners[0]["name"])
        yield fail(subject, f"no listener {wanted.listener}; it has {names}", fix)
        return
    if plain := plain_listeners(wanted, listeners):
        fix = commands.set("ingress.route.listener", https_listener(listeners))
        yield fail(subject, f"listener {', '.join(plain)} has no TLS, and would serve the site in plain text", fix)
        return
    guest = guest_of(cluster, settings)
    taking = [entry for entry in matching if takes(entry, guest, wanted.namespace)]
    yield _state(cluster, wanted, found, taking) if taking else closed(subject, matching, guest, wanted.namespace)
    if wanted.redirect_listener:
        yield redirecting(commands, wanted, listeners, guest)


def _state(cluster: Cluster, wanted: GatewayRoute, found: Object, taking: Sequence[Object]) -> Result:
    """Judge whether a Gateway works, which has listeners that take the route."""
    subject = f"Gateway {wanted.namespace}/{wanted.name}"
    fix = cluster.kubectl(f"describe gateway -n {wanted.namespace} {wanted.name}")
    conditions = {entry["type"]: entry for entry in found.get("status", {}).get("conditions", [])}
    programmed = conditions.get("Programmed", {"status": "Unknown"})
    if programmed["status"] == "False":
        return fail(subject, f"not programmed: {programmed.get('message') or programmed.get('reason')}", fix)
    if not found.get("status", {}).get("addresses"):
        return warn(subject, "it has no address, so nobody reaches what hangs on it", fix)
    return ok(subject, f"listener {', '.join(entry['name'] for entry in taking)}")


def of_class(cluster: Cluster, class_name: str) -> list[Object]:
    """Return the cluster's Ingresses of a class. Raises Unanswered."""
    ingresses = cluster.items("/apis/networking.k8s.io/v1/ingresses")
    return [entry for entry in ingresses if class_name in (entry["spec"].get("ingressClassName"), _annotated(entry))]


def _annotated(entry: Object) -> str | None:
    return entry.get("metadata", {}).get("annotations", {}).get(_CLASS)


def addressed(entry: Object) -> list[str]:
    """Return addresses and names at which an Ingress or a Service is reached."""
    points = entry.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return [address for point in points if (address := point.get("ip") or point.get("hostname"))]
