"""What the site's route hangs on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from operations.checks import way_in
from operations.checks.result import Level, Result
from tests.tools.doctor.known import (
    GATEWAY,
    ISSUER,
    LETS_ENCRYPT,
    NO_RIGHT,
    PUBLIC,
    ROUTE,
    all_ok,
    ask,
    cluster,
    deployment,
    gateway,
    issuer,
    only,
)
from tests.unit.harness import COMMANDS

NAME = "app.kubernetes.io/name"
EDGE = "/apis/gateway.networking.k8s.io/v1/namespaces/edge/gateways/public"


def test_an_ingress_class_is_there_or_the_one_that_is_gets_offered() -> None:
    assert all_ok(ask(ROUTE))
    missing = only(ask(ROUTE, ingress={"route": {"kind": "ingress", "className": "traefik"}}))
    assert (missing.level, missing.subject) == (Level.FAIL, "IngressClass traefik")
    assert missing.fix == "pulumi config set --stack dev --path 'infisical-platform:ingress.route.className' nginx"


NGINX = "/apis/networking.k8s.io/v1/ingressclasses/nginx"
F5 = {NGINX: {"spec": {"controller": "nginx.org/ingress-controller"}}}


@pytest.mark.parametrize("kind", ["deployments", "daemonsets"])
def test_a_controller_without_security_updates_is_named(kind: str) -> None:
    """By its image: Traefik serves classes of this controller's name, too, for those who come from it."""
    nginx = deployment("ingress-nginx", "registry.k8s.io/ingress-nginx/controller:v1.15.1@sha256:0")
    empty = {"/apis/apps/v1/deployments": {"items": []}, "/apis/apps/v1/daemonsets": {"items": []}}
    retired = only(ask(ROUTE, cluster({**empty, f"/apis/apps/v1/{kind}": {"items": [nginx]}})))
    assert (retired.level, retired.subject) == (Level.WARN, "IngressClass nginx")
    assert "since March 2026 it gets no security updates" in retired.seen
    assert all_ok(ask(ROUTE, cluster(empty)))
    assert all_ok(ask(ROUTE, cluster({"/apis/apps/v1/deployments": NO_RIGHT})))


@pytest.mark.parametrize(("solver", "found"), [({"http01": {"ingress": {}}}, True), ({"dns01": {}}, False)])
def test_a_certificate_that_would_not_be_renewed_is_found(solver: dict[str, Any], found: bool) -> None:
    """F5's controller gives a host to the oldest Ingress alone, and the site's is older than the challenge's."""
    acme = issuer("True") | {"spec": {"acme": {"solvers": [solver]}}}
    rows = ask(ROUTE, cluster({**F5, ISSUER: acme}))
    assert rows["IngressClass nginx"].level is Level.OK
    renewal = rows.get("IngressClass nginx: renewal")
    assert bool(renewal) == found
    assert not renewal or (renewal.level is Level.WARN and "DNS-01" in renewal.fix)


def test_lets_encrypt_behind_f5s_controller_fails() -> None:
    route = {"route": {"kind": "ingress", "className": "nginx"}}
    rows = ask(ROUTE, cluster(F5), ingress=LETS_ENCRYPT | route, infisical=PUBLIC)
    assert rows["IngressClass nginx: renewal"].level is Level.FAIL


def test_without_any_class_a_controller_is_asked_for() -> None:
    path = "/apis/networking.k8s.io/v1/ingressclasses"
    missing = only(ask(ROUTE, cluster({f"{path}/nginx": None, path: {"items": []}})))
    assert "install an ingress controller" in missing.fix


@pytest.mark.parametrize(
    ("there", "seen"),
    [
        (gateway(**{"from": "All"}), "listener https"),
        (gateway(**{"from": "Selector", "selector": {}}), "listener https"),
        (gateway(**{"from": "Same"}), "no listener takes routes from namespace infisical"),
        (gateway(), "no listener takes routes from namespace infisical"),
        (None, "no such Gateway"),
    ],
)
def test_a_gateway_has_to_let_infisicals_namespace_in(there: object, seen: str) -> None:
    path = "/apis/gateway.networking.k8s.io/v1/namespaces/edge/gateways/public"
    [row] = ask(ROUTE, cluster({path: there}), ingress={"route": GATEWAY}).values()
    assert row.seen == seen
    assert row.level is (Level.OK if seen.startswith("listener") else Level.FAIL)


SHARED = {"matchLabels": {"gateway": "shared"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]}


