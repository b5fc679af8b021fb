"""Gate: Jobs that run again when what they guard has changed, with no right that they were not given."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pulumi
import pytest

from components.base.gate import Gate, GateArgs
from components.base.pod import Step
from components.base.rbac import PolicyRule
from tests.unit.harness import Graph, run

RULES = [
    PolicyRule(group="", resource="pods", verbs=["list"]),
    PolicyRule(group="apps", resource="deployments", verbs=["get"], names=["one"]),
]
FIRST = Step(name="first", image="python:3.13", script="platform_db/database_ready.py", config={"a": 1})
SECOND = Step(name="second", image="postgres:15", script="platform_db/database_login.sh")
ARGS: dict[str, Any] = {"namespace": "ns", "steps": [FIRST, SECOND], "triggers": {"size": 1}}


def gate(**changes: Any) -> Graph:
    args = GateArgs(**(ARGS | changes))
    return run(lambda options: Gate("gate", args, options))


@cache
def unchanged() -> Graph:
    return gate()


def template(graph: Graph, job: str) -> dict[str, Any]:
    return graph[f"Job/{job}"]["spec", "template"]


def test_without_rules_there_is_no_account_and_no_token() -> None:
    graph = unchanged()
    assert {r.kind for r in graph.made_by("Gate/gate")} == {"ConfigMap", "Job"}
    for job in ("gate-first", "gate-second"):
        pod = template(graph, job)["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert "serviceAccountName" not in pod


def test_rules_become_a_role_as_they_are_written_for_the_step_that_has_them() -> None:
    graph = gate(steps=[replace(FIRST, rules=RULES), SECOND])
    assert graph["Role/gate-first"]["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"], "resourceNames": ["one"]},
    ]
    binding = graph["RoleBinding/gate-first"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "gate-first", "namespace": "ns"}]
    assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "gate-first"}
    first, second = template(graph, "gate-first")["spec"], template(graph, "gate-second")["spec"]
    assert (first["serviceAccountName"], first["automountServiceAccountToken"]) == ("gate-first", True)
    assert graph.waits("Job/gate-first", for_="RoleBinding/gate-first")
    assert second["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in second
    rights = [str(r) for r in graph.made_by("Gate/gate") if r.kind not in {"ConfigMap", "Job"}]
    assert sorted(rights) == ["Role/gate-first", "RoleBinding/gate-first", "ServiceAccount/gate-first"]


def test_a_later_step_with_rules_waits_for_its_rights_too() -> None:
    graph = gate(steps=[FIRST, replace(SECOND, rules=RULES)])
    first, second = template(graph, "gate-first")["spec"], template(graph, "gate-second")["spec"]
    assert (second["serviceAccountName"], second["automountServiceAccountToken"]) == ("gate-second", True)
    assert first["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in first
    assert graph.waits("Job/gate-second", for_="RoleBinding/gate-second")
    assert graph.waits("Job/gate-second", for_="Job/gate-first")


def test_a_step_is_a_job_and_waits_for_the_one_before() -> None:
    graph = unchanged()
    for job, step in (("gate-first", "first"), ("gate-second", "second")):
        pod = template(graph, job)["spec"]
        assert [c["name"] for c in pod["containers"]] == [step]  # Pulumi shows the last line of this one alone
        assert "initContainers" not in pod
    assert graph.waits("Job/gate-second", for_="Job/gate-first")
    assert graph.free("Job/gate-first", of="Job/gate-second")


def test_any_number_of_steps_is_one_chain_in_the_order_given() -> None:
    graph = gate(steps=[SECOND, replace(SECOND, name="third"), FIRST])
    assert _jobs(graph) == ["gate-second", "gate-third", "gate-first"]
    assert graph.waits("Job/gate-third", for_="Job/gate-second")
    assert graph.waits("Job/gate-first", for_="Job/gate-third")


@pytest.mark.parametrize(("failing", "succeeded"), [("gate-first", []), ("gate-second", ["gate-first"])])
def test_a_failed_step_holds_up_the_next_and_all_that_depends_on_the_gate(failing: str, succeeded: list[str]) -> None:
    def guarded(options: pulumi.ResourceOptions) -> None:
        made = Gate("gate", GateArgs(**ARGS), options)
        behind = pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=[made]))
        pulumi.ComponentResource("test:index:Behind", "behind", None, behind)

    graph = run(guarded, failing=failing)
    assert _jobs(graph) == succeeded
    assert [r.name for r in graph.components] == ["gate"]
    assert [r.name for r in run(guarded).components] == ["gate", "behind"]


def test_a_gate_of_one_step_is_a_job_of_its_own_name_and_so_are_its_rights() -> None:
    graph = gate(steps=[replace(SECOND, rules=RULES)])
    assert _jobs(graph) == ["gate"]
    made = {str(r): r["metadata", "name"] for r in graph.made_by("Gate/gate") if r.kind != "ConfigMap"}
    assert made == {f"{kind}/gate": "gate" for kind in ("ServiceAccount", "Role", "RoleBinding", "Job")}
    assert template(graph, "gate")["spec"]["serviceAccountName"] == "gate"


@pytest.mark.parametrize(
    "change",
    [
        {"triggers": {"size": 2}},
        {"triggers": {"size": 1, "more": []}},
        {"triggers": {"size": pulumi.Output.from_input("another")}},
        {"steps": [replace(FIRST, image="python:3.14"), replace(SECOND, image="postgres:16")]},
    ],
    ids=["value", "key", "output", "steps"],
)
def test_every_step_runs_again_when_what_it_guards_changes(change: dict[str, Any]) -> None:
    graph = gate(**change)
    for job in ("gate-first", "gate-second"):
        assert template(graph, job) != template(unchanged(), job)


def test_it_does_not_run_again_for_nothing() -> None:
    one, other = gate(triggers={"a": 1, "b": 2}), gate(triggers={"b": 2, "a": 1})
    for job in ("gate-first", "gate-second"):
        assert template(one, job) == template(other, job)
        assert gate()[f"Job/{job}"].inputs == unchanged()[f"Job/{job}"].inputs


def test_each_job_outlives_its_scripts_deadline_and_pulumi_the_jobs() -> None:
    """So the first to give up is the script, which knows the reason."""
    graph = gate(deadline_seconds=100)
    for job in (graph["Job/gate-first"], graph["Job/gate-second"]):
        assert job["spec", "activeDeadlineSeconds"] == 160
        assert job.create_timeout == job.update_timeout == "220s"


def _jobs(graph: Graph) -> list[str]:
    return [job.name for job in graph.of_type("kubernetes:batch/v1:Job")]
