"""Gate: a Job that runs again when what it guards has changed, with no right that it was not given."""

from __future__ import annotations

from functools import cache
from typing import Any

import pulumi
import pytest

from components.gate import Gate, GateArgs, Rule
from components.pod import Step
from tests.unit.harness import Graph, run

FIRST = Step(name="first", image="python:3.13", script="database_ready.py", config={"a": 1})
SECOND = Step(name="second", image="postgres:15", script="database_login.sh")
ARGS: dict[str, Any] = {"namespace": "ns", "steps": [FIRST, SECOND], "guards": {"size": 1}}
RULES = [
    Rule(group="", resource="pods", verbs=["list"]),
    Rule(group="apps", resource="deployments", verbs=["get"], names=["one"]),
]


def gate(**changes: Any) -> Graph:
    args = GateArgs(**(ARGS | changes))
    return run(lambda options: Gate("gate", args, options))


@cache
def unchanged() -> Graph:
    return gate()


def pod_annotations(graph: Graph) -> dict[str, str]:
    return graph["Job/gate"]["spec", "template", "metadata", "annotations"]


def test_without_rules_there_is_no_account_and_no_token() -> None:
    graph = unchanged()
    assert {r.kind for r in graph.made_by("Gate/gate")} == {"ConfigMap", "Job"}
    pod = graph["Job/gate"]["spec", "template", "spec"]
    assert pod["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod


def test_rules_become_a_role_as_they_are_written() -> None:
    graph = gate(rules=RULES)
    assert graph["Role/gate"]["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"], "resourceNames": ["one"]},
    ]
    assert graph["RoleBinding/gate"]["subjects"] == [{"kind": "ServiceAccount", "name": "gate", "namespace": "ns"}]
    assert graph["RoleBinding/gate"]["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": "gate",
    }
    pod = graph["Job/gate"]["spec", "template", "spec"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("gate", True)
    assert graph.waits("Job/gate", for_="RoleBinding/gate")


def test_steps_run_one_after_the_other() -> None:
    pod = unchanged()["Job/gate"]["spec", "template", "spec"]
    assert [c["name"] for c in pod["initContainers"]] == ["first"]
    assert [c["name"] for c in pod["containers"]] == ["second"]


@pytest.mark.parametrize(
    "change",
    [
        {"guards": {"size": 2}},
        {"guarded_value": "another"},
        {"guarded_value": pulumi.Output.from_input("another")},
        {"steps": [SECOND]},
    ],
    ids=["data", "value", "output", "steps"],
)
def test_it_runs_again_when_what_it_guards_changes(change: dict[str, Any]) -> None:
    assert gate(**change)["Job/gate"]["spec", "template"] != unchanged()["Job/gate"]["spec", "template"]


def test_it_does_not_run_again_for_nothing() -> None:
    assert pod_annotations(gate(guards={"a": 1, "b": 2})) == pod_annotations(gate(guards={"b": 2, "a": 1}))
    assert gate()["Job/gate"].inputs == unchanged()["Job/gate"].inputs


def test_the_job_outlives_the_scripts_deadline() -> None:
    assert gate(deadline_seconds=100)["Job/gate"]["spec", "activeDeadlineSeconds"] == 160
