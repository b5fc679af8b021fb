"""Doctor says beforehand when the cluster, or a namespace in it, is not the stack's own."""

from __future__ import annotations

import functools
from typing import Any

from operations.checks.identity import identity
from operations.checks.result import Level, Result
from tests.tools.doctor.known import KUBE_SYSTEM, ask, cluster
from tests.tools.fake_stack import FakeStack

SUBJECT = "the stack's cluster"


def asked(state: list[dict[str, Any]], **namespaces: dict[str, str]) -> Result:
    """Return the row for a stack with these resources, in a cluster with these namespaces (name to annotations)."""
    stack = FakeStack(name="dev", state={"deployment": {"resources": state}})
    paths = {
        f"/api/v1/namespaces/{name}": {"metadata": {"name": name, "uid": name, "annotations": annotations}}
        for name, annotations in namespaces.items()
    }
    return ask(functools.partial(identity, stack), cluster(paths))[SUBJECT]


def in_cluster(uid: str) -> list[dict[str, Any]]:
    return [{"urn": "u::kubernetes", "type": "pulumi:providers:kubernetes", "outputs": {"clusterIdentifier": uid}}]


def test_its_own_cluster_and_a_new_one_are_right() -> None:
    assert asked(in_cluster(KUBE_SYSTEM)).level is Level.OK
    assert asked([]).level is Level.OK


def test_what_is_in_the_state_and_not_in_this_cluster_fails_with_the_way_out() -> None:
    row = asked(in_cluster("uid-of-old"))
    assert row.level is Level.FAIL
    assert "uid-of-old" in row.seen
    assert "make forget-cluster STACK=dev CLUSTER=uid-of-old" in row.fix


def test_a_namespace_of_a_different_stack_fails() -> None:
    theirs = {"infisical-platform/stack": "acme/infisical-platform/prod", "infisical-platform/stack-id": "theirs"}
    row = asked([], infisical=theirs)
    assert row.level is Level.FAIL
    assert "acme/infisical-platform/prod" in row.seen + row.fix
