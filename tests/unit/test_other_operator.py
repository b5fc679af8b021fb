"""A switch of the operator's kind, which would take along the Secrets that the one of before owns."""

from __future__ import annotations

from typing import Any

import pytest

from safeguards import LastState, Refusal
from safeguards.applications import refuse_other_operator
from tests.unit.harness import COMMANDS, ORGANIZATION, PROJECT
from tests.unit.test_application_settings import load, shop

KINDS = {
    "infisical": "kubernetes:secrets.infisical.com/v1beta1:InfisicalStaticSecret",
    "externalSecrets": "kubernetes:external-secrets.io/v1:ExternalSecret",
}


def delivered(kind: str, policy: str, name: str = "shop-shop-env") -> LastState:
    """The state of a stack with one delivery."""
    target = {"creationPolicy": policy}
    spec: dict[str, Any] = {"targets": [target]} if kind == "infisical" else {"target": target}
    urn = f"urn::{KINDS[kind]}::secret-delivery-{name}"
    return LastState({urn: {"type": KINDS[kind], "outputs": {"spec": spec}}})


@pytest.mark.parametrize("name", ["shop-shop-env", "infisical-secrets-operator-operator-canary"])
@pytest.mark.parametrize(("before", "wanted"), [("infisical", "externalSecrets"), ("externalSecrets", "infisical")])
def test_secrets_that_would_go_with_their_operator_are_kept(before: str, wanted: str, name: str) -> None:
    settings = load(shop("deliver 0 restarts", []), secretsOperator={"kind": wanted}, organization=ORGANIZATION)
    with pytest.raises(Refusal, match=r"^secretsOperator\.kind: the Secrets that it delivers belong") as caught:
        refuse_other_operator(settings, delivered(before, "Owner", name), COMMANDS)
    assert f"'{PROJECT}:secretsOperator.kind' {before}" in str(caught.value)
    refuse_other_operator(settings, delivered(before, "Orphan", name), COMMANDS)
    refuse_other_operator(settings, delivered(wanted, "Owner", name), COMMANDS)


def test_a_stack_without_an_operator_has_none_to_change() -> None:
    refuse_other_operator(load({}, {}), delivered("infisical", "Owner"), COMMANDS)
