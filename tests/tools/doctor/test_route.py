"""What the site's route hangs on."""

from __future__ import annotations

import pytest

from operations.checks.result import Level
from tests.tools.doctor.known import (
    GATEWAY,
    ROUTE,
    all_ok,
    ask,
    cluster,
    gateway,
    only,
)


def test_an_ingress_class_is_there_or_the_one_that_is_gets_offered() -> None:
    assert all_ok(ask(ROUTE))
    missing = only(ask(ROUTE, ingress={"route": {"kind": "ingress", "className": "traefik"}}))
    assert (missing.level, missing.subject) == (Level.FAIL, "IngressClass traefik")
    assert missing.fix == "pulumi config set --stack dev --path 'infisical-platform:ingress.route.className' nginx"


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


def test_a_listener_that_is_not_there_fails_with_one_that_is() -> None:
    missing = only(ask(ROUTE, ingress={"route": GATEWAY | {"listener": "web"}}))
    assert missing.seen == "no listener web; it has https"
    assert missing.fix.endswith("'infisical-platform:ingress.route.listener' https")