@pytest.mark.parametrize(
    ("selector", "labels", "taken"),
    [
        ({"matchLabels": {"kubernetes.io/metadata.name": "infisical"}}, {}, True),
        ({"matchLabels": {"kubernetes.io/metadata.name": "others"}}, {}, False),
        (SHARED, {}, False),
        (SHARED, {"gateway": "shared"}, False),
        (SHARED, {"gateway": "shared", "tier": "one"}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["one"]}]}, {"tier": "one"}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["one"]}]}, {"tier": "one"}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["one"]}]}, {}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, {}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, {"tier": "one"}, False),
    ],
)
def test_a_selector_asks_for_labels_of_infisicals_namespace(
    selector: dict[str, Any], labels: dict[str, str], taken: bool
) -> None:
    """A route that no listener takes leaves `up` waiting, and the engine knows no reason."""
    there: dict[str, Any] = {EDGE: gateway(**{"from": "Selector", "selector": selector})}
    there["/api/v1/namespaces/infisical"] = {"metadata": {"labels": labels}} if labels else None
    [row] = ask(ROUTE, cluster(there), ingress={"route": GATEWAY}).values()
    assert row.level is (Level.OK if taken else Level.FAIL)


@pytest.mark.parametrize(
    ("host", "served"),
    [
        ("secrets.infisical.test", True),
        ("*.infisical.test", True),
        ("*.test", True),
        ("infisical.test", False),
        ("*.other.test", False),
    ],
)
def test_a_listener_has_to_be_for_the_host(host: str, served: bool) -> None:
    there = gateway(**{"from": "All"})
    there["spec"]["listeners"][0]["hostname"] = host
    [row] = ask(ROUTE, cluster({EDGE: there}), ingress={"route": GATEWAY}).values()
    assert row.level is (Level.OK if served else Level.FAIL)
    assert served or row.seen == f"no listener serves secrets.infisical.test: https is for {host}"


@pytest.mark.parametrize(
    ("plain", "seen"),
    [
        ({"name": "web", "protocol": "HTTP"}, "sends browsers to HTTPS"),
        ({"name": "http", "protocol": "HTTP"}, "there is no such one, but https, http"),
        ({"name": "web", "protocol": "HTTPS"}, "it is of protocol HTTPS, and a redirect to HTTPS would not end there"),
        ({"name": "web", "protocol": "HTTP", "allowedRoutes": {}}, "no listener takes routes from namespace infisical"),
    ],
)
def test_the_listener_of_plain_http_is_judged_as_well(plain: dict[str, Any], seen: str) -> None:
    there = gateway(**{"from": "All"})
    open_to_all = {"allowedRoutes": {"namespaces": {"from": "All"}}}
    there["spec"]["listeners"].append(open_to_all | plain)
    rows = ask(ROUTE, cluster({EDGE: there}), ingress={"route": GATEWAY | {"redirectListener": "web"}})
    row = rows["listener web of Gateway"]
    assert row.seen == seen
    assert row.level is (Level.OK if seen.startswith("sends") else Level.FAIL)


def test_a_listener_that_is_not_there_fails_with_one_that_is() -> None:
    missing = only(ask(ROUTE, ingress={"route": GATEWAY | {"listener": "web"}}))
    assert missing.seen == "no listener web; it has https"
    assert missing.fix.endswith("'infisical-platform:ingress.route.listener' https")


@pytest.mark.parametrize("listener", [{}, {"listener": "web"}])
def test_a_listener_without_tls_fails_with_one_that_has_it(listener: dict[str, str]) -> None:
    path = "/apis/gateway.networking.k8s.io/v1/namespaces/edge/gateways/public"
    there = gateway(**{"from": "All"})
    there["spec"]["listeners"] = [{"name": "web", "protocol": "HTTP"}, {"name": "https", "protocol": "HTTPS"}]
    route = {key: value for key, value in GATEWAY.items() if key != "listener"} | listener
    bad = only(ask(ROUTE, cluster({path: there}), ingress={"route": route}))
    assert bad.seen == "listener web has no TLS, and would serve the site in plain text"
    assert bad.fix.endswith("'infisical-platform:ingress.route.listener' https")


def of_class(class_name: str = "nginx", **point: str) -> dict[str, Any]:
    status = {"loadBalancer": {"ingress": [point]} if point else {}}
    return {"metadata": {"namespace": "a", "name": "b"}, "spec": {"ingressClassName": class_name}, "status": status}


def balancer(**point: str) -> dict[str, Any]:
    return of_class(**point) | {"spec": {"type": "LoadBalancer"}}


@pytest.mark.parametrize(
    ("controller", "name"),
    [
        ("traefik.io/ingress-controller", "traefik.ingress.kubernetes.io/router.tls"),
        ("projectcontour.io/projectcontour/contour", "ingress.kubernetes.io/force-ssl-redirect"),
        ("ingress-controllers.konghq.com/kong", "konghq.com/protocols"),
    ],
)
def test_a_controller_that_serves_plain_http_is_told_where_its_class_does_not_tell_it(
    controller: str, name: str
) -> None:
    path = "/apis/networking.k8s.io/v1/ingressclasses/inside"
    there = cluster({path: {"spec": {"controller": controller}}})
    route = {"kind": "ingress", "className": "inside"}
    [_, bad] = ask(ROUTE, there, ingress={"route": route}).values()
    assert (bad.level, bad.seen) == (Level.WARN, f"{controller} serves it too")
    assert f"'infisical-platform:ingress.route.annotations[\"{name}\"]' " in bad.fix
    said = {"annotations": {name: "yes", "konghq.com/https-redirect-status-code": "301"}}
    assert all_ok(ask(ROUTE, there, ingress={"route": route | said}))


