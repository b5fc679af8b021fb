"""Whether the cluster admits the pods that the operators make, in namespaces that may not be there yet."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from operations.checks import operated_pods
from operations.checks.result import Check, Level
from settings.names import Names
from tests.contract.pod_security import refusals
from tests.tools.doctor.known import COMMANDS, Answers, ask, cluster
from tests.unit.external_changes import HOSTED
from tests.unit.harness import settings_of

CHECK: Check = partial(operated_pods.refused, COMMANDS)
DATABASE, REDIS = Names().database, Names().redis
STRICT = 'pods "asked-for-x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false'
QUOTA = "exceeded quota: tenant, requested: limits.cpu=2, used: limits.cpu=7, limited: limits.cpu=8"
SPILO = "ghcr.io/zalando/spilo-17:4.0-p3"
RESTRICTED: Any = {"pods": {"podSecurity": "restricted"}}


def asked(*namespaces: str, label: str = "", **refused: str) -> Answers:
    labels = {"pod-security.kubernetes.io/enforce": label} if label else {}
    there: dict[str, Any] = {f"/api/v1/namespaces/{name}": {"metadata": {"name": name}} for name in namespaces}
    there["/api/v1/namespaces/default"] = {"metadata": {"name": "default", "labels": labels}}
    return cluster(there, pods_refused=refused)


def test_where_they_are_admitted_nothing_is_said() -> None:
    of = asked(DATABASE, REDIS)
    assert ask(CHECK, of) == {}
    assert [pod["metadata"]["namespace"] for pod in of.asked] == [DATABASE, REDIS]
    assert all(pod["spec"]["containers"][0]["resources"]["limits"] for pod in of.asked)


def test_spilo_is_asked_for_as_what_it_is() -> None:
    of = asked()
    ask(CHECK, of)
    assert any("allowPrivilegeEscalation" in line for line in refusals(of.asked[0]))


def test_a_cluster_that_is_restricted_by_default_is_named_before_the_first_up() -> None:
    found = ask(CHECK, asked(default=STRICT))
    assert {*found} == {"pods of PostgreSQL", "pods of Redis"}
    for row in found.values():
        assert row.level is Level.FAIL
        assert "violates PodSecurity" in row.seen
        assert "pods.podSecurity' restricted" in row.fix
        assert "level baseline" in row.fix


@pytest.mark.parametrize("there", [(), (DATABASE, REDIS)])
def test_a_stack_that_gives_its_namespaces_a_level_is_not_warned(there: tuple[str, ...]) -> None:
    of = asked(*there, default=STRICT, **{DATABASE: STRICT, REDIS: STRICT})
    assert ask(CHECK, of, **RESTRICTED) == {}


def test_a_namespace_with_a_level_of_its_own_tells_nothing_of_others() -> None:
    assert ask(CHECK, asked(default=STRICT, label="restricted")) == {}


def test_a_quota_counts_where_the_pod_would_be() -> None:
    assert ask(CHECK, asked(default=QUOTA)) == {}
    [row] = ask(CHECK, asked(DATABASE, **{DATABASE: QUOTA})).values()
    assert (row.level, row.subject) == (Level.FAIL, "pods of PostgreSQL")
    assert f"let namespace {DATABASE} admit it" in row.fix


def to_mirror(container: Any) -> Any:
    return container | {"image": f"mirror.example.org/{container['image'].partition('/')[2]}"}


@pytest.mark.parametrize("operator", ["present", "install"])
def test_a_webhook_that_rewrites_the_image_of_postgresql_is_named(operator: str) -> None:
    """Its operator would make each pod anew at every look. Redis' never looks at its pods' images."""
    of = asked(DATABASE, REDIS)
    of = replace(of, rewriting={DATABASE: to_mirror, REDIS: to_mirror})
    places: Any = {"operators": {"postgres": "postgres-operator", "redis": "redis-operator"}}
    [row] = ask(CHECK, of, operators={"postgres": operator}, networkPolicies=places).values()
    assert (row.level, row.subject) == (Level.FAIL, "image of PostgreSQL")
    assert f"mirror.example.org/zalando/spilo-17:4.0-p3 of {SPILO} in namespace {DATABASE}" in row.seen
    assert f"leave namespace {DATABASE} out of that webhook" in row.fix
    own = "'infisical-platform:operators.postgresImages.spilo' mirror.example.org/zalando/spilo-17:4.0-p3"
    assert (own in row.fix) is (operator == "install")
    assert ("docker_image" in row.fix) is (operator == "present")


def test_before_the_namespace_is_there_a_webhook_may_still_leave_it_out() -> None:
    of = replace(asked(), rewriting={"default": to_mirror})
    [row] = ask(CHECK, of).values()
    assert (row.level, row.subject) == (Level.WARN, "image of PostgreSQL")


def test_a_webhook_that_adds_a_container_rewrites_no_image() -> None:
    """A mesh does so."""
    of = replace(asked(DATABASE), rewriting={DATABASE: lambda each: each | {"imagePullPolicy": "Always"}})
    assert ask(CHECK, of) == {}


def test_who_may_make_no_pods_is_told_nothing() -> None:
    assert ask(CHECK, asked(default='User "ops" cannot create resource "pods"')) == {}


def test_servers_of_others_have_no_pods_here() -> None:
    of = asked(default=STRICT)
    assert [*operated_pods.refused(COMMANDS, of, settings_of("minimal", **HOSTED))] == []
    assert of.asked == []
