"""A cluster that the operator calls Running is ready when its pods are the ones asked for; what keeps them is named."""

from collections.abc import Callable
from typing import Any

import pytest
from database_cluster import CLUSTER, Database
from job_cluster import Cluster


@pytest.fixture
def database(cluster: Cluster, start_job: Callable[..., Any]) -> Database:
    return Database(cluster, start_job)


def is_held_up(database: Database, cause: str) -> None:
    """Assert that a cluster which the operator calls Running is waited for, and why."""
    database.status("Creating")
    gate = database.gate()
    gate.sees("status Creating")
    database.status("Running")
    gate.sees(cause)
    gate.process.terminate()
    outcome = gate.outcome()
    assert outcome.status == 1
    assert cause in f"{outcome.last_line}\n"


def test_running_without_a_statefulset(database: Database) -> None:
    is_held_up(database, f"StatefulSet {database.namespace}/{CLUSTER}: the operator has not made it yet")


def test_the_operator_makes_fewer_than_asked_for(database: Database) -> None:
    database.complete()
    database.cluster.call("PATCH", database.statefulset, {"spec": {"replicas": 1}})
    is_held_up(database, "has 1 replicas, wanted 2: are they outside of the operator's min_instances")


def test_the_limits_are_those_of_before(database: Database) -> None:
    database.make(limits={"cpu": "2", "memory": "1Gi"})
    is_held_up(database, f"/{CLUSTER} has memory limit 1Gi, wanted 2Gi")


def test_the_operator_raises_limits_below_its_minimum(database: Database) -> None:
    database.make(limits={"cpu": "2500m", "memory": "3Gi"})
    is_held_up(database, f"pooler {database.namespace}/{CLUSTER}-pooler: the operator has not made it yet")


def test_a_pod_is_still_the_one_of_before(database: Database) -> None:
    database.make(of_before=1)
    is_held_up(database, f"StatefulSet {database.namespace}/{CLUSTER}: pod {CLUSTER}-0 is still the one of before")


def test_a_pod_of_before_that_never_started(database: Database) -> None:
    """Limits that no node has are set back: the operator asks every pod, and one that is Pending never answers."""
    database.make(of_before=2)
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    database.say(1, {"phase": "Pending", "conditions": [condition, {"type": "Ready", "status": "False"}]})
    remedy = f"kubectl delete pod -n {database.namespace} {CLUSTER}-1"
    is_held_up(
        database,
        f"pod {CLUSTER}-0 is still the one of before; pod {CLUSTER}-1: Unschedulable (0/1 nodes); "
        f"the operator recreates nothing while one of its pods does not answer: {remedy}\n",
    )


def test_a_pod_of_before_that_runs_is_not_to_be_deleted(database: Database) -> None:
    database.make(of_before=1)
    database.say(0, {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]})
    is_held_up(database, f"pod {CLUSTER}-0 is still the one of before; pod {CLUSTER}-0: Running\n")


def test_a_pod_that_lacks_the_credentials_of_its_registry(database: Database) -> None:
    """Its ServiceAccount has them since, and a pod takes them when it is made."""
    database.complete()
    waiting = {"waiting": {"reason": "ImagePullBackOff"}}
    status = {"name": "postgres", "ready": False, "restartCount": 0, "image": "", "imageID": "", "state": waiting}
    conditions = [{"type": "Ready", "status": "False"}]
    database.say(1, {"phase": "Pending", "conditions": conditions, "containerStatuses": [status]})
    database.cluster.rolled_out(database.namespace, CLUSTER, readyReplicas=1)
    remedy = f"kubectl delete pod -n {database.namespace} {CLUSTER}-1"
    is_held_up(
        database,
        "ImagePullBackOff; a pod keeps the pull Secrets that it was made with. If registryCredentials came later: "
        f"{remedy}\n",
    )


