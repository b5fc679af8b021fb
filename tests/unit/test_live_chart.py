"""An Infisical of the other chart is not joined by a second one; a switch of charts is what the state knows of."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from components.infisical_pods import labels
from safeguards import LastState, Refusal
from safeguards.cluster import LiveCluster
from safeguards.live_chart import refuse_second_infisical
from settings.cluster import ClusterSettings
from settings.infisical import Flavour
from tests.unit.harness import COMMANDS, platform, settings_of

OLD: Any = {"flavour": "infisical", "version": "0.4.2", "path": "embedded/charts/infisical"}
NEW: Any = {"flavour": "infisical-standalone", "version": "1.10.0", "path": "embedded/charts/infisical-standalone"}
VALUES = {"infisical": {"backend": {}}, "infisical-standalone": {"infisical": {}}}
SWITCHES = [(OLD, "infisical-standalone", "mine-infisical-standalone-infisical"), (NEW, "infisical", "mine-backend")]


def refused(
    monkeypatch: pytest.MonkeyPatch, chart: Any, there: list[tuple[Flavour, dict[str, Any]]], **releases: Any
) -> str:
    """Return why `up` does not begin beside Deployments of these charts, given the values of the stack's releases."""
    state: Any = {
        f"urn:pulumi:dev::p::t::{name}": {"type": "kubernetes:helm.sh/v3:Release", "outputs": {"values": values}}
        for name, values in releases.items()
    }

    def selected(_: LiveCluster, namespace: str, by: Any) -> list[Any]:
        assert namespace == "infisical"
        return [{"metadata": {"namespace": namespace, **metadata}} for of, metadata in there if labels(of) == by]

    monkeypatch.setattr(LiveCluster, "deployments", selected)
    stack = settings_of("minimal", infisical={"chart": chart})
    try:
        refuse_second_infisical(stack, LastState(state), LiveCluster(ClusterSettings(context="c")), COMMANDS)
    except Refusal as refusal:
        return str(refusal)
    return ""


@pytest.mark.parametrize(("chart", "other", "name"), SWITCHES)
def test_a_second_infisical_is_not_put_beside_one_of_the_other_chart(
    monkeypatch: pytest.MonkeyPatch, chart: Any, other: Flavour, name: str
) -> None:
    said = refused(monkeypatch, chart, [(other, {"name": name})])
    assert said.startswith(f"infisical.chart.flavour: Deployment infisical/{name} is of chart {other}, and not of this")
    assert f"--path 'infisical-platform:infisical.chart.flavour' {other} && " in said
    assert "make adopt STACK=dev" in said
    assert f"kubectl delete deployment {name} -n infisical`" in said


@pytest.mark.parametrize(("chart", "other", "name"), SWITCHES)
def test_the_commands_name_a_version_that_the_chart_has(chart: Any, other: Flavour, name: str) -> None:
    version = {"infisical": OLD, "infisical-standalone": NEW}[other]["version"]
    with pytest.MonkeyPatch.context() as patch:
        said = refused(patch, chart, [(other, {"name": name})])
    assert f"--path 'infisical-platform:infisical.chart.version' {version}, then" in said


@pytest.mark.parametrize(("chart", "other", "name"), SWITCHES)
def test_a_switch_of_charts_begins_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, chart: Any, other: Flavour, name: str
) -> None:
    """The release of before is in the state until it is gone, be it the stack's first or a later one."""
    later = {"infisical": "infisical-backend", "infisical-standalone": "infisical-standalone"}
    there: list[tuple[Flavour, dict[str, Any]]] = [(other, {"name": name}), (chart["flavour"], {"name": "own"})]
    for release in ("infisical", later[other]):
        assert refused(monkeypatch, chart, there, **{release: VALUES[other]}) == ""
    own = VALUES[chart["flavour"]]
    assert refused(monkeypatch, chart, there, infisical=VALUES[other], **{later[chart["flavour"]]: own}) == ""
    assert refused(monkeypatch, chart, there, infisical=own) != "", "the state has nothing of it"


def test_what_is_its_own_or_going_is_no_second(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(monkeypatch, NEW, [("infisical-standalone", {"name": "infisical"})]) == ""
    going = {"name": "infisical-backend", "deletionTimestamp": "2026-11-28T07:00:00Z"}
    assert refused(monkeypatch, NEW, [("infisical", going)]) == ""


@pytest.mark.parametrize("safeguard", ["refuse_second_infisical", "refuse_live_redis_change"])
def test_nothing_is_begun_without_being_asked(monkeypatch: pytest.MonkeyPatch, safeguard: str) -> None:
    def asked(*_: object) -> None:
        raise Refusal("asked")

    monkeypatch.setattr(f"safeguards.{safeguard}", asked)
    with pytest.raises(pulumi.RunError, match="asked"):
        platform(namespaces={"infisical": {"asked": safeguard}})
