"""Infisical is stopped for a restore: none of its pods writes any more, and a stop that fails is taken back."""

from typing import Any

import infisical_stop
import pytest
from infisical_stop import Stopped, WorkloadsConfig
from job import Failed, Report
from kube import Object

NAMES = ("infisical", "infisical-backend")
NOTE = "infisical-platform/replicas"


class Cluster:
    """An API server with two Deployments, whose pods end as `after` says: status by the number of looks at it."""

    def __init__(self, *after: dict[str, int], grace: int | None = None) -> None:
        self.after = list(after)
        template = {"spec": {} if grace is None else {"terminationGracePeriodSeconds": grace}}
        self.found: dict[str, Object] = {
            name: {
                "metadata": {"name": name, "generation": 1, "annotations": {}},
                "spec": {"replicas": 2, "template": template},
            }
            for name in NAMES
        }

    def find(self, path: str) -> Object | None:
        return self.found.get(path.rpartition("/")[2])

    def get(self, path: str) -> Object:
        status = self.after.pop(0) if len(self.after) > 1 else self.after[0]
        return {**self.found[path.rpartition("/")[2]], "status": {"observedGeneration": 1, **status}}

    def merge_patch(self, path: str, change: Object, *, field_manager: str) -> Object:
        found = self.found[path.rpartition("/")[2]]
        found["spec"]["replicas"] = change["spec"]["replicas"]
        found["metadata"]["annotations"] |= change["metadata"]["annotations"]
        return found

    @property
    def replicas(self) -> list[Any]:
        return [found["spec"]["replicas"] for found in self.found.values()]


def stopped(cluster: Cluster) -> Stopped:
    return Stopped(WorkloadsConfig("infisical", NAMES), cluster, Report("test"))  # type: ignore[arg-type]


def test_what_cannot_be_stopped_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that is away keeps a pod for ever. Nothing was restored, so the site must not stay away."""
    monkeypatch.setattr(infisical_stop, "_STOP_SECONDS", 0)
    cluster = Cluster({"replicas": 0, "terminatingReplicas": 1}, grace=0)
    with pytest.raises(Failed, match="infisical still has 1 pods"), stopped(cluster):
        pytest.fail("a pod still runs")
    assert cluster.replicas == [2, 2]
    assert [found["metadata"]["annotations"][NOTE] for found in cluster.found.values()] == [None, None]


def test_a_kubernetes_that_counts_them_is_believed() -> None:
    cluster = Cluster({"terminatingReplicas": 2}, {"terminatingReplicas": 0}, grace=600)
    with stopped(cluster):
        assert cluster.replicas == [0, 0]
    assert cluster.replicas == [0, 0], "the release that follows starts it"


def test_an_older_kubernetes_does_not_count_the_pods_that_end() -> None:
    """They write until they have ended, into the data that are restored meanwhile."""
    cluster, report = Cluster({}, grace=1), Report("test")
    with Stopped(WorkloadsConfig("infisical", NAMES), cluster, report):  # type: ignore[arg-type]
        assert report.elapsed >= 1
