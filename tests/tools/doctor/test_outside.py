"""The site's name, and the chart."""

from __future__ import annotations

import functools
import threading
import urllib.error
from email.message import Message
from typing import Any

import pytest

from operations.bounded import bounded
from operations.checks import outside
from operations.checks.result import Level
from tests.tools.doctor.known import (
    GATEWAY,
    HOST,
    LETS_ENCRYPT,
    NO_RIGHT,
    PUBLIC,
    Exported,
    all_ok,
    ask,
    cluster,
    only,
)


def balanced(**point: str) -> dict[str, Any]:
    return {"items": [{"spec": {"ingressClassName": "nginx"}, "status": {"loadBalancer": {"ingress": [point]}}}]}


def test_a_name_that_does_not_resolve_is_a_warning_but_for_lets_encrypt(names: dict[str, str]) -> None:
    assert only(ask(outside.name)).level is Level.WARN
    assert only(ask(outside.name, ingress=LETS_ENCRYPT, infisical=PUBLIC)).level is Level.FAIL


def test_a_name_that_leads_to_the_cluster_is_ok(names: dict[str, str]) -> None:
    names[HOST] = "192.0.2.7"
    names["lb.example.net"] = "192.0.2.7"
    for path in ("/api/v1/services", "/apis/networking.k8s.io/v1/ingresses"):
        for point in ({"ip": "192.0.2.7"}, {"hostname": "lb.example.net"}):
            assert all_ok(ask(outside.name, cluster({path: balanced(**point)})))
    assert all_ok(ask(outside.name, ingress={"route": GATEWAY}))


def test_a_point_without_an_address_is_none(names: dict[str, str]) -> None:
    """An ingress-nginx that may not read nodes publishes `ingress: [{}]`."""
    names[HOST] = "203.0.113.1"
    assert all_ok(ask(outside.name, cluster({"/apis/networking.k8s.io/v1/ingresses": balanced()})))


def test_a_name_that_leads_elsewhere_is_a_warning(names: dict[str, str]) -> None:
    names[HOST] = "203.0.113.1"
    elsewhere = only(ask(outside.name, cluster({"/api/v1/services": balanced(ip="192.0.2.7")})))
    assert elsewhere.level is Level.WARN
    assert "203.0.113.1" in elsewhere.seen
    assert "192.0.2.7" in elsewhere.seen


def test_with_nothing_to_compare_a_name_that_resolves_is_ok(names: dict[str, str]) -> None:
    names[HOST] = "203.0.113.1"
    assert all_ok(ask(outside.name))
    assert all_ok(ask(outside.name, cluster({"/api/v1/services": NO_RIGHT})))


def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    never = threading.Event()
    with pytest.raises(TimeoutError):
        bounded(never.wait, 0.01)
    never.set()


CHART = functools.partial(outside.chart, Exported("prod"))
ABSENT = {"flavour": "infisical-standalone", "version": "9.9.9", "path": None}


def test_a_local_chart_needs_no_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside.urllib.request, "urlopen", lambda *_, **__: pytest.fail("asked the repository"))
    assert all_ok(ask(CHART))
    missing = only(ask(CHART, infisical={"chart": {"path": "no/such/chart"}}))
    assert missing.level is Level.FAIL


def test_a_chart_that_is_not_pinned_fails_and_its_repository_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(outside.urllib.request, "urlopen", unreachable)
    results = ask(CHART, infisical={"chart": ABSENT})
    assert results["chart infisical-standalone 9.9.9"].fix == "make charts STACK=prod"
    assert results["chart repository"].level is Level.WARN
    assert results["chart repository"].seen == "can't be reached: no route"


def test_a_password_in_the_repositorys_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    repository = "https://user:hunter2@charts.example.org/hunter2?token=hunter2"
    shown = ask(CHART, infisical={"chart": ABSENT | {"repository": repository}})
    assert "hunter2" not in str(shown)

    def refused(request: Any, **_: object) -> None:
        raise urllib.error.HTTPError(request.full_url, 403, "Forbidden", Message(), None)

    monkeypatch.setattr(outside.urllib.request, "urlopen", refused)
    results = ask(CHART, infisical={"chart": ABSENT | {"repository": "https://charts.example.org/?token=hunter2"}})
    assert results["chart repository"].seen == "can't be reached: HTTP status 403"
