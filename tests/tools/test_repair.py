"""`make repair`: what it does after a killed `up`, in which cluster, and what it says."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from operations import repair
from operations.cluster import Cluster, Unanswered
from operations.errors import OperationError
from safeguards.cluster import LiveCluster
from tests.tools.fake_stack import FakeStack

SETTINGS = {
    "infisical": {"siteUrl": "https://secrets.example.org"},
    "ingress": {"issuer": {"kind": "existing", "name": "ca"}},
    "cluster": {"context": "production", "kubeconfig": "/etc/production.conf"},
}
YES = argparse.Namespace(yes=True)
SELECTOR = "owner=helm,name={},status in (pending-install,pending-upgrade,pending-rollback)"


@dataclass(frozen=True)
class KilledStack(FakeStack):
    """A stack whose `up` was killed: notes what of Pulumi it runs, before and after."""

    kept: dict[str, Any] = field(default_factory=lambda: dict(SETTINGS))
    locked: bool = True
    log: list[str] = field(default_factory=list)

    def run(self, *arguments: str, input: str = "") -> str:
        match arguments:
            case ("cancel", "--yes"):
                self.log.append("cancel")
                if not self.locked:
                    raise OperationError("`pulumi cancel` on stack prod failed: error: no update in progress")
                return ""
            case ("stack", "export"):
                assert "cancel" in self.log, "a locked state may still change"
                self.ran.append(arguments)
                return json.dumps(self.state)
            case _:
                return super().run(*arguments, input=input)

    def show(self, *arguments: str) -> None:
        self.log.append(" ".join(arguments))


@dataclass(frozen=True)
class Records(Cluster):
    """A cluster with Helm's records of releases that are stuck, by name."""

    stuck: Sequence[str] = ()
    asked: list[tuple[str, ...]] = field(default_factory=list)
    answers: bool = True
    jobs: Mapping[str, Sequence[dict[str, Any]]] = field(default_factory=dict[str, Sequence[dict[str, Any]]])

    def items(self, path: str) -> list[Any]:
        namespace = path.removeprefix("/apis/batch/v1/namespaces/").removesuffix("/jobs")
        return [*self.jobs.get(namespace, [])]

    def objects(self, kinds: Sequence[str], namespace: str = "") -> list[Any]:
        return []

    def delete(self, *selection: str) -> list[str]:
        if not self.answers:
            raise Unanswered("connection refused")
        self.asked.append(selection)
        return [f"secret/sh.helm.release.v1.{name}.v3" for name in self.stuck if f"name={name}," in " ".join(selection)]


@pytest.fixture(autouse=True)
def _in_its_own_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LiveCluster, "namespaces", lambda _: {"kube-system": {"uid": "uid-own"}})


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> Records:
    return cluster_of(monkeypatch, Records("production", "/etc/production.conf"))


def cluster_of(monkeypatch: pytest.MonkeyPatch, records: Records) -> Records:
    def made(context: str | None, kubeconfig: str | None) -> Records:
        assert (context, kubeconfig) == ("production", "/etc/production.conf"), "the stack's own, not kubectl's"
        return records

    monkeypatch.setattr(repair, "Cluster", made)
    return records


def release(name: str, **inputs: Any) -> dict[str, Any]:
    return {"type": "kubernetes:helm.sh/v3:Release", "inputs": {"name": name, "namespace": "infisical"} | inputs}


