"""Helm's labels and records, as adopting leaves them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from operations.adoption import helm
from operations.cluster import Cluster, Object
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
        self.secrets[manifest["metadata"]["name"]] = manifest

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
    (found,) = helm.records(cluster, [RELEASE], "infisical")
    helm.step_aside(cluster, [found])
    assert helm.records(cluster, [RELEASE], "infisical") == []
    assert sorted(cluster.secrets) == ["before-adoption.sh.helm.release.v1.infisical.v1", "sh.helm.release.v1.other.v1"]

    cluster.create(record("sh.helm.release.v1.infisical.v1") | {"data": {"release": "of pulumi"}})
    assert helm.come_back(cluster, "infisical") == 1
    (back,) = helm.records(cluster, [RELEASE], "infisical")
    assert back["data"] == first["data"]
    assert back["metadata"]["labels"] == first["metadata"]["labels"]
    assert len(cluster.secrets) == 2
    assert helm.come_back(cluster, "infisical") == 0


def test_what_argocd_tracks_beside_the_chart_is_not_the_charts() -> None:
    """A tracking annotation has the namespace in it, which is called as the chart is."""

    class Namespace(FakeCluster):
        def objects(self, kinds: Sequence[str], namespace: str = "") -> list[Object]:
            return list(self.secrets.values()) if kinds == ["ServiceAccount.v1."] else []

    found = [record("extract-certificate"), record("infisical-backend"), record("other")]
    for each in found:
        each["metadata"]["annotations"] = {helm.TRACKING: f"platform:/A:infisical/{each['metadata']['name']}"}
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
