"""An Infisical that is not the platform's is not adopted: its data is elsewhere, or Helm could not go on with it."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from components.base.names import DATABASE_CLUSTER, INFISICAL_SECRET
from operations.adoption import command
from operations.cluster import Object
from tests.tools.test_adoption import object_
from tests.tools.test_adoption_command import SETTINGS, Api, Previewed, adopt, api, release

CHART = {"app": "infisical-standalone", "component": "infisical"}
DEFAULT = "infisical-infisical-standalone-infisical"  # what the chart calls it in release `infisical`
MOVE_IN = 'docs/moving-in.md, "From a plain Helm installation"'
__all__ = ["api"]


def chart(name: str, of: str = "infisical", kind: str = "Deployment") -> Object:
    about = {"name": name, "namespace": "infisical", "labels": {**CHART, "release": of}}
    spec = {"selector": {"matchLabels": {**CHART, "release": of}}}
    return object_(kind, "apps/v1" if kind == "Deployment" else "v1", metadata=about, spec=spec)


def made(kind: str, api_version: str, name: str, namespace: str) -> Object:
    """A step of the preview that makes an object."""
    inputs = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": {}}
    return {"op": "create", "newState": {"type": f"kubernetes:{api_version}:{kind}", "inputs": inputs}}


DATABASE = made("postgresql", "acid.zalan.do/v1", DATABASE_CLUSTER, "platform-db-pg")
SECRET = made("Secret", "v1", INFISICAL_SECRET, "infisical")
STEPS = [release("infisical"), DATABASE, SECRET]


def live(step: Object) -> Object:
    inputs = step["newState"]["inputs"]
    return object_(inputs["kind"], inputs["apiVersion"], metadata=inputs["metadata"], spec={})


class Equal(Api):
    """A cluster in which every object is as the stack would make it."""

    def would_apply(self, manifest: Object) -> Object | str:
        return self.live[manifest["metadata"]["name"]]


@pytest.fixture
def equal(api: Api, monkeypatch: pytest.MonkeyPatch) -> Equal:
    cluster = Equal()
    monkeypatch.setattr(command, "Cluster", lambda *_: cluster)
    return cluster


def refusals(cluster: Api, capsys: pytest.CaptureFixture[str], *there: Object, **kept: Any) -> list[str]:
    cluster.live.update({each["metadata"]["name"]: each for each in there})
    before = {name: dict(each["metadata"]) for name, each in cluster.live.items()}
    status = adopt(Previewed(steps=STEPS, **kept), take=True)
    told = capsys.readouterr().out
    found = [line for line in told.splitlines() if line.startswith("REFUSED")]
    assert status == bool(found)
    assert not found or {name: each["metadata"] for name, each in cluster.live.items()} == before
    assert not found or "pods are replaced" not in told
    return found


@pytest.mark.parametrize("name", ["infisical", DEFAULT])
def test_an_infisical_with_a_database_of_its_own_is_not_taken(
    equal: Equal, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """`up` would cut it off from its PostgreSQL, and put an empty one beside."""
    [sentence] = refusals(equal, capsys, chart(name))
    assert f"Deployment {name} in infisical" in sentence
    assert MOVE_IN in sentence
    assert "delete" not in sentence


def test_its_keys_alone_are_reason_enough(equal: Equal, capsys: pytest.CaptureFixture[str]) -> None:
    first, *_ = refusals(equal, capsys, live(SECRET))
    assert "Secret infisical-secrets in infisical:" in first


@pytest.mark.parametrize("kind", ["Deployment", "Service"])
def test_the_platforms_own_is_taken_with_its_database(
    equal: Equal, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert refusals(equal, capsys, chart("infisical", kind=kind), live(DATABASE)) == []


@pytest.mark.parametrize("kind", ["Deployment", "Service"])
def test_what_the_chart_calls_otherwise_is_not_taken(
    equal: Equal, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """Helm would put a second one beside, with the same labels."""
    [sentence] = refusals(equal, capsys, chart(DEFAULT, kind=kind), live(DATABASE))
    assert f"{kind} infisical/{DEFAULT} is Infisical's, and the stack's is called infisical." in sentence
    assert f"`kubectl delete {kind.lower()} {DEFAULT} -n infisical`" in sentence


@pytest.mark.parametrize("selector", [{**CHART, "release": "secrets"}, {"app": "mine"}, None])
def test_a_deployment_that_selects_other_pods_is_not_taken(
    equal: Equal, capsys: pytest.CaptureFixture[str], selector: dict[str, str] | None
) -> None:
    """A selector can't be changed, and Helm would have changed the Service's by the time it finds out."""
    found = chart("infisical")
    found["spec"]["selector"] = {"matchLabels": selector} if selector else {"matchExpressions": []}
    [sentence] = refusals(equal, capsys, found, live(DATABASE))
    assert "by app=infisical-standalone,component=infisical,release=infisical. It holds no data: `kubectl" in sentence


@dataclass(frozen=True)
class Places(Equal):
    """A cluster in which an object is in its namespace, and `infisical` is somebody's platform."""

    changed: list[str] = field(default_factory=list[str])  # namespaces

    def objects(self, kinds: Sequence[str], namespace: str = "") -> list[Object]:
        return [each for each in super().objects(kinds) if each["metadata"].get("namespace", "") == namespace]

    def get(self, path: str) -> Object | None:
        there = [each for each in self.live.values() if path.endswith(f"/{each['metadata']['name']}")]
        return next((each for each in there if f"/{each['metadata'].get('namespace') or 'namespaces'}/" in path), None)

    def patch(self, kind: str, name: str, namespace: str, operations: Any) -> None:
        self.changed.append(namespace)
        super().patch(kind, name, namespace, operations)