def test_it_releases_the_lock_then_clears_helm_then_refreshes(
    records: Records, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = KilledStack()
    assert repair.run(stack, YES) == 0
    assert stack.log == ["cancel", "refresh --yes --skip-preview --clear-pending-creates"]
    assert stack.ran.count(("stack", "export")) == 1, "every step takes a second with a remote backend"
    assert records.asked == [("secrets", "-n", "infisical", "-l", SELECTOR.format("infisical"))]
    assert capsys.readouterr().out.splitlines() == [
        "the backend of stack prod does not tell whether somebody's run holds its lock",
        "the state's file: is not in a folder, and the backend keeps it whole",
        "the stack's lock: released",
        "the cluster: its own",
        "owners of fields: each has one",
        "Helm releases: none is stuck half-way",
        "Jobs: the state has all of them",
        "the kubeconfig: no path of another machine is in the state",
        "the state: read again from the cluster, without what was being created",
        "",
        "repaired: run `up` again, which goes on from here",
    ]


def test_without_a_lock_it_goes_on_and_says_what_pulumi_says(
    records: Records, capsys: pytest.CaptureFixture[str]
) -> None:
    assert repair.run(KilledStack(locked=False), YES) == 0
    assert "the stack's lock: nothing to release (error: no update in progress)" in capsys.readouterr().out


def test_every_release_of_the_stack_is_cleared_of_what_is_half_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that was being made when `up` was killed stands among the pending operations alone."""
    records = cluster_of(monkeypatch, Records("production", "/etc/production.conf", stuck=["infisical-standalone"]))
    deployment = {
        "resources": [release("infisical"), {"type": "pulumi:pulumi:Stack"}],
        "pending_operations": [{"type": "creating", "resource": release("infisical-standalone")}],
    }
    assert repair.run(KilledStack(state={"deployment": deployment}), YES) == 0
    assert [selection[-1] for selection in records.asked] == [
        SELECTOR.format("infisical"),
        SELECTOR.format("infisical-standalone"),
    ]
    assert "Helm releases: cleared secret/sh.helm.release.v1.infisical-standalone.v3" in capsys.readouterr().out


def job(name: str, *, active: bool = False, **metadata: Any) -> dict[str, Any]:
    """A Job as the cluster has it."""
    template = {"metadata": {"labels": {"infisical-platform/job": name}}}
    live = {"metadata": {"name": name, **metadata}, "spec": {"template": template}}
    return {**live, "status": {"active": 1}} if active else live


def kept(name: str) -> dict[str, Any]:
    """A Job as the state has it."""
    return {"type": "kubernetes:batch/v1:Job", "inputs": {"metadata": {"name": name, "namespace": "infisical"}}}


def cleared(monkeypatch: pytest.MonkeyPatch, *jobs: dict[str, Any]) -> list[tuple[str, ...]]:
    """What is deleted of these Jobs, where the state has two namespaces and one Job."""
    records = Records("production", "/etc/production.conf", jobs={"infisical": jobs})
    cluster_of(monkeypatch, records)
    resources = [
        {"type": "kubernetes:core/v1:Namespace", "inputs": {"metadata": {"name": "infisical"}}},
        {"type": "kubernetes:core/v1:Namespace", "inputs": {"metadata": {"name": "shop"}}, "external": True},
        kept("infisical-gate"),
        {**kept("ingress-gate"), "pendingReplacement": True},
    ]
    repair.run(KilledStack(state={"deployment": {"resources": resources}}), YES)
    return [selection for selection in records.asked if selection[0] == "jobs"]


def test_a_job_that_is_not_in_the_state_does_not_end_the_next_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With different settings it would be changed, and ended with "spec.template: field is immutable"."""
    by_schedule = job("cert-sync-29", ownerReferences=[{"kind": "CronJob", "name": "cert-sync"}])
    somebody_elses = {"metadata": {"name": "theirs"}, "spec": {"template": {"metadata": {}}}}
    half_made = job("infisical-bootstrap", active=True)
    replacement = job("ingress-gate")  # the state has the one before it, as deleted and not yet replaced
    deleted = cleared(monkeypatch, job("infisical-gate"), by_schedule, somebody_elses, half_made, replacement)
    assert deleted == [("jobs", name, "-n", "infisical") for name in ("infisical-bootstrap", "ingress-gate")]
    said = (
        "deleted infisical-bootstrap, which the state doesn't have; deleted ingress-gate, which the state doesn't have"
    )
    assert f"Jobs: {said}\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["infisical-migration", "restore"])
def test_a_job_that_changes_the_database_comes_to_its_end(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not cleared(monkeypatch, job(name, active=True))
    assert f"Jobs: {name} is at work, and stays: if you change settings, run this again" in capsys.readouterr().out
    assert cleared(monkeypatch, job(name)) == [("jobs", name, "-n", "infisical")]


def test_the_release_of_an_operator_is_cleared_where_the_operator_is(records: Records) -> None:
    deployment = {"resources": [release("cert-manager", namespace="cert-manager")]}
    repair.run(KilledStack(state={"deployment": deployment}), YES)
    assert records.asked == [
        ("secrets", "-n", "cert-manager", "-l", SELECTOR.format("cert-manager")),
        ("secrets", "-n", "infisical", "-l", SELECTOR.format("infisical")),
    ]


def test_a_cluster_that_is_not_the_stacks_is_neither_changed_nor_taken_for_empty(records: Records) -> None:
    provider = {"clusterIdentifier": "uid-of-production"}
    resources = [
        {"type": "pulumi:providers:kubernetes", "urn": "u::kubernetes", "inputs": {"context": "last-week"}},
        release("infisical"),
    ]
    resources[0]["outputs"] = {**resources[0]["inputs"], **provider}
    stack = KilledStack(state={"deployment": {"resources": resources}})
    with pytest.raises(OperationError, match="in cluster uid-of-production, and production leads to cluster uid-own"):
        repair.run(stack, YES)
    assert (stack.log, records.asked) == (["cancel"], [])


def test_a_cluster_that_does_not_answer_ends_it_with_what_it_was_at(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster_of(monkeypatch, Records("production", "/etc/production.conf", answers=False))
    stack = KilledStack()
    with pytest.raises(OperationError, match=r"^Helm releases: the cluster does not answer: connection refused; "):
        repair.run(stack, YES)
    assert stack.log == ["cancel"], "a refresh would take everything for deleted, or fail as well"


def test_a_context_is_written_into_the_state_once_it_is_proven() -> None:
    """A refresh goes where that leads. The steps that ask what was being done come before: an import forgets it."""
    subjects = [step.subject for step in repair.STEPS]
    assert subjects.index("the kubeconfig") == len(subjects) - 2 > subjects.index("the cluster")
