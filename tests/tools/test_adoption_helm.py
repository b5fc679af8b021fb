"""Helm's labels and records, as adopting leaves them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest

from operations.adoption import helm
from operations.adoption.owners import TRACKING
from operations.cluster import MANAGER, Cluster, Object
from tests.unit.harness import settings_of

RELEASE = "infisical"


def record(name: str, owner: str = "helm") -> Object:
    labels = {"owner": owner, "name": RELEASE, "version": "1"}
    metadata = {"name": name, "namespace": "infisical", "labels": labels, "resourceVersion": "7", "uid": "u"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "helm.sh/release.v1",
        "data": {"release": "x"},
        "metadata": metadata,
    }


class FakeCluster(Cluster):
    """A cluster with Secrets alone; an object's patches are applied to its metadata."""

    def __init__(self, *secrets: Object) -> None:
        super().__init__(None, None)
        object.__setattr__(self, "secrets", {each["metadata"]["name"]: each for each in secrets})

    secrets: dict[str, Object]

    def objects(self, kinds: Sequence[str], namespace: str = "") -> list[Object]:
        assert kinds == ["Secret.v1."]
        return list(self.secrets.values())

    def create(self, manifest: Object) -> None:
        metadata = {**manifest["metadata"], "managedFields": [{"manager": MANAGER, "operation": "Apply"}]}
        self.secrets[metadata["name"]] = {**manifest, "metadata": metadata}

    def delete(self, *selection: str) -> list[str]:
        wanted = dict(part.split("=") for part in selection[-1].split(",")) if "-l" in selection else {}
        for name, secret in list(self.secrets.items()):
            labelled = wanted and wanted.items() <= secret["metadata"]["labels"].items()
            if labelled or name == selection[1]:
                del self.secrets[name]
        return []

    def patch(self, kind: str, name: str, namespace: str, operations: Any) -> None:
        for operation in operations[1:]:
            self.secrets[name]["metadata"][operation["path"].rpartition("/")[2]] = operation["value"]


def test_a_record_steps_aside_and_comes_back_in_the_place_of_the_next_one() -> None:
    first = record("sh.helm.release.v1.infisical.v1")
    cluster = FakeCluster(copy.deepcopy(first), record("sh.helm.release.v1.other.v1") | {"data": {}})
    cluster.secrets["sh.helm.release.v1.other.v1"]["metadata"]["labels"]["name"] = "other"
    (found,) = helm.records(cluster, RELEASE, [], "infisical")
    helm.step_aside(cluster, [found])
    assert helm.records(cluster, RELEASE, [], "infisical") == []
    assert sorted(cluster.secrets) == ["before-adoption.sh.helm.release.v1.infisical.v1", "sh.helm.release.v1.other.v1"]

    of_pulumi = record("sh.helm.release.v1.infisical.v1") | {"data": {"release": "of pulumi"}}
    cluster.secrets["sh.helm.release.v1.infisical.v1"] = of_pulumi
    assert helm.come_back(cluster, "infisical") == 1
    (back,) = helm.records(cluster, RELEASE, [], "infisical")
    assert back["data"] == first["data"]
    assert back["metadata"]["labels"] == first["metadata"]["labels"]
    assert len(cluster.secrets) == 2
    assert helm.come_back(cluster, "infisical") == 0


@pytest.mark.parametrize("killed_at", range(12))
def test_a_record_that_is_back_is_not_taken_for_pulumis_after_a_kill(killed_at: int) -> None:
    """Without its newest record Helm has no deployed release any more, and refuses every upgrade."""
    names = [f"sh.helm.release.v1.infisical.v{number}" for number in (1, 10, 2)]
    cluster, left = FakeCluster(*map(record, names)), killed_at

    def step(act: Any) -> Any:
        def counted(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left == -1:
                raise KeyboardInterrupt
            return act(*arguments)

        return counted

    helm.step_aside(cluster, helm.records(cluster, RELEASE, [], "infisical"))
    cluster.secrets[names[0]] = record(names[0]) | {"data": {"release": "of pulumi"}}
    object.__setattr__(cluster, "create", step(cluster.create))
    object.__setattr__(cluster, "delete", step(cluster.delete))
    for _ in range(2):
        try:
            helm.come_back(cluster, "infisical")
        except KeyboardInterrupt:
            assert killed_at < 7
    assert sorted(cluster.secrets) == sorted(names)
    assert {each["data"]["release"] for each in cluster.secrets.values()} == {"x"}


def test_the_records_of_the_release_that_has_the_charts_objects_step_aside_whatever_its_name() -> None:
    """Or `helm uninstall` of it would delete what the stack has taken over."""
    theirs = record("sh.helm.release.v1.secrets.v1")
    theirs["metadata"]["labels"]["name"] = "secrets"
    made = record("infisical")
    made["metadata"]["annotations"] = {"meta.helm.sh/release-name": "secrets"}
    assert helm.records(FakeCluster(theirs), RELEASE, [made], "infisical") == [theirs]


def test_what_argocd_tracks_beside_the_chart_is_not_the_charts() -> None:
    """A tracking annotation has the namespace in it, which is called as the chart is."""

    class Namespace(FakeCluster):
        def objects(self, kinds: Sequence[str], namespace: str = "") -> list[Object]:
            return list(self.secrets.values()) if kinds == ["ServiceAccount.v1."] else []

    found = [record("extract-certificate"), record("infisical-backend"), record("other")]
    for each in found:
        each["metadata"]["annotations"] = {TRACKING: f"platform:/A:infisical/{each['metadata']['name']}"}
    found[2]["metadata"]["labels"]["app"] = "infisical"
    chart = {"flavour": "infisical", "version": "0.4.2", "path": "embedded/charts/infisical"}
    of_chart = helm.chart_objects(Namespace(*found), settings_of(infisical={"chart": chart}))
    assert [each["metadata"]["name"] for each in of_chart] == ["infisical-backend", "other"]


def test_an_object_gets_helms_labels_once() -> None:
    live = record("a")
    cluster = FakeCluster(live)
    assert helm.mark(cluster, live, RELEASE)
    metadata = cluster.secrets["a"]["metadata"]
    assert metadata["annotations"] == {
        "meta.helm.sh/release-name": "infisical",
        "meta.helm.sh/release-namespace": "infisical",
    }
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    assert metadata["labels"]["name"] == RELEASE, "its own stay"
    assert not helm.mark(cluster, cluster.secrets["a"], RELEASE)
