"""Whether the operator still brings applications what Infisical has."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from operations.checks import deliveries
from operations.checks.result import Check, Level
from tests.tools.doctor.known import ask, cluster
from tests.unit.harness import COMMANDS, ORGANIZATION

CHECK: Check = functools.partial(deliveries.deliveries, COMMANDS)
STATIC = "/apis/secrets.infisical.com/v1beta1/namespaces/shop/infisicalstaticsecrets/shop-env"
SHOP: dict[str, Any] = {
    "shop": {
        "environments": {"prod": "Production"},
        "secrets": {"prod": {"/": {"A": "one", "KEY": {"owner": "people"}, "Y": {"owner": "people"}}}},
        "deliver": [{"environment": "prod", "namespace": "shop", "secret": "shop-env"}],
    }
}
STACK: dict[str, Any] = {"applications": SHOP, "organization": ORGANIZATION, "secretsOperator": {}}
MISSING = "Reconciliation failed: … error calling fail: {} has no value in Infisical"


def told(minutes: float, failure: str = "") -> dict[str, Any]:
    """What the real operator writes: its time stands in a message."""
    at = (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = "False" if failure else "True"
    conditions = [
        {"type": "secrets.infisical.com/LastReconcileStatus", "status": status, "message": failure or "successful"},
        {"type": "secrets.infisical.com/LastSuccessfulReconcileAt", "status": "True", "message": at},
    ]
    return {"status": {"conditions": conditions}}


def test_a_stack_without_deliveries_has_no_row() -> None:
    assert ask(CHECK) == {}
    assert ask(CHECK, secretsOperator={}, organization=ORGANIZATION) == {}


EXTERNAL = "/apis/external-secrets.io/v1/namespaces/shop/externalsecrets/shop-env"
EVENTS = "/api/v1/namespaces/shop/events?fieldSelector=involvedObject.uid=u"
UNREAD = "could not get secret data from provider"
ABSENT = "error processing spec.data[1] (key: {}), err: Secret does not exist"
REFUSED = (
    "error processing spec.data[1] (key: KEY), err: APIError: CallRetrieveSecretV3Raw unsuccessful response "
    "[status-code=404] [message=\"Secret with name 'KEY' not found\"]"
)


@pytest.mark.parametrize(
    ("ready", "events", "level", "seen"),
    [
        ("True", [], Level.OK, "1 up to date"),
        ("False", [], Level.FAIL, f"shop/shop-env: {UNREAD}"),
        (
            "False",
            ["unable to log in", ABSENT.format("KEY")],
            Level.WARN,
            "shop/shop-env: people have yet to write KEY, or its folder, environment or project is gone",
        ),
        ("False", [REFUSED], Level.WARN, "shop/shop-env: people have yet to write KEY"),
        ("False", [ABSENT.format("KEY"), "unable to log in"], Level.FAIL, f"shop/shop-env: {UNREAD}"),
        ("False", [ABSENT.format("A")], Level.FAIL, f"shop/shop-env: {UNREAD}"),
        (None, [], Level.FAIL, "shop/shop-env: External Secrets Operator has not looked at it yet"),
        ("", [], Level.FAIL, "shop/shop-env: its ExternalSecret is gone"),
    ],
)
def test_what_external_secrets_operator_says_is_told(
    ready: str | None, events: list[str], level: Level, seen: str
) -> None:
    conditions = [{"type": "Ready", "status": ready, "message": UNREAD}] if ready else []
    found = {"metadata": {"uid": "u"}, "status": {"conditions": conditions}}
    warned = [{"message": each, "lastTimestamp": f"2026-01-01T00:0{n}:00Z"} for n, each in enumerate(events)]
    paths = {EVENTS: {"items": warned}} | ({} if ready == "" else {EXTERNAL: found})
    [row] = ask(CHECK, cluster(paths), **{**STACK, "secretsOperator": {"kind": "externalSecrets"}}).values()
    assert (row.level, row.seen) == (level, seen)
    assert bool(row.fix) == (level is not Level.OK)


@pytest.mark.parametrize(
    ("static", "level", "seen"),
    [
        (lambda: told(1), Level.OK, "1 up to date"),
        (lambda: told(40), Level.FAIL, "shop/shop-env: the operator has not looked for 40 minutes"),
        (lambda: told(1, "InfisicalAuth is not ready"), Level.FAIL, "shop/shop-env: InfisicalAuth is not ready"),
        (lambda: told(1, MISSING.format("KEY")), Level.WARN, "shop/shop-env: people have yet to write KEY"),
        (lambda: told(1, MISSING.format("A")), Level.FAIL, f"shop/shop-env: {MISSING.format('A')}"),
        (lambda: told(1, MISSING.format("API_KEY")), Level.FAIL, f"shop/shop-env: {MISSING.format('API_KEY')}"),
        (dict, Level.FAIL, "shop/shop-env: the operator has not looked at it yet"),
        (None, Level.FAIL, "shop/shop-env: its InfisicalStaticSecret is gone"),
    ],
)
def test_what_has_stopped_is_said(static: Callable[[], dict[str, Any]] | None, level: Level, seen: str) -> None:
    [row] = ask(CHECK, cluster({STATIC: static()} if static else {}), **STACK).values()
    assert row.level is level
    assert row.seen.startswith(seen)
    assert bool(row.fix) == (level is not Level.OK)
