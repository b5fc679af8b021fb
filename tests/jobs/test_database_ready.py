"""The Zalando cluster's status, on a real API server with the operator's CRD; the test plays the operator."""

from collections.abc import Callable
from typing import Any

import pytest
from database_cluster import CLUSTER, Database
from job_cluster import Cluster
from job_engines import eventually


@pytest.fixture
def database(cluster: Cluster, start_job: Callable[..., Any]) -> Database:
    return Database(cluster, start_job)


def test_running(database: Database) -> None:
    database.complete()
    gate = database.gate()
    gate.sees("status empty")
    database.status("Creating")
    gate.sees("status Creating")
    database.status("Running")
    outcome = gate.outcome()
    assert outcome.status == 0
    assert outcome.last_line == (
        f"database gate: ready: postgresql {database.namespace}/{CLUSTER} is Running, "
        "and its pods and the pooler's are the ones asked for"
    )
    assert database.passwords_read == [], "the operator has made the role with the password in the Secret"


def test_a_role_that_exists_gets_its_password_from_the_secret(database: Database) -> None:
    database.complete()
    database.status("Running")
    gate = database.gate()
    gate.sees("status Running, waiting for the operator to take up a changed declaration")
    assert database.passwords_read == ["platform-db-gate"]
    database.update()
    assert gate.outcome().status == 0


def test_another_change_is_over_before_the_password_is_read(database: Database) -> None:
    """Of two changes the operator would see the latter alone."""
    database.complete()
    database.status("Updating")
    gate = database.gate()
    gate.sees("status Updating")
    assert database.passwords_read == []
    database.status("Running")
    gate.sees("waiting for the operator")
    assert database.passwords_read == ["platform-db-gate"]
    database.update()
    assert gate.outcome().status == 0


def test_a_failed_update_is_no_obstacle(database: Database) -> None:
    database.complete()
    database.status("UpdateFailed")
    gate = database.gate()
    gate.sees("status UpdateFailed, waiting for the operator")
    database.update()
    assert gate.outcome().status == 0


def test_reading_killed_between_its_two_writes_is_completed(database: Database) -> None:
    database.complete()
    database.status("Running")
    database.cluster.call("PATCH", database.path, {"spec": {"users": {"infisical_user": ["login"]}}})
    gate = database.gate()
    gate.sees("waiting for the operator")
    assert database.passwords_read == ["platform-db-gate"]
    database.update()
    assert gate.outcome().status == 0


def test_no_operator_reads_the_password(database: Database) -> None:
    database.status("Running")
    outcome = database.gate(deadline=2).outcome()
    assert outcome.status == 1
    assert "status Running, waiting for the operator to take up a changed declaration" in outcome.last_line


def test_no_operator(database: Database) -> None:
    outcome = database.gate(patience=1).outcome()
    assert outcome.status == 1
    assert (
        f"{database.namespace}/{CLUSTER} has had no status for 1 s: no Zalando postgres-operator" in outcome.last_line
    )
    assert "watched_namespace" in outcome.last_line


def test_failed_earlier_attempt_is_retried_once(database: Database) -> None:
    database.complete()
    database.status("CreateFailed")
    gate = database.gate()
    gate.sees("status CreateFailed")
    assert database.retries == ["platform-db-gate"]
    database.status("Updating")
    gate.sees("status Updating")
    assert database.passwords_read == []
    database.status("Running")
    gate.sees("status Running, waiting for the operator")
    database.update()
    assert gate.outcome().status == 0


def test_retry_killed_between_its_two_writes_is_completed_before_the_password_is_read(database: Database) -> None:
    database.complete()
    database.cluster.call("PATCH", database.path, {"spec": {"databases": {"infisical": None}}})
    database.status("Running")
    gate = database.gate()
    gate.sees("waiting for the operator")
    assert database.retries == ["platform-db-gate"]
    assert database.passwords_read == []
    database.update()
    eventually(lambda: database.passwords_read, "the declaration of the role has changed")
    assert database.passwords_read == ["platform-db-gate"]
    database.update()
    assert gate.outcome().status == 0


def test_retry_which_no_operator_takes_up(database: Database) -> None:
    database.status("Invalid")
    outcome = database.gate(patience=2).outcome()
    assert outcome.status == 1
    assert "Invalid from an earlier attempt, and no operator took up the retry" in outcome.last_line


@pytest.mark.parametrize("before", ["", "Creating"])
def test_creation_fails_in_this_run(database: Database, before: str) -> None:
    if before:
        database.status(before)
    gate = database.gate()
    gate.sees(f"status {before or 'empty'}")
    database.warning("could not create master endpoint: object is being deleted")
    database.status("CreateFailed")
    outcome = gate.outcome()
    assert outcome.status == 1
    assert "status CreateFailed" in outcome.last_line
    assert (
        "last warning, of 2026-01-01T00:00:00Z: could not create master endpoint: object is being deleted"
        in outcome.last_line
    )
    assert database.retries == []


def test_failed_update_is_the_cause_at_the_deadline(database: Database) -> None:
    database.status("UpdateFailed")
    database.warning("could not sync statefulsets")
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    statuses = [{"name": "postgres", "ready": False, "restartCount": 0, "image": "", "imageID": ""}]
    database.pod("ready-0", {"conditions": [{"type": "Ready", "status": "True"}]})
    database.pod("stuck-0", {"containerStatuses": [{**statuses[0], "state": {"waiting": waiting}}]})
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    database.pod("stuck-1", {"conditions": [condition]})
    outcome = database.gate(deadline=0).outcome()
    assert outcome.status == 1
    assert outcome.last_line.startswith("database gate: FAILED after ")
    assert "status UpdateFailed" in outcome.last_line
    assert "pod stuck-0, container postgres: ImagePullBackOff (Back-off pulling image)" in outcome.last_line
    assert "pod stuck-1: Unschedulable (0/1 nodes)" in outcome.last_line
    assert "last warning, of 2026-01-01T00:00:00Z: could not sync statefulsets" in outcome.last_line
    assert "ready-0" not in outcome.output


def test_missing_resource(database: Database) -> None:
    database.cluster.call("DELETE", database.path)
    outcome = database.gate().outcome()
    assert outcome.status == 1
    assert outcome.last_line.endswith(f"postgresql {database.namespace}/{CLUSTER} does not exist")


def test_stopped_gate_says_what_it_saw(database: Database) -> None:
    database.status("Creating")
    gate = database.gate()
    gate.sees("status Creating")
    gate.process.terminate()
    outcome = gate.outcome()
    assert outcome.status == 1
    assert "stopped by SIGTERM; last seen: " in outcome.last_line
    assert "status Creating" in outcome.last_line
