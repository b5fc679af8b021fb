"""Whether the cluster admits the pods of Jobs, as a preview plans them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from operations.checks import admission
from operations.checks.result import Level, Result
from operations.cluster import Unanswered
from operations.errors import OperationError
from settings.names import Names
from tests.tools.doctor.known import Answers, Exported, ask, cluster, stack_settings

TEMPLATE = {
    "metadata": {"labels": {"infisical-platform/job": "gate"}},
    "spec": {"serviceAccountName": "gate", "automountServiceAccountToken": True, "containers": [{"name": "gate"}]},
}
QUOTA = "exceeded quota: small, requested: limits.memory=512Mi, used: limits.memory=0, limited: limits.memory=64Mi"


def step(kind: str, name: str, namespace: str) -> dict[str, Any]:
    spec = {"template": TEMPLATE} if kind == "Job" else {"jobTemplate": {"spec": {"template": TEMPLATE}}}
    inputs = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
    return {"op": "same", "newState": {"type": f"kubernetes:batch/v1:{kind}", "inputs": inputs}}


PLAN = (
    step("Job", "gate", "infisical"),
    step("CronJob", "sync", Names().database),
    {"op": "create", "newState": {"type": "kubernetes:core/v1:Secret", "inputs": {}}},
    {"op": "delete", "oldState": {"type": "kubernetes:batch/v1:Job"}},
)


@dataclass(frozen=True)
class Planned(Exported):
    steps: tuple[Any, ...] = field(default=PLAN)
    broken: str = ""

    def run(self, *arguments: str, input: str = "") -> str:
        assert arguments == ("preview", "--json")
        if self.broken:
            raise OperationError(self.broken)
        return json.dumps({"steps": self.steps})


def admitted(of: Answers, **plan: Any) -> dict[str, Result]:
    return ask(partial(admission.pods_of_jobs, Planned("dev", **plan)), of)


def there(*namespaces: str, **others: Any) -> Answers:
    return cluster({f"/api/v1/namespaces/{name}": {"metadata": {"name": name}} for name in namespaces}, **others)


def test_every_planned_pod_is_asked_for_and_none_of_them_could_run() -> None:
    of = there("infisical", Names().database)
    assert admitted(of)["pods of Jobs"].seen == "all 2 would be admitted"
    assert [pod["metadata"]["generateName"] for pod in of.asked] == ["gate-", "sync-"]
    for pod in of.asked:
        assert pod["metadata"]["labels"] == TEMPLATE["metadata"]["labels"]
        assert "serviceAccountName" not in pod["spec"]
        assert not pod["spec"]["automountServiceAccountToken"]
    assert TEMPLATE["spec"]["serviceAccountName"] == "gate"


def test_a_refused_pod_fails_with_its_cause_once_a_namespace() -> None:
    plan = (*PLAN, step("Job", "migration", "infisical"))
    of = there("infisical", Names().database, pods_refused={"infisical": QUOTA})
    [row] = admission.pods_of_jobs(Planned("dev", steps=plan), of, stack_settings())
    assert (row.level, row.subject) == (Level.FAIL, "pods of Jobs in infisical")
    assert f"would be refused: {QUOTA}" in row.seen


def test_a_namespace_that_is_not_there_yet_refuses_nothing() -> None:
    assert admitted(there())["pods of Jobs"].seen.startswith("not asked")
    assert admitted(there("infisical"))["pods of Jobs"].seen == "all 1 would be admitted"


def test_where_nothing_is_to_do_nobody_is_asked() -> None:
    """A preview leaves out what stays as it is."""
    assert admitted(there("infisical"), steps=())["pods of Jobs"].seen == "not asked: none would run"


def test_who_may_make_no_pods_is_not_told_a_failure() -> None:
    reason = 'User "ops" cannot create resource "pods" in API group "" in the namespace "infisical"'
    [row] = admitted(there("infisical", pods_refused={"infisical": reason})).values()
    assert row.level is Level.UNKNOWN


def test_a_preview_that_fails_is_told_by_its_reason() -> None:
    with pytest.raises(Unanswered, match="no passphrase"):
        admitted(there("infisical"), broken="`pulumi preview` on stack dev failed: no passphrase")
