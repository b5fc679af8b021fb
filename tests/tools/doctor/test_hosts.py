"""Who else serves the site's host."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from operations.checks import hosts
from operations.checks.result import Level, Result
from operations.cluster import Unanswered
from tests.tools.doctor.known import GATEWAY, HOST, Exported, all_ok, ask, cluster, only

INGRESSES = "/apis/networking.k8s.io/v1/ingresses"
ROUTES = "/apis/gateway.networking.k8s.io/v1/httproutes"


def ingress(class_name: str | None = "nginx", host: str = HOST, **metadata: Any) -> dict[str, Any]:
    spec = {"rules": [{"host": host}, {"http": {}}]} | ({"ingressClassName": class_name} if class_name else {})
    return {"metadata": {"namespace": "old", "name": "site", **metadata}, "spec": spec}


def http_route(host: str = HOST, **parent: str) -> dict[str, Any]:
    spec = {"hostnames": [host], "parentRefs": [parent or {"name": "public", "namespace": "edge"}]}
    return {"metadata": {"namespace": "old", "name": "site"}, "spec": spec}


def served(path: str, *entries: dict[str, Any], owned: str = "", **sections: Any) -> dict[str, Result]:
    """What is said with these Ingresses or HTTPRoutes; `owned` is the id of one of the stack's."""
    kind = {INGRESSES: "kubernetes:networking.k8s.io/v1:Ingress"}.get(path, "kubernetes:gateway.x-k8s.io/v1:HTTPRoute")
    stack = Exported("dev", held=[(kind, owned)] if owned else [])
    return ask(partial(hosts.host, stack), cluster({path: {"items": entries}}), **sections)


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [ingress(host="other.example.org")],
        [ingress(host=f"*.{HOST.partition('.')[2]}")],  # the whole name is the more exact one
        [ingress(labels={"acme.cert-manager.io/http01-solver": "true"})],
    ],
)
def test_a_host_of_nobody_else_is_ok(entries: list[dict[str, Any]]) -> None:
    assert all_ok(served(INGRESSES, *entries))


@pytest.mark.parametrize("class_", [{}, {"class_name": None, "annotations": {"kubernetes.io/ingress.class": "nginx"}}])
def test_a_second_ingress_of_the_class_fails(class_: dict[str, Any]) -> None:
    """ingress-nginx refuses ours, as the last resource of an `up`; others divide the requests."""
    rival = only(served(INGRESSES, ingress(**class_)))
    assert rival.level is Level.FAIL
    assert "Ingress old/site has it too" in rival.seen
    assert "kubectl delete ingress -n old site" in rival.fix


def test_the_stacks_own_is_none() -> None:
    assert all_ok(served(INGRESSES, ingress(), owned="old/site"))
    assert all_ok(served(ROUTES, http_route(), owned="old/site", ingress={"route": GATEWAY}))


def test_another_way_in_is_a_warning_since_dns_decides() -> None:
    assert only(served(INGRESSES, ingress("traefik"))).level is Level.WARN
    assert only(served(INGRESSES, ingress(), ingress={"route": GATEWAY})).level is Level.WARN
    assert only(served(ROUTES, http_route())).level is Level.WARN
    assert only(served(ROUTES, http_route(name="public"), ingress={"route": GATEWAY})).level is Level.WARN


def test_a_second_route_on_the_gateway_fails() -> None:
    rival = only(served(ROUTES, http_route(), ingress={"route": GATEWAY}))
    assert (rival.level, rival.subject) == (Level.FAIL, f"host {HOST}")


def test_what_may_not_be_listed_is_unknown() -> None:
    there = cluster({INGRESSES: Unanswered("no right")})
    assert only(ask(partial(hosts.host, Exported("dev")), there)).level is Level.UNKNOWN