def test_a_pod_that_the_operator_has_yet_to_make_anew(database: Database) -> None:
    database.complete()
    annotation = {"zalando-postgres-operator-rolling-update-required": "true"}
    pod = f"/api/v1/namespaces/{database.namespace}/pods/{CLUSTER}-1"
    database.cluster.call("PATCH", pod, {"metadata": {"annotations": annotation}})
    is_held_up(database, f"pod {CLUSTER}-1 is still the one of before")


def test_a_replica_that_is_not_admitted_is_named(database: Database) -> None:
    """The operator says Running, and only an event of the StatefulSet tells."""
    database.complete()
    database.cluster.call("DELETE", f"/api/v1/namespaces/{database.namespace}/pods/{CLUSTER}-1?gracePeriodSeconds=0")
    database.cluster.rolled_out(database.namespace, CLUSTER, readyReplicas=1, replicas=1, updatedReplicas=1)
    uid = database.cluster.call("GET", database.statefulset)["metadata"]["uid"]
    reference = {"kind": "StatefulSet", "name": CLUSTER, "namespace": database.namespace, "uid": uid}
    database.cluster.event(database.namespace, reference, "exceeded quota: one", "FailedCreate")
    is_held_up(database, "2 wanted, 1 there, 1 ready; FailedCreate: exceeded quota: one\n")


def test_a_pooler_that_is_pending_is_named(database: Database) -> None:
    database.make()
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    pod = database.pooler({"conditions": [condition], "phase": "Pending"})
    cause = f"1 wanted, 1 there, 1 of the newest revision, 0 ready; pod {pod}: Unschedulable (0/1 nodes)"
    is_held_up(database, cause)


def test_volumes_that_have_not_grown(database: Database) -> None:
    """The operator drops the API server's refusal, says Running, and its next Sync stops there."""
    database.complete()
    database.claim(0, "10Gi")
    claim = database.claim(1, "8Gi")
    database.status("Creating")
    gate = database.gate(patience=2)
    gate.sees("status Creating")
    database.status("Running")
    outcome = gate.outcome()
    assert outcome.status == 1
    assert f"PersistentVolumeClaim {database.namespace}/{claim} has 8Gi, wanted 10Gi: " in outcome.last_line
    assert "allowVolumeExpansion" in outcome.last_line
    change = '{"spec": {"resources": {"requests": {"storage": "10Gi"}}}}'
    assert f"kubectl patch pvc -n {database.namespace} {claim} --type merge -p '{change}'" in outcome.last_line


def test_volumes_that_count_as_grown(database: Database) -> None:
    """The operator compares whole GiB. A claim of a server that is no more stays as it was."""
    database.complete()
    database.claim(0, "10Gi")
    database.claim(1, "12Gi")
    database.claim(2, "1Gi")
    database.status("Creating")
    gate = database.gate(patience=2)
    gate.sees("status Creating")
    database.status("Running")
    assert gate.outcome().status == 0


def test_an_upgrade_that_failed(database: Database) -> None:
    """The operator tries it no more, and says Running."""
    database.complete()
    database.annotate("2026-01-01T00:00:00Z")
    database.warning("upgrade from 150000 to 170000 FAILED: replica is not streaming")
    database.status("Running")
    gate = database.gate()
    gate.sees("waiting for the operator")
    database.status("UpdateFailed")
    outcome = gate.outcome()
    assert outcome.status == 1
    assert "the upgrade to PostgreSQL 17 failed at 2026-01-01T00:00:00Z" in outcome.last_line
    assert (
        "last warning, of 2026-01-01T00:00:00Z: upgrade from 150000 to 170000 FAILED: replica is not streaming"
        in outcome.last_line
    )
    assert f"annotate postgresql {CLUSTER} last-major-upgrade-failure-" in outcome.last_line


def test_an_upgrade_that_failed_earlier(database: Database) -> None:
    """The annotation of before is no cause until the operator has looked at what is asked for now."""
    database.complete()
    database.annotate("2026-01-01T00:00:00Z")
    database.status("UpdateFailed")
    gate = database.gate()
    gate.sees("waiting for the operator")
    database.annotate(None)
    database.update()
    assert gate.outcome().status == 0
