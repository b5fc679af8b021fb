"""What needs a Secret as long as it is there, and what ends that."""

from __future__ import annotations

from typing import Any

import pytest

from operations.moving.holders import Holder, holders_of
from tests.tools.moving.objects import made_by, workload


def seen(*objects: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each.object, each.maker, each.end) for each in holders_of(objects) if each.secret == "old"]


def with_(found: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**found, **fields}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "ServiceAccount", "Ingress"])
def test_what_nothing_makes_can_be_pointed_elsewhere(kind: str) -> None:
    name = f"{kind.lower()}/x"
    assert seen(workload(kind, "x", "old")) == [(name, name, "switch")]
    assert seen(made_by(workload(kind, "x", "old"), "Thing", "t")) == [(name, "thing/t", "maker")]


@pytest.mark.parametrize("phase", ["Pending", "Running", "Unknown", "Succeeded", "Failed"])
def test_a_pod_holds_a_secret_until_it_has_ended(phase: str) -> None:
    pod = with_(workload("Pod", "p", "old"), status={"phase": phase})
    ended = phase in ("Succeeded", "Failed")
    assert seen(pod) == ([] if ended else [("pod/p", "pod/p", "anew")])
    assert seen(made_by(pod, "CloneSet", "c")) == ([] if ended else [("pod/p", "cloneset/c", "maker")])


def test_a_job_holds_a_secret_until_it_has_ended() -> None:
    job = workload("Job", "j", "old")
    done = with_(job, status={"conditions": [{"type": "Complete", "status": "True"}]})
    nightly = workload("CronJob", "nightly", "new")
    assert seen(job) == [("job/j", "job/j", "anew")]
    assert seen(nightly, made_by(job, "CronJob", "nightly")) == [("job/j", "cronjob/nightly", "finish")]
    assert seen(done) == seen(nightly, made_by(done, "CronJob", "nightly")) == []


def test_the_chain_of_owners_is_followed_to_its_end() -> None:
    pod = made_by(workload("Pod", "p", "old"), "ReplicaSet", "r")
    other = with_(workload("ReplicaSet", "r", "new"))
    assert seen(pod, made_by(other, "Rollout", "shop")) == [("pod/p", "rollout/shop", "maker")]
    revision = made_by(workload("Deployment", "d", "old"), "Revision", "v1")
    chain = [revision, made_by(other, "Deployment", "d"), pod]
    assert seen(*chain) == [("deployment/d", "revision/v1", "maker"), ("pod/p", "revision/v1", "maker")]
    assert seen(made_by(workload("Pod", "p", "old"), "Pod", "p")) == [("pod/p", "pod/p", "anew")]


def test_what_comes_from_a_workload_that_names_the_secret_goes_with_it() -> None:
    pod = made_by(workload("Pod", "p", "old"), "StatefulSet", "s")
    workload_ = workload("StatefulSet", "s", "old")
    assert seen(workload_, pod) == [("statefulset/s", "statefulset/s", "switch")]


@pytest.mark.parametrize(
    ("kind", "status", "end"),
    [
        ("Deployment", {"replicas": 2, "updatedReplicas": 1, "observedGeneration": 2}, "roll"),
        ("Deployment", {"replicas": 3, "updatedReplicas": 2, "observedGeneration": 2}, "roll"),
        ("Deployment", {"replicas": 2, "updatedReplicas": 2, "observedGeneration": 1}, "roll"),
        ("Deployment", {"replicas": 2, "updatedReplicas": 2, "observedGeneration": 2}, "restart"),
        ("StatefulSet", {"replicas": 2, "updatedReplicas": 1, "observedGeneration": 2}, "roll"),
        ("StatefulSet", {"replicas": 2, "updatedReplicas": 2, "observedGeneration": 2}, "restart"),
        (
            "DaemonSet",
            {"desiredNumberScheduled": 2, "updatedNumberScheduled": 1, "observedGeneration": 2},
            "roll",
        ),
        (
            "DaemonSet",
            {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "observedGeneration": 2},
            "restart",
        ),
    ],
)
def test_pods_of_a_switched_workload(kind: str, status: dict[str, int], end: str) -> None:
    made = workload(kind, "w", "new")
    made["metadata"]["generation"] = 2
    made = with_(made, status=status, spec={**made["spec"], "replicas": 2})
    pod = made_by(workload("Pod", "p", "old"), kind, "w")
    assert seen(made, pod) == [("pod/p", f"{kind.lower()}/w", end)]
    going = with_(pod, metadata={**pod["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"})
    assert seen(made, going) == [("pod/p", f"{kind.lower()}/w", "roll")]


@pytest.mark.parametrize(("replicas", "held"), [(0, False), (1, True)])
def test_a_replica_set_that_is_history_holds_nothing(replicas: int, held: bool) -> None:
    made = workload("ReplicaSet", "r", "old")
    made["spec"]["replicas"] = replicas
    deployment = workload("Deployment", "d", "new")
    assert bool(seen(deployment, made_by(made, "Deployment", "d"))) is held
    assert seen(made) == [("replicaset/r", "replicaset/r", "maker")]


def switched(kind: str, **spec: Any) -> dict[str, Any]:
    """A workload of three pods that has been switched, and that has one new pod as far as it counts."""
    made = workload(kind, "w", "new")
    counted = {"replicas": 3, "updatedReplicas": 1, "desiredNumberScheduled": 3, "updatedNumberScheduled": 1}
    return with_(made, status=counted, spec={**made["spec"], "replicas": 3, **spec})


def ends(made: dict[str, Any], *names: str) -> list[str]:
    pods = [made_by(workload("Pod", name, "old"), made["kind"], "w") for name in names]
    return [end for _, _, end in seen(made, *pods)]


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_pods_that_only_a_deletion_replaces(kind: str) -> None:
    strategy = {"type": "OnDelete", "rollingUpdate": {"partition": 2}}
    made = switched(kind, updateStrategy=strategy)
    assert ends(made, "w-0") == ["delete"]
    going = made_by(workload("Pod", "w-0", "old"), kind, "w")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert seen(made, going) == [("pod/w-0", f"{kind.lower()}/w", "roll")]


def test_pods_that_a_partition_keeps() -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    made = switched("StatefulSet", updateStrategy=strategy)
    assert ends(made, "w-0", "w-1", "w-2") == ["partition", "partition", "restart"]
    made["status"]["updatedReplicas"] = 0
    assert ends(made, "w-1", "w-2") == ["partition", "roll"]
    numbered = switched("StatefulSet", updateStrategy=strategy, ordinals={"start": 5})
    assert ends(numbered, "w-6", "w-7") == ["partition", "restart"]
    none = switched("StatefulSet", updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
    assert ends(none, "w-0") == ["roll"]


def test_pods_of_a_paused_deployment() -> None:
    made = switched("Deployment", paused=True)
    old = made_by(workload("ReplicaSet", "w-1", "old"), "Deployment", "w")
    old["spec"]["replicas"] = 2
    assert seen(made, old) == [("replicaset/w-1", "deployment/w", "paused")]
    assert seen(switched("Deployment", paused=False), old) == [("replicaset/w-1", "deployment/w", "roll")]


@pytest.mark.parametrize("end", ["delete", "partition", "paused", "restart", "annotation"])
def test_what_does_not_end_by_itself_is_not_waited_for(end: Any) -> None:
    assert not Holder(secret="s", object="pod/p", maker="deployment/d", end=end).passes
