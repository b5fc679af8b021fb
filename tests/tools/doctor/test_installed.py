"""Doctor asks nobody for what `up` will install."""

from __future__ import annotations

from typing import Any

import pytest

from operations.checks import certificates, kubernetes, operators
from operations.checks.result import Level
from tests.tools.doctor.known import CLUSTER_ISSUER, Answers, all_ok, ask
from tests.unit.harness import INSTALLED

APART = {"postgres": "postgres-operator", "redis": "redis-operator"}
COMING: dict[str, Any] = {"operators": INSTALLED, "networkPolicies": {"operators": APART}}
EMPTY = Answers(paths={"/apis/apps/v1/deployments": {"items": []}})
CHECKS = {
    "postgres-operator": operators.postgres_operator,
    "redis-operator": operators.redis_operator,
    "cert-manager": operators.cert_manager,
    "cert-manager's webhook": certificates.webhook,
}


@pytest.mark.parametrize("subject", CHECKS)
def test_what_comes_is_said_to_come(subject: str) -> None:
    found = ask(CHECKS[subject], EMPTY, **COMING)[subject]
    assert found.level is Level.OK
    assert found.seen.startswith("installed by this stack")


def test_kinds_that_come_are_asked_of_nobody() -> None:
    found = ask(kubernetes.kinds, EMPTY, **COMING)
    assert len(found) == 3
    assert all_ok(found)
    assert {each.seen for each in found.values()} == {"installed by this stack"}


def test_kinds_that_are_there_are_judged_as_any() -> None:
    served = {"/apis/acid.zalan.do": {"versions": [{"version": "v2"}]}}
    found = ask(kubernetes.kinds, Answers(paths=served), **COMING)
    assert found["CRDs of acid.zalan.do/v1"].level is Level.FAIL, "an old operator's"


def test_one_that_is_not_installed_is_asked_for() -> None:
    found = ask(kubernetes.kinds, EMPTY, **{**COMING, "operators": {**INSTALLED, "redis": "present"}})
    assert [each.subject for each in found.values() if each.level is Level.FAIL] == [
        "CRDs of redis.redis.opstreelabs.in/v1beta2"
    ]


def test_an_issuer_that_nobody_can_have_made_is_a_warning() -> None:
    found = ask(CLUSTER_ISSUER, EMPTY, **COMING)["ClusterIssuer embedded-ca"]
    assert found.level is Level.WARN
    assert "ten minutes" in found.fix
