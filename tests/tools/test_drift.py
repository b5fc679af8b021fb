"""`make drift` and `make heal`: what counts, whom it names, what it hides, and what putting back does."""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from operations.cluster import Object, Unanswered
from operations.drift import command, healing, report
from operations.drift.found import HIDDEN
from operations.drift.owned import HELM
from operations.errors import OperationError
from operations.field_managers import key_of
from tests.tools.drifting import (
    CONFIG,
    DATABASE,
    OURS,
    SECRET,
    SINCE,
    Api,
    changed,
    encrypted,
    found,
    kept,
    made,
    wrote,
)
from tests.tools.fake_stack import FakeStack
from tests.unit.harness import COMMANDS, ROOT


def test_a_field_has_its_writer_and_since_when() -> None:
    older = wrote("kubectl-client-side-apply", {"f:data": {"f:a": {}}}, "2026-11-25T09:00:00Z")
    newer = wrote("kubectl-edit", {"f:data": {".": {}, "f:a": {}}})
    other = wrote("helm", {"f:data": {"f:b": {}}}, "2026-11-26T10:00:00Z")
    live = changed(CONFIG, older, newer, other, data={"a": "7", "b": "2"})
    [drift] = found(Api(live=[live]), kept(CONFIG))
    assert (drift.field, drift.expected, drift.found) == ("data.a", "1", "7")
    assert drift.by
    assert (drift.by.manager, drift.by.since) == ("kubectl-edit", SINCE)
    lines = list(report.rows([drift]))
    assert lines[1].split() == ["ConfigMap", "infisical/site", "data.a", "1", "7", "kubectl-edit", SINCE]


def test_a_field_of_a_list_and_a_whole_list_have_their_writers() -> None:
    spec = {"template": {"spec": {"containers": [{"name": "a", "image": "x:1"}]}}}
    role = made("Role", "r", "rbac.authorization.k8s.io/v1", rules=[{"verbs": ["get"]}])
    deployment = made("Deployment", "d", "apps/v1", spec=spec)
    image = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"a"}': {".": {}, "f:image": {}}}}}}}
    other = {"template": {"spec": {"containers": [{"name": "a", "image": "x:2"}]}}}
    rules = changed(role, wrote("kubectl-patch", {"f:rules": {}}), rules=[{"verbs": ["*"]}])
    live = [changed(deployment, wrote("kubectl-set", image), spec=other), rules]
    drifts = found(Api(live=live), kept(deployment), kept(role))
    assert [(drift.field, report.who(drift)) for drift in drifts] == [
        ("spec.template.spec.containers[a].image", "kubectl-set"),
        ("rules[0].verbs[0]", "kubectl-patch"),
    ]


def test_a_field_that_somebody_removed_belongs_to_nobody() -> None:
    [drift] = found(Api(live=[changed(CONFIG, data={"a": "1"})]), kept(CONFIG))
    assert (drift.field, drift.found, report.who(drift)) == ("data.b", None, "nobody owns it now")


def test_what_controllers_write_is_no_drift_and_what_kubectl_scales_is() -> None:
    deployment = made("Deployment", "d", "apps/v1", spec={"replicas": 2})
    replicas = {"f:spec": {"f:replicas": {}}}
    for manager, count in (("kube-controller-manager", 0), ("admissionsenforcer", 0), ("kubectl", 1)):
        writer = {**wrote(manager, replicas, subresource="scale")}
        del writer["time"]  # as the API server leaves it out for scale
        live = changed(deployment, writer, spec={"replicas": 5})
        drifts = found(Api(live=[live]), kept(deployment))
        assert len(drifts) == count
    assert report.who(drifts[0]) == "kubectl through scale"


def test_an_object_that_is_gone_is_named() -> None:
    read = kept(made("IngressClass", "nginx", "networking.k8s.io/v1", namespace=""), external=True)
    patch = kept(made("Deployment", "other", "apps/v1"), kind="DeploymentPatch")
    [drift] = found(Api(), kept(CONFIG), read, patch, {"type": "random:x", "urn": "u", "inputs": {}})
    assert (drift.gone, report.named(drift.key)) == (True, "ConfigMap infisical/site")
    assert "nothing: it is gone" in list(report.rows([drift]))[1]


def test_a_kind_that_is_gone_takes_its_objects_along() -> None:
    cluster = Api(live=[changed(CONFIG)], unknown=key_of(DATABASE).kind)
    assert [drift.key.name for drift in found(cluster, kept(CONFIG), kept(DATABASE))] == ["db"]


