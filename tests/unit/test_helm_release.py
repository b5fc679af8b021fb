"""A switch of charts is a second release, and what is deployed keeps its name."""

from __future__ import annotations

from typing import Any

import pytest

import safeguards
from components.helm_release import Deployed, release_name
from settings import LocalChart
from tests.unit.harness import platform

OLD, NEW = {"backend": {}}, {"infisical": {}}
SECOND = "charts/infisical-standalone-1.10.0-0123456789ab.tgz"


class Left:
    """What the last update left, as the state has it."""

    def __init__(self, releases: dict[str, Any]) -> None:
        self.releases = releases

    def outputs(self, type_: str, name: str) -> dict[str, Any]:
        assert type_ == "kubernetes:helm.sh/v3:Release"
        return {"values": self.releases[name]} if name in self.releases else {}


@pytest.mark.parametrize(
    ("flavour", "left", "name"),
    [
        ("infisical", {}, "infisical"),
        ("infisical-standalone", {}, "infisical"),
        # What is deployed keeps its name, and Helm its release.
        ("infisical", {"infisical": OLD}, "infisical"),
        ("infisical-standalone", {"infisical": NEW}, "infisical"),
        # A switch makes a second one,
        ("infisical-standalone", {"infisical": OLD}, "infisical-standalone"),
        ("infisical", {"infisical": NEW}, "infisical-backend"),
        # which keeps its name too, whether the switch came to its end or not,
        ("infisical-standalone", {"infisical": OLD, "infisical-standalone": NEW}, "infisical-standalone"),
        ("infisical-standalone", {"infisical-standalone": NEW}, "infisical-standalone"),
        # and so does the way back.
        ("infisical", {"infisical": OLD, "infisical-standalone": NEW}, "infisical"),
        ("infisical", {"infisical-standalone": NEW}, "infisical-backend"),
        ("infisical-standalone", {"infisical-backend": OLD}, "infisical-standalone"),
    ],
)
def test_a_switch_of_charts_is_a_second_release(flavour: Any, left: dict[str, Any], name: str) -> None:
    deployed: Deployed = Left(left)
    assert release_name(flavour, deployed) == name


def test_the_whole_program_switches_by_the_state() -> None:
    """The first release is not declared any more: Pulumi deletes it last."""
    first = platform()["Release/infisical"]
    state = {first.urn: {"type": first.type, "outputs": {"values": OLD}}}
    graph = platform(state=state)
    assert [r.name for r in graph.of_type(first.type)] == ["infisical-standalone"]
    assert graph.waits("Job/ingress-moved", for_="ingress-route")
    assert graph.waits("ingress-route", for_="Job/infisical-gate")


def test_the_chart_is_looked_for_where_the_flavours_own_release_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another path of the same archive would be a changed input, and roll the pods."""
    asked: list[str] = []

    def local_copy(*arguments: Any) -> LocalChart:
        asked.append(arguments[-1])
        return LocalChart(location=SECOND, digest="sha256:0")

    monkeypatch.setattr(safeguards, "local_copy", local_copy)
    first = platform()["Release/infisical"]
    left = {"values": OLD, "chart": "charts/infisical-0.4.2.tgz"}
    second = {"values": NEW, "chart": SECOND}
    state = {first.urn: {"type": first.type, "outputs": left}}
    state |= {f"{first.urn}-standalone": {"type": first.type, "outputs": second}}

    release = platform(state=state, infisical={"replicas": 5})["Release/infisical-standalone"]

    assert asked == [SECOND]
    assert release["chart"] == SECOND
