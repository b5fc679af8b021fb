"""Steps that would take delivered Secrets along, as a switch of the operator's kind, are refused or told before."""

from __future__ import annotations

from typing import Any

import pytest

from components.application_wish import file_of
from components.secret_delivery import MARK
from safeguards import LastState, Refusal
from safeguards.applications import refuse_dropped_applications, refuse_kept_value, refuse_other_operator
from settings.applications import secrets_of
from tests.unit.harness import COMMANDS, ORGANIZATION, PROJECT
from tests.unit.test_application_settings import GIVEN, TYPE, load, shop

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


DROPPED = {"type": TYPE, "outputs": {"applications": ["cart", "shop"]}}


def dropped(kind: str, policy: str, application: str) -> str:
    """What is said about `cart`, which the stack file no longer has, where an application has one delivery."""
    marked = {"metadata": {"labels": {MARK: application}}}
    target: dict[str, Any] = {"creationPolicy": policy, **(marked if kind == "infisical" else {"template": marked})}
    spec: dict[str, Any] = {"targets": [target]} if kind == "infisical" else {"target": target}
    delivery = {"type": KINDS[kind], "outputs": {"spec": spec}}
    state = LastState({"urn::a::application-secrets": DROPPED, "urn::b::c": delivery})
    with pytest.raises(Refusal) as caught:
        refuse_dropped_applications(load(shop()), state, COMMANDS)
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_an_application_that_is_dropped_is_retired_first(kind: str) -> None:
    said = dropped(kind, "Orphan", "cart")
    assert "cart: the stack has this application" in said
    assert "name it cart again" in said
    assert "deletes the project, with all that people wrote" in said
    assert f"'{PROJECT}:applications.cart.retired' true" in said
    assert said.endswith("What was delivered stays in the cluster")
    state = LastState({"urn::a::application-secrets": DROPPED})
    refuse_dropped_applications(load({**shop(), "cart": {"retired": True}}), state, COMMANDS)


@pytest.mark.parametrize("kind", KINDS)
def test_who_would_lose_what_was_delivered_is_told_before(kind: str) -> None:
    said = dropped(kind, "Owner", "cart")
    assert "What was delivered goes with it, because cluster.protect is false" in said
    assert f"'{PROJECT}:cluster.protect' true" in said
    assert "stays in the cluster" not in said
    assert dropped(kind, "Owner", "shop").endswith("What was delivered stays in the cluster"), "another one's"


def test_a_new_value_is_not_asked_for_in_vain() -> None:
    """What `generatedValues` keeps goes before what is generated, so that `up` ended well, with the old one."""
    wish = shop("secrets prod / KEY", {"generate": 64})
    secret = next(each for each in secrets_of(load(wish).applications["shop"]) if each.key == "KEY")
    file = file_of("shop", secret)
    refuse_kept_value(load(wish, GIVEN, generatedValues={file: "k" * 64}), COMMANDS)
    with pytest.raises(Refusal) as caught:
        refuse_kept_value(load(wish, GIVEN, generatedValues={file: "k" * 63}), COMMANDS)
    assert str(caught.value) == (
        f"generatedValues.{file}: it keeps a value of 63 characters for prod:/KEY of application shop, which asks for "
        "64. To go on with it, write {generate: 63}. To have a new value: pulumi config rm --stack dev --path "
        f"'{PROJECT}:generatedValues.{file}'"
    )