@pytest.mark.parametrize(
    ("resource", "live"),
    [
        (
            kept(made("Secret", "s", data=encrypted({"password": base64.b64encode(SECRET.encode()).decode()}))),
            made("Secret", "s", data={"password": SECRET}),
        ),
        (
            kept(made("ConfigMap", "c", data={"uri": encrypted(SECRET)})),
            made("ConfigMap", "c", data={"uri": f"{SECRET}2"}),
        ),
        (
            kept(
                made(
                    "CronJob",
                    "j",
                    "batch/v1",
                    spec={"containers": [{"name": "a", "env": [{"name": "P", "value": ""}]}]},
                )
            ),
            made(
                "CronJob",
                "j",
                "batch/v1",
                spec={"containers": [{"name": "a", "env": [{"name": "P", "value": SECRET}]}]},
            ),
        ),
        (
            kept(made("Odd", "o", "example.org/v1", spec={"pods": [{"env": []}]})),
            made("Odd", "o", "example.org/v1", spec={"pods": [{"env": [{"name": "P", "value": SECRET}]}, {}]}),
        ),
    ],
)
def test_what_may_be_a_secret_is_not_said(resource: Any, live: Object) -> None:
    drifts = found(Api(live=[changed(live)]), resource)
    assert [(drift.expected, drift.found) for drift in drifts] == [(HIDDEN, HIDDEN)]
    said = "\n".join([*report.rows(drifts), report.document("prod", drifts), *healing.plan(drifts)])
    assert SECRET not in said
    assert base64.b64encode(SECRET.encode()).decode() not in said


CHART = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "infisical"},
    "spec": {"replicas": 2, "template": {"spec": {"grace": 30, "containers": [{"name": "a", "image": "x:1"}]}}},
}
RELEASE = {
    "type": "kubernetes:helm.sh/v3:Release",
    "urn": "u",
    "inputs": {"name": "infisical"},
    "outputs": {"name": "infisical", "namespace": "infisical"},
}


def recorded(status: str = "deployed") -> Object:
    packed = gzip.compress(json.dumps({"manifest": yaml.safe_dump(CHART)}).encode())
    data = base64.b64encode(base64.b64encode(packed)).decode()
    labels = {"owner": "helm", "name": "infisical", "status": status}
    return made("Secret", f"sh.helm.release.v1.infisical.{status}", metadata={"labels": labels}, data={"release": data})


def test_the_charts_objects_are_compared_with_helms_record_and_the_stacks_patch() -> None:
    patch = kept(
        made(
            "Deployment",
            "infisical",
            "apps/v1",
            spec={"template": {"spec": {"grace": 60, "containers": [{"name": "a"}]}}},
        ),
        kind="DeploymentPatch",
    )
    there = {"replicas": 2, "template": {"spec": {"grace": 60, "containers": [{"name": "a", "image": "x:1"}]}}}
    records = [recorded("superseded"), recorded()]
    live = changed(made("Deployment", "infisical", "apps/v1"), spec=there)
    assert found(Api(live=[*records, live]), RELEASE, patch) == []

    scaled = changed(made("Deployment", "infisical", "apps/v1"), spec={**there, "replicas": 0})
    cluster = Api(live=[*records, scaled])
    [drift] = found(cluster, RELEASE, patch)
    assert drift.field == "spec.replicas"
    assert healing.put_back(cluster, [drift]) == []
    [(manager, applied)] = cluster.applied
    assert manager == HELM
    assert applied["spec"]["template"]["spec"]["grace"] == 60, "the stack's patch of the chart's object stays"

    cluster = Api(live=records)
    gone = found(cluster, RELEASE, patch)
    assert [drift.gone for drift in gone] == [True]
    assert healing.put_back(cluster, gone) == [], "Pulumi doesn't see what a chart has made"
    assert len(cluster.applied) == 1


def test_healing_applies_each_object_once_under_the_stacks_own_manager() -> None:
    live = changed(CONFIG, wrote("kubectl-edit", {"f:data": {"f:a": {}, "f:b": {}}}), data={"a": "x", "b": "y"})
    cluster = Api(live=[live])
    secret = kept(made("Secret", "s", data=encrypted({"p": "eA=="})))
    drifts = found(cluster, kept(CONFIG), secret)
    assert [drift.field for drift in drifts] == ["data.a", "data.b", ""]
    assert list(healing.plan(drifts))[::2] == [
        "ConfigMap infisical/site: takes data.a from kubectl-edit, and puts back what the stack has applied",
        "Secret infisical/s is gone: `pulumi up --refresh` makes it again",
    ]
    assert [drift.key.name for drift in healing.put_back(cluster, drifts)] == ["s"]
    assert cluster.applied == [(OURS, CONFIG)]


