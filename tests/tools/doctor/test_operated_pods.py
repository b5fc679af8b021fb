"""Whether the cluster admits the pods that the operators make, in namespaces that may not be there yet."""

from __future__ import annotations

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


def test_who_may_make_no_pods_is_told_nothing() -> None:
    assert ask(CHECK, asked(default='User "ops" cannot create resource "pods"')) == {}


def test_servers_of_others_have_no_pods_here() -> None:
    of = asked(default=STRICT)
    assert [*operated_pods.refused(COMMANDS, of, settings_of("minimal", **HOSTED))] == []
    assert of.asked == []
