"""A second operator of a kind, and the end of one that others stand on, are refused before the first resource."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

import pulumi
import pytest

from components.operator_values import RELEASES
from safeguards import LastState, Refusal
from safeguards.cluster import LiveCluster
from safeguards.network import refuse_cut_off
from safeguards.operators import refuse_second_operator
from settings.cluster import ClusterSettings
from tests.unit.harness import COMMANDS, INSTALLED, State, platform, settings_of

IMAGES = {"postgres": "postgres-operator", "redis": "redis-operator", "certManager": "cert-manager-controller"}


def refused(
    monkeypatch: pytest.MonkeyPatch,
    images: Mapping[str, Collection[str]],
    release: str = "",
    installed_before: Collection[str] = (),
    live: Mapping[str, Any] | None = None,
    own_id: str = "mine",
    **operators: Any,
) -> str:
    monkeypatch.setattr(LiveCluster, "images", lambda _: images)
    monkeypatch.setattr(LiveCluster, "helm_release", lambda _, kind: release if "cert-manager" in kind else "")
    own = {
        f"urn:pulumi:dev::p::t::{name}": {"type": "kubernetes:helm.sh/v3:Release", "outputs": {"name": name}}
        for name in installed_before
    }
    own["urn:pulumi:dev::p::t::stack-identity"] = {
        "type": "random:index/randomUuid:RandomUuid",
        "outputs": {"result": own_id} if live and own_id else {},
    }
    stack = settings_of(operators=operators or INSTALLED)
    try:
        refuse_second_operator(stack, LastState(own), live or {}, LiveCluster(ClusterSettings()), COMMANDS)
    except Refusal as refusal:
        return str(refusal)
    return ""


def test_an_empty_cluster_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(monkeypatch, {}) == ""
    assert refused(monkeypatch, {"nginx": ["web"]}) == ""


@pytest.mark.parametrize("operator", IMAGES)
def test_an_operator_that_runs_already_is_named_with_the_command(
    monkeypatch: pytest.MonkeyPatch, operator: str
) -> None:
    said = refused(monkeypatch, {IMAGES[operator]: ["theirs"]})
    assert said.startswith(f"operators.{operator}: an operator with image {IMAGES[operator]} runs in theirs")
    assert f"pulumi config set --stack dev --path 'infisical-platform:operators.{operator}' present" in said
    assert len(said.splitlines()) == 1


def test_kinds_of_a_release_of_others_are_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(monkeypatch, {}, release="security/cert-manager")
    assert "operators.certManager: Helm's release security/cert-manager owns certificates.cert-manager.io" in said


def test_the_stacks_own_operator_is_not_a_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    running = {image: ["x"] for image in IMAGES.values()}
    assert refused(monkeypatch, running, installed_before=RELEASES.values()) == ""


@pytest.mark.parametrize("operator", IMAGES)
def test_an_operator_that_a_killed_update_has_installed_is_the_stacks_own(
    monkeypatch: pytest.MonkeyPatch, operator: str
) -> None:
    """Its release is not in the state. Were it called somebody else's, the next `up` would delete its namespace."""
    namespace = {"certManager": "cert-manager"}.get(operator, f"{operator}-operator")
    running = {IMAGES[operator]: [namespace]}
    mine = {namespace: {"annotations": {"infisical-platform/stack-id": "mine"}}}
    assert refused(monkeypatch, running, live=mine) == ""
    theirs = {namespace: {"annotations": {"infisical-platform/stack-id": "theirs"}}}
    for live in (theirs, {namespace: {}}):
        assert f"runs in {namespace}" in refused(monkeypatch, running, live=live)
    both = {IMAGES[operator]: ["elsewhere", namespace]}
    assert "runs in elsewhere, and" in refused(monkeypatch, both, live=mine)


@pytest.mark.parametrize("operator", IMAGES)
def test_an_operator_of_a_lost_state_is_taken_over(monkeypatch: pytest.MonkeyPatch, operator: str) -> None:
    """The state has no id, and the namespace is given to the stack by its name."""
    namespace = {"certManager": "cert-manager"}.get(operator, f"{operator}-operator")
    given = {"infisical-platform/given-to": "infisical-platform/dev"}
    live = {namespace: {"annotations": given}}
    assert refused(monkeypatch, {IMAGES[operator]: [namespace]}, live=live, own_id="") == ""
    lost = {namespace: {"annotations": {**given, "infisical-platform/stack-id": "lost"}}}
    assert f"runs in {namespace}" in refused(monkeypatch, {IMAGES[operator]: [namespace]}, live=lost, own_id="")