def test_googles_controller_has_no_class() -> None:
    assert all_ok(ask(ROUTE, ingress={"route": {"kind": "ingress", "className": "gce"}}))


WAY_IN = partial(way_in.way_in, COMMANDS)


def asked(services: list[dict[str, Any]], ingresses: Sequence[dict[str, Any]] = (), **route: Any) -> dict[str, Result]:
    paths = {"/apis/networking.k8s.io/v1/ingresses": [*ingresses], "/api/v1/services": services}
    there = cluster({path: {"items": items} for path, items in paths.items()})
    return ask(WAY_IN, there, ingress={"route": {"kind": "ingress"} | route})


@pytest.mark.parametrize(
    ("ingresses", "services", "level"),
    [
        ([], [], None),
        ([of_class(ip="192.0.2.7"), of_class()], [], None),
        ([of_class(hostname="lb.example.net")], [balancer()], None),
        ([of_class(), of_class()], [balancer(ip="192.0.2.7")], Level.WARN),
        ([of_class("other")], [balancer(ip="192.0.2.7")], None),
        ([of_class("other")], [balancer()], Level.WARN),
        ([of_class("other") | {"status": {"loadBalancer": {"ingress": [{}]}}}], [balancer(ip="192.0.2.7")], None),
        ([of_class() | {"status": {"loadBalancer": {"ingress": [{}]}}}], [], Level.WARN),
    ],
)
def test_a_class_that_gives_no_address_is_told_before_up_looks_for_one(
    ingresses: list[dict[str, Any]], services: list[dict[str, Any]], level: Level | None
) -> None:
    assert {row.level for row in asked(services, ingresses).values()} == ({level} - {None})


def service(name: str, port: int = 443, labels: dict[str, str] | None = None) -> dict[str, Any]:
    metadata = {"namespace": "web", "name": name, "labels": labels or {}}
    return {"metadata": metadata, "spec": {"type": "ClusterIP", "ports": [{"port": port}]}}


THERE = [service("metrics"), service("plain", 80, {NAME: "traefik"}), service("proxy", labels={NAME: "traefik"})]


def test_the_controller_that_is_there_is_offered() -> None:
    fix = only(asked(THERE, [of_class()])).fix
    assert "'infisical-platform:ingress.route.controller.namespace' web && pulumi config set" in fix
    assert fix.endswith("'infisical-platform:ingress.route.controller.service' proxy")
    assert only(asked([], [of_class()])).fix.endswith("controller.service' SERVICE")


def test_a_controller_that_a_stack_names_has_to_be_there() -> None:
    assert all_ok(asked(THERE, controller={"namespace": "web", "service": "proxy"}))
    missing = only(asked(THERE, controller={"namespace": "web", "service": "front"}))
    assert (missing.level, missing.seen) == (Level.FAIL, "no Service web/front; there is metrics, plain, proxy")
    closed = only(asked(THERE, controller={"namespace": "web", "service": "plain"}))
    assert (closed.level, closed.seen) == (Level.FAIL, "Service web/plain has no port 443, but 80")
    assert closed.fix.endswith("controller.port' 80")


def test_nobody_asks_through_a_gateway_until_its_service_is_named() -> None:
    there = [*THERE, service("edge", labels={"gateway.networking.k8s.io/gateway-name": "public"})]
    row = only(asked(there, [], **GATEWAY))
    assert row.level is Level.WARN
    assert row.fix.endswith("controller.service' edge")


def test_a_stack_that_believes_every_header_is_told() -> None:
    believed = partial(way_in.believed, COMMANDS)
    row = only(ask(believed))
    assert row.level is Level.WARN
    assert "pulumi config set --stack dev --path 'infisical-platform:ingress.trustedProxies[0]' RANGE" in row.fix
    assert all_ok(ask(believed, ingress={"trustedProxies": ["10.0.0.0/8"]}))


def test_who_says_that_no_address_comes_is_believed() -> None:
    assert all_ok(asked(THERE, [of_class()], awaitAddress=False))


def test_a_gateway_without_an_address_or_not_programmed_is_told() -> None:
    path = "/apis/gateway.networking.k8s.io/v1/namespaces/edge/gateways/public"
    there = gateway(**{"from": "All"})
    nowhere = only(ask(ROUTE, cluster({path: there | {"status": {}}}), ingress={"route": GATEWAY}))
    assert nowhere.level is Level.WARN
    broken = {"conditions": [{"type": "Programmed", "status": "False", "message": "no address pool"}]}
    failed = only(ask(ROUTE, cluster({path: there | {"status": broken}}), ingress={"route": GATEWAY}))
    assert (failed.level, failed.seen) == (Level.FAIL, "not programmed: no address pool")
