"""What is delivered needs an operator that can do it."""

from __future__ import annotations

import pytest

from settings.machinery.delivery_rules import somebody_delivers
from settings.secrets_operator import SecretsOperatorSettings
from tests.unit.test_application_settings import complaints, load, shop


def test_a_delivery_without_an_operator_is_named() -> None:
    applications = load(shop()).applications
    [finding] = somebody_delivers(applications, None)
    assert finding.key == "secretsOperator"
    assert finding.reason.startswith("required, but not set, and shop delivers secrets into the cluster")
    assert not list(somebody_delivers(applications, SecretsOperatorSettings()))
    assert not list(somebody_delivers(load(shop("retired", True)).applications, None))


@pytest.mark.parametrize("namespace", ["infisical-secrets-operator"])
def test_nothing_is_delivered_where_the_log_ins_are(namespace: str) -> None:
    [line] = complaints(shop("deliver 0 namespace", namespace))
    assert "applications.shop.deliver[0].namespace: it is the operator's own namespace" in line


def test_a_restart_that_the_operator_could_not_note_is_refused() -> None:
    """It notes it in an annotation with the Secret's name, and Kubernetes takes 63 characters of an annotation's."""
    [line] = complaints(shop("deliver 0 secret", "s" * 49))
    assert "applications.shop.deliver[0].restarts: the operator notes a restart under the Secret's name" in line
    assert load(shop("deliver 0 secret", "s" * 48)).applications["shop"].deliver[0].restarts


def test_a_restart_that_nobody_would_make_is_refused() -> None:
    [line] = complaints(shop(), secretsOperator={"kind": "externalSecrets"})
    assert "applications.shop.deliver[0].restarts: External Secrets Operator restarts nothing" in line
