"""Check what lies outside of the cluster: the site's name, and the chart."""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

from components.helm_release import deployed_chart
from operations.bounded import bounded
from operations.chart_repository import index_address
from operations.checks.result import Result, fail, ok, warn
from operations.checks.route import addressed, of_class
from operations.cluster import Cluster, Unanswered
from operations.pulumi import ROOT, Stack
from operations.state import state_of
from settings import Settings
from settings.ingress import GatewayRoute, LetsEncrypt
from settings.machinery.charts import Chart, ChartError, local_copy


def name(cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge whether the site's name leads to where its route will be served."""
    host = settings.infisical.host
    subject = f"DNS of {host}"
    fix = "make a DNS record that leads to the ingress controller's address"
    found = _addresses(host)
    if not found and isinstance(settings.ingress.issuer, LetsEncrypt):
        yield fail(subject, "does not resolve, and Let's Encrypt proves the host by it", fix)
        return
    if not found:
        yield warn(subject, "does not resolve", fix)
        return
    served = _served(cluster, settings)
    shown = ", ".join(sorted(found))
    if not served or found & {address for one in served for address in (one, *_addresses(one))}:
        yield ok(subject, shown)
    else:
        yield warn(
            subject,
            f"{shown}, but the cluster's own addresses are {', '.join(sorted(served))}",
            f"{fix}, unless something in between passes requests on",
        )


def _addresses(host: str) -> set[str]:
    try:
        return {str(entry[4][0]) for entry in bounded(lambda: socket.getaddrinfo(host, 443))}
    except (OSError, UnicodeError, TimeoutError):
        return set()


def _served(cluster: Cluster, settings: Settings) -> set[str]:
    """Return where the cluster is reached: addresses and names of the Gateway, or of Ingresses and load balancers."""
    route = settings.ingress.route
    try:
        if isinstance(route, GatewayRoute):
            gateways = f"/apis/gateway.networking.k8s.io/v1/namespaces/{route.namespace}/gateways"
            gateway = cluster.get(f"{gateways}/{route.name}") or {}
            return {entry["value"] for entry in gateway.get("status", {}).get("addresses", [])}
        ingresses = of_class(cluster, route.class_name)
        return {address for entry in [*ingresses, *cluster.items("/api/v1/services")] for address in addressed(entry)}
    except Unanswered:
        return set()  # then there is nothing to compare with


def chart(stack: Stack, _: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge the charts' copies, which `up` takes. Without one, judge whether its repository can be reached."""
    for wanted in settings.charts:
        try:
            deployed = deployed_chart(wanted, state_of(stack))
            yield ok(str(wanted), local_copy(wanted, stack.commands, ROOT, deployed).location)
        except ChartError as error:
            yield fail(str(wanted), str(error), stack.commands.make("charts"))
            if not wanted.path and not wanted.repository.startswith("oci://"):
                yield _repository(stack, wanted)


def _repository(stack: Stack, wanted: Chart) -> Result:
    subject = "chart repository"
    request = urllib.request.Request(index_address(wanted.repository), method="HEAD")
    try:
        with bounded(lambda: urllib.request.urlopen(request, timeout=3)) as answer:
            return ok(subject, f"answers {answer.status}")
    except urllib.error.HTTPError as error:
        reason = f"HTTP status {error.code}"
    except urllib.error.URLError as error:
        reason = str(error.reason)
    except TimeoutError:
        reason = "no answer in time"
    except (OSError, http.client.HTTPException) as error:  # without its text, which may have the address's password
        reason = type(error).__name__
    fix = f"correct {wanted.key}.repository, or give a copy: {stack.commands.make('charts', CHART='path')}"
    return warn(subject, f"can't be reached: {reason}", fix)
