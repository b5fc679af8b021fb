"""What an annotation of an Ingress or a Service may name keeps its SealedSecret, also where nothing switches it."""

from __future__ import annotations

from typing import Any

import pytest

from operations.errors import OperationError
from operations.moving import consumers, holders
from operations.moving.consumers import renaming, uses_of
from operations.moving.holders import holders_of
from tests.tools.moving.namespace import Shop
from tests.tools.moving.objects import made_by, workload


def annotated(kind: str, annotation: str, value: str) -> dict[str, Any]:
    found = workload(kind, "x", "tls")
    found["metadata"] |= {"namespace": "shop", "annotations": {annotation: value}}
    return found


def held(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each.end, each.annotation) for each in holders_of([found]) if each.secret == "env"]


def test_services_are_asked_for_too() -> None:
    assert "Service.v1." in consumers.KINDS
    assert "Service.v1." in holders.KINDS


@pytest.mark.parametrize("kind", ["Ingress", "Service"])
@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("haproxy.org/server-crt", "shop/env"),
        ("haproxy.com/server-ca", "env"),
        ("ingress.kubernetes.io/server-crt", "env"),
        ("alb.ingress.kubernetes.io/auth-idp-oidc", '{"issuer":"https://id.example.org","secretName":"env"}'),
        ("haproxy-ingress.github.io/auth-secret", "secret://shop/env"),
        ("example.org/hints", "Passwords are in env."),
    ],
)
def test_an_annotation_that_has_the_name_holds_the_secret(kind: str, annotation: str, value: str) -> None:
    found = annotated(kind, annotation, value)
    assert held(found) == held(made_by(found, "Gateway", "g")) == [("annotation", annotation)]
    assert [use.secret for use in uses_of([found])] == ["tls"] * (kind == "Ingress")


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("nginx.ingress.kubernetes.io/auth-secret", "other/env"),
        ("haproxy.org/server-ca", "other/env"),
        ("haproxy.org/server-ca", "env-infisical"),
        ("haproxy.org/server-ca", "my.env"),
        ("nginx.ingress.kubernetes.io/rewrite-target", "/env"),
        ("nginx.ingress.kubernetes.io/auth-url", "https://example.org/env"),
        ("kubectl.kubernetes.io/last-applied-configuration", '{"spec":{"tls":[{"secretName":"env"}]}}'),
        ("meta.helm.sh/release-name", "env"),
        ("cert-manager.io/issuer", "env"),
    ],
)
def test_what_means_something_else_holds_nothing(annotation: str, value: str) -> None:
    assert held(annotated("Ingress", annotation, value)) == []


def test_annotations_of_other_kinds_name_nothing() -> None:
    assert held(annotated("Deployment", "example.org/hints", "env")) == []


def test_a_service_is_switched_as_an_ingress_is() -> None:
    found = annotated("Service", "haproxy-ingress.github.io/secure-crt-secret", "shop/env")
    assert held(found) == [("switch", "")]
    path = "/metadata/annotations/haproxy-ingress.github.io~1secure-crt-secret"
    replaced = {"op": "replace", "path": path, "value": "shop/new"}
    assert renaming(uses_of([found]), {"env": "new"})["service/x"][1] == replaced


def test_a_sealed_secret_that_an_annotation_names_stays(shop: Shop) -> None:
    shop.run("plan", "--yes")
    shop.cluster.objects_ = [annotated("Service", "haproxy.org/server-crt", "shop/env")]
    with pytest.raises(OperationError) as refused:
        shop.run("retire", "--yes")
    assert str(refused.value).splitlines()[1] == (
        "  env is used by service/x: its annotation haproxy.org/server-crt has that name: point it at env-infisical "
        "yourself. If it means something else, leave this Secret: make migrate-secrets STACK=prod NAMESPACE=shop "
        "OPTIONS='--step retire --yes --leave env'"
    )
    shop.run("retire", "--yes", leave=["env"])
    assert "env" in shop.cluster.sealed
    shop.cluster.objects_ = [annotated("Service", "haproxy.org/server-crt", "shop/env-infisical")]
    shop.run("retire", "--yes")
    assert shop.cluster.sealed == {}


def test_a_secret_that_somebody_leaves_is_not_moved(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.run("plan", leave=["env"])
    said = capsys.readouterr().out
    assert "/tls" in said
    assert "/env" not in said
    assert "OPTIONS='--step plan --yes --leave env'" in said
    with pytest.raises(OperationError, match="--leave: namespace shop has no Secret evn"):
        shop.run("plan", leave=["evn"])