BLUE = {**SETTINGS, "cluster": {"namePrefix": "blue"}}
THEIRS = [object_("Namespace", metadata={"name": "infisical", "namespace": ""}), live(SECRET)]


def prefixed(step: Object) -> Object:
    found = copy.deepcopy(step)
    about = found["newState"]["inputs"]["metadata"]
    about["namespace"] = f"blue-{about['namespace']}"
    return found


@pytest.mark.parametrize("taken", [True, False])
def test_a_stack_with_a_prefix_adopts_what_is_in_its_own_namespaces(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], taken: bool
) -> None:
    """What has the same names without a prefix is another platform's."""
    cluster = Places()
    monkeypatch.setattr(command, "Cluster", lambda *_: cluster)
    own = chart("infisical")
    own["metadata"]["namespace"] = "blue-infisical"
    cluster.live.update({"infisical": own, DATABASE_CLUSTER: live(prefixed(DATABASE))})
    cluster.live.update({"theirs": chart("infisical"), "their-database": live(DATABASE)})
    stack = Previewed(steps=[release("infisical"), prefixed(DATABASE)], kept=BLUE)
    assert adopt(stack, take=taken) == 0
    told = capsys.readouterr().out
    assert "Deployment blue-infisical/infisical" in told
    assert " infisical/infisical" not in told
    assert set(cluster.changed) == ({"blue-infisical", "blue-platform-db-pg"} if taken else set())


@pytest.mark.parametrize("owned", [True, False])
def test_a_stack_with_a_prefix_does_not_adopt_what_has_none(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], owned: bool
) -> None:
    """`up` would make an empty platform beside it. One of another stack is nobody's to adopt."""
    cluster = Places()
    monkeypatch.setattr(command, "Cluster", lambda *_: cluster)
    namespace, secret = copy.deepcopy(THEIRS)
    if owned:
        namespace["metadata"]["annotations"] = {"infisical-platform/stack-id": "theirs"}
    cluster.live.update({"namespace": namespace, INFISICAL_SECRET: secret})
    stack = Previewed(steps=[release("infisical"), prefixed(DATABASE), prefixed(SECRET)], kept=BLUE)
    assert adopt(stack, take=True) == (not owned)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("REFUSED")]
    assert bool(told) is not owned
    for sentence in told:
        assert sentence.startswith("REFUSED: cluster.namePrefix: an Infisical is in namespace infisical, this stack's")
        assert "pulumi config rm --stack prod --path 'infisical-platform:cluster.namePrefix'" in sentence
    assert cluster.changed == []


def test_an_infisical_of_the_other_chart_is_not_left_beside_the_stacks_own(
    equal: Equal, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its objects have other names and labels, so `--take` would leave them, and `up` start a second one."""
    found = chart("infisical-backend")
    found["metadata"]["labels"] = {"app": "infisical", "component": "backend"}
    [sentence] = refusals(equal, capsys, found, live(DATABASE))
    assert "infisical.chart.flavour: Deployment infisical/infisical-backend is of chart infisical," in sentence
    assert "'infisical-platform:infisical.chart.flavour' infisical && " in sentence


def test_the_plan_of_a_stack_that_has_its_release_asks_for_no_other(api: Api) -> None:
    api.live["infisical"] = chart("infisical", "secrets")
    nothing = argparse.Namespace(write=False, take=False, back=None)
    assert command.run(Previewed(steps=[]), nothing) == 0