def test_the_kinds_of_its_release_are_taken_over_too(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"cert-manager": {"annotations": {"infisical-platform/stack-id": "mine"}}}
    assert refused(monkeypatch, {}, "cert-manager/cert-manager", live=own) == ""
    assert "owns certificates.cert-manager.io" in refused(monkeypatch, {}, "cert-manager/cert-manager", live={"x": {}})


def test_present_is_judged_by_doctor_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(monkeypatch, {image: ["x"] for image in IMAGES.values()}, postgres="present") == ""


def test_policies_wait_for_no_operator_that_is_still_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LiveCluster, "images", lambda _: {})
    monkeypatch.setattr(LiveCluster, "api_server", lambda _: set())
    monkeypatch.setattr(LiveCluster, "has_pods", lambda *peer: peer[2] != {"k8s-app": "node-local-dns"})
    refuse_cut_off(settings_of(operators=INSTALLED), LiveCluster(ClusterSettings()), COMMANDS)
    with pytest.raises(Refusal):
        refuse_cut_off(settings_of(), LiveCluster(ClusterSettings()), COMMANDS)


# --- an operator that leaves the stack -------------------------------------------------------------------------------

SET = "pulumi config set --stack dev --path 'infisical-platform:"


@cache
def deployed(*, protect: bool) -> dict[str, Any]:
    """The state that an `up` with all three operators leaves."""
    return {
        resource.urn: {"type": resource.type, "outputs": {**resource.inputs, **(resource.outputs or [{}])[-1]}}
        for resource in platform(operators=INSTALLED, cluster={"protect": protect})
        if resource.kind in ("ClusterOperators", "Release", "RandomUuid")
    }


def refusal(state: State, **keys: Any) -> str:
    """Why `up` does not begin; empty where it may."""
    try:
        platform(state=state, preview=True, **keys)
    except pulumi.RunError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("protect", [True, False])
@pytest.mark.parametrize("operator", IMAGES)
def test_no_operator_is_uninstalled_in_passing(operator: str, protect: bool) -> None:
    """With cert-manager's namespace go the keys of every ClusterIssuer of the cluster, whoever made it."""
    before = deployed(protect=False)
    keys = {"operators": {**INSTALLED, operator: "present"}, "cluster": {"protect": protect}}
    said = refusal(before, **keys)
    assert said.startswith(f"operators.{operator}: the stack has installed it for the whole cluster, and `up` would ")
    assert f"{SET}operators.{operator}' install" in said
    assert (f"{SET}cluster.protect' true, pulumi up --stack dev, and then {SET}" in said) is not protect
    assert len(said.splitlines()) == 1
    assert len(refusal(before).splitlines()) == 3, "without the section all three would go"
    assert not refusal(before, operators=INSTALLED)


@pytest.mark.parametrize("protect", [True, False])
def test_what_a_protected_stack_has_installed_is_handed_over(protect: bool) -> None:
    """Even where it is no longer protected from then on: what counts is how it was made."""
    assert not refusal(deployed(protect=True), cluster={"protect": protect})


def test_what_a_state_from_before_has_is_not_kept() -> None:
    before = {urn: each for urn, each in deployed(protect=True).items() if "ClusterOperators" not in each["type"]}
    assert "operators.certManager: " in refusal(before, cluster={"protect": True})


@pytest.mark.parametrize("protect", [True, False])
@pytest.mark.parametrize("operator", ["postgres", "redis"])
def test_an_operator_stays_in_its_namespace(operator: str, protect: bool) -> None:
    """Its roles are the cluster's and named alike, and a kept one would run on beside the new one."""
    said = refusal(
        deployed(protect=protect), operators=INSTALLED, networkPolicies={"operators": {operator: "elsewhere"}}
    )
    assert said.startswith(f"networkPolicies.operators.{operator}: the stack has installed this operator in namespace ")
    assert f"{SET}networkPolicies.operators.{operator}' {operator}-operator" in said
