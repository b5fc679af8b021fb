"""The secrets operator: scoped, with kinds that outlive its release, and its rights where it delivers alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.operator_chart import OperatorChart
from settings import ChartError, LocalChart
from tests.packed import packed
from tests.unit.harness import ROOT, Graph, platform, shape

CHART = ROOT / "embedded" / "charts" / "secrets-operator"
NAMESPACE = "infisical-secrets-operator"
_V1BETA1 = {"infisicalauths", "infisicalconnections", "infisicalstaticsecrets"}
_V1ALPHA1 = {"infisicalsecrets", "infisicalpushsecrets", "infisicaldynamicsecrets"}
KINDS = _V1BETA1 | _V1ALPHA1 | {"clustergenerators"}


@pytest.fixture(scope="module")
def graph() -> Graph:
    return shape("operator")


def test_a_stack_without_the_section_has_none_of_it() -> None:
    assert not [str(resource) for resource in platform() if "secrets-operator" in str(resource)]


def test_an_empty_section_turns_it_on() -> None:
    graph = platform(secretsOperator={"kind": "externalSecrets"})
    made = {str(resource) for resource in graph.made_by("secrets-operator")}
    assert made == {"Namespace/secrets-operator-namespace"}, "the cluster has its own operator"


def test_it_waits_for_infisical_and_holds_up_nothing(graph: Graph) -> None:
    assert graph.waits("Release/secrets-operator", for_="Job/infisical-gate")
    assert graph.free("ingress-route", of="secrets-operator")


def test_it_may_act_where_something_is_delivered_alone(graph: Graph) -> None:
    values = graph["Release/secrets-operator"]["values"]
    assert values["scopedNamespaces"] == [NAMESPACE]
    assert values["scopedRBAC"] is True, "without it, the chart doesn't tell the operator its namespaces"


def test_it_asks_the_server_within_the_cluster(graph: Graph) -> None:
    assert graph["Release/secrets-operator"]["values", "hostAPI"] == "http://infisical.infisical.svc:8080/api"


def test_it_serves_no_metrics_and_reports_to_nobody(graph: Graph) -> None:
    values = graph["Release/secrets-operator"]["values"]
    assert "--metrics-bind-address=0" in values["controllerManager"]["manager"]["args"]
    assert values["telemetry"] == {"serviceMonitor": {"enabled": False}}


def test_the_release_neither_makes_nor_deletes_the_kinds(graph: Graph) -> None:
    assert graph["Release/secrets-operator"]["values", "installCRDs"] is False
    kinds = [r for r in graph if r.kind == "CustomResourceDefinition"]
    assert {r["metadata", "name"].partition(".")[0] for r in kinds} == KINDS
    for kind in kinds:
        assert graph.waits("Release/secrets-operator", for_=str(kind))
        assert kind["spec", "group"] == "secrets.infisical.com"


def test_the_kinds_stay_where_data_is_protected() -> None:
    """Their end would be the end of every custom resource of the cluster, whoever made it."""
    for protect in (True, False):
        graph = platform(secretsOperator={"chart": {"path": str(CHART)}}, cluster={"protect": protect})
        kinds = [r for r in graph if r.kind == "CustomResourceDefinition"]
        assert {r.retain_on_delete for r in kinds} == {protect}


def test_the_gate_waits_for_the_deployment_that_the_chart_makes(graph: Graph) -> None:
    """The chart cuts its name to 15 characters."""
    assert graph["Release/secrets-operator"]["name"] == NAMESPACE
    [container] = graph["Job/secrets-operator-gate"]["spec", "template", "spec", "containers"]
    config = json.loads(next(each["value"] for each in container["env"] if each["name"] == "CONFIG"))
    assert config["deployment"] == "infisical-secre-controller-manager"
    assert graph.waits("Job/secrets-operator-gate", for_="Release/secrets-operator")


def test_an_archive_and_a_folder_have_the_same_kinds(tmp_path: Path) -> None:
    (tmp_path / "chart.tgz").write_bytes(packed(CHART))
    archive = OperatorChart.read(LocalChart(location="chart.tgz", digest="d"), tmp_path)
    folder = OperatorChart.read(LocalChart(location=str(CHART), digest="d"), tmp_path)
    assert archive.kinds == folder.kinds
    assert len(archive.kinds) == len(KINDS)


def test_a_chart_that_can_not_be_read_is_one_sentence(tmp_path: Path) -> None:
    def read(content: str) -> str:
        (tmp_path / "chart").mkdir(exist_ok=True)
        (tmp_path / "chart/a.yaml").write_text(content)
        with pytest.raises(ChartError) as raised:
            OperatorChart.read(LocalChart(location="chart", digest="d"), tmp_path)
        return str(raised.value)

    assert read("kind: Service") == "secretsOperator.chart: chart defines no custom resource"
    templated = "kind: CustomResourceDefinition\nmetadata: {name: {{ .Values.name }}}"
    assert read(templated).endswith("a.yaml of chart: its definition of a custom resource can't be read without Helm")
    (tmp_path / "broken.tgz").write_bytes(b"no archive")
    with pytest.raises(ChartError, match=r"broken\.tgz is not an archive of a chart$"):
        OperatorChart.read(LocalChart(location="broken.tgz", digest="d"), tmp_path)
