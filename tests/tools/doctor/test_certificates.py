"""Whether certificates will be issued."""

from __future__ import annotations

import pytest

from operations.checks import certificates
from operations.checks.result import Level
from operations.cluster import Unanswered
from tests.tools.doctor.known import (
    CLUSTER_ISSUER,
    ISSUER,
    LETS_ENCRYPT,
    PUBLIC,
    all_ok,
    ask,
    cluster,
    issuer,
    only,
)


@pytest.mark.parametrize(
    ("there", "seen"),
    [
        (issuer("False", "the account was not registered"), "not Ready: the account was not registered"),
        ({"status": {}}, "not Ready: cert-manager has not looked at it"),
        (None, "no such issuer; there is other"),
    ],
)
def test_a_cluster_issuer_that_will_not_issue_fails(there: object, seen: str) -> None:
    others = {"/apis/cert-manager.io/v1/clusterissuers": {"items": [{"metadata": {"name": "other"}}]}}
    bad = only(ask(CLUSTER_ISSUER, cluster({ISSUER: there, **others})))
    assert (bad.level, bad.subject, bad.seen) == (Level.FAIL, "ClusterIssuer embedded-ca", seen)


def test_an_issuer_that_is_ready_or_that_up_makes_itself_is_ok() -> None:
    assert all_ok(ask(CLUSTER_ISSUER))
    assert ask(CLUSTER_ISSUER, cluster({ISSUER: None}), ingress=LETS_ENCRYPT, infisical=PUBLIC) == {}


def test_the_webhook_answers_by_refusing_what_it_must() -> None:
    assert all_ok(ask(certificates.webhook))


@pytest.mark.parametrize(
    "refused",
    ["", 'Internal error occurred: failed calling webhook "webhook.cert-manager.io": connection refused', "timeout"],
)
def test_a_webhook_that_is_not_asked_or_does_not_answer_fails(refused: str) -> None:
    row = only(ask(certificates.webhook, cluster(refused=refused)))
    assert row.level is Level.FAIL
    assert row.seen == (refused or "it is not asked: an impossible Certificate was accepted")


def test_without_the_right_to_ask_the_webhook_is_unknown() -> None:
    with pytest.raises(Unanswered, match="cannot create resource"):
        ask(certificates.webhook, cluster(refused='User "guest" cannot create resource "certificates"'))