def test_a_refusal_does_not_say_a_secret() -> None:
    secret = made("Secret", "s", data=encrypted({"p": "eA=="}))
    cluster = Api(live=[changed(made("Secret", "s", data={"p": "eQ=="}))], refuses=f"invalid: {SECRET}")
    with pytest.raises(OperationError, match="Secret infisical/s could not be put back; run") as refused:
        healing.put_back(cluster, found(cluster, kept(secret)))
    assert SECRET not in str(refused.value)


def test_what_would_lose_data_is_not_put_back() -> None:
    live = changed(DATABASE, spec={"users": {"app": []}, "volume": {"size": "4Gi"}})
    drifts = found(Api(live=[live]), kept(DATABASE))
    with pytest.raises(OperationError, match="nothing was changed") as refused:
        healing.refuse_loss(drifts, COMMANDS)
    assert "it is 4Gi, and the stack has 2Gi" in str(refused.value)
    assert "infisical-platform:database.storage' 4Gi" in str(refused.value)
    smaller = changed(DATABASE, spec={"users": {"app": []}, "volume": {"size": "1Gi"}})
    healing.refuse_loss(found(Api(live=[smaller]), kept(DATABASE)), COMMANDS)


@dataclass(frozen=True)
class Shown(FakeStack):
    """A stack that notes the `up` that somebody sees."""

    shown: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])

    def show(self, *arguments: str) -> None:
        self.shown.append(arguments)


def run(monkeypatch: pytest.MonkeyPatch, cluster: Api, *resources: Any, **flags: bool) -> tuple[int, Shown]:
    stack = Shown(state={"deployment": {"resources": list(resources)}})
    monkeypatch.setattr(command, "cluster_of", lambda _: cluster)
    act = command.run_heal if "yes" in flags else command.run_drift
    return act(stack, argparse.Namespace(**flags)), stack


def test_the_exit_status_tells(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, Api(live=[changed(CONFIG)]), kept(CONFIG), json=False)[0] == 0
    assert "has no drift" in capsys.readouterr().out
    other = Api(live=[changed(CONFIG, data={"a": "1", "b": "3"})])
    assert run(monkeypatch, other, kept(CONFIG), json=False)[0] == 2
    assert "make heal STACK=prod" in capsys.readouterr().out
    assert run(monkeypatch, other, kept(CONFIG), json=True)[0] == 2
    [entry] = json.loads(capsys.readouterr().out)["drift"]
    assert (entry["field"], entry["expected"], entry["found"], entry["gone"]) == ("data.b", "2", "3", False)

    class Silent(Api):
        def objects(self, kinds: Sequence[str], namespace: str = "") -> list[Object]:
            raise Unanswered("no route")

    with pytest.raises(OperationError, match="the cluster does not answer: no route"):
        run(monkeypatch, Silent(), kept(CONFIG), json=False)


def test_healing_asks_and_says_when_somebody_fights(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    live = changed(CONFIG, wrote("argocd-controller", {"f:data": {"f:b": {}}}), data={"a": "1", "b": "3"})
    with pytest.raises(OperationError, match="--yes does it without asking"):
        run(monkeypatch, Api(live=[live]), kept(CONFIG), yes=False)
    cluster = Api(live=[live])
    code, stack = run(monkeypatch, cluster, kept(CONFIG), yes=True)
    assert (code, stack.shown, len(cluster.applied)) == (2, [], 1)
    assert "something has changed it again: argocd-controller" in capsys.readouterr().out
    code, stack = run(monkeypatch, Api(), kept(CONFIG), yes=True)
    assert stack.shown == [("up", "--refresh", "--yes", "--skip-preview")]
    assert run(monkeypatch, Api(live=[changed(CONFIG)]), kept(CONFIG), yes=False)[0] == 0


def test_nothing_is_put_back_while_an_up_is_half_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state doesn't say yet what that `up` has changed, so healing would undo it."""
    cluster = Api(live=[changed(CONFIG, data={"a": "1", "b": "3"})])
    begun = {"type": "updating", "resource": {"urn": "urn:x::site", "type": "kubernetes:core/v1:ConfigMap"}}
    deployment = {"resources": [kept(CONFIG)], "pending_operations": [begun]}
    stack = Shown(state={"deployment": deployment})
    monkeypatch.setattr(command, "cluster_of", lambda _: cluster)
    with pytest.raises(OperationError, match="is changing site, or was killed") as refused:
        command.run_heal(stack, argparse.Namespace(yes=True))
    assert "`make repair STACK=prod`, then `pulumi up --stack prod`" in str(refused.value)
    assert cluster.applied == []
    assert command.run_drift(stack, argparse.Namespace(json=False)) == 2, "looking does no harm"


def test_a_wrong_command_line_is_not_taken_for_drift() -> None:
    done = subprocess.run([sys.executable, "-m", "operations", "drift"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 64
    assert "--stack" in done.stderr
