"""An image that can't be pulled: a rollout gives up after the second failure, not while the second pull lasts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from job_cluster import Cluster
from test_rollout import Application, container


@pytest.fixture
def application(cluster: Cluster, start_job: Callable[..., Any]) -> Application:
    return Application(cluster, start_job, "http://127.0.0.1:9/never-asked")


def failed_pulls(application: Application, pod: str, count: int) -> None:
    """What the kubelet's event says after so many."""
    events, name = f"/api/v1/namespaces/{application.namespace}/events", f"{pod}.pull"
    about = {"kind": "Pod", "namespace": application.namespace, "name": pod, "fieldPath": "spec.containers{infisical}"}
    event = {
        "metadata": {"name": name},
        "involvedObject": about,
        "reason": "Failed",
        "message": 'Failed to pull image "i": 503 Service Unavailable',
        "type": "Warning",
        "count": count,
    }
    if any(item["metadata"]["name"] == name for item in application.cluster.call("GET", events)["items"]):
        application.cluster.call("PATCH", f"{events}/{name}", {"count": count})
    else:
        application.cluster.create(events, event)


def test_an_image_that_could_not_be_pulled_once_may_still_come(application: Application) -> None:
    """The status tells that failure also while the next pull takes its time."""
    application.deploy()
    pod = application.pods()[0]
    failed_pulls(application, pod, 1)
    application.kubelet(pod, container({"waiting": {"reason": "ImagePullBackOff", "message": "back-off"}}))
    rollout = application.rollout(failure_grace_seconds=0)
    rollout.sees("ImagePullBackOff (back-off)")
    assert rollout.process.poll() is None
    failed_pulls(application, pod, 2)
    outcome = rollout.outcome()
    assert outcome.status == 1
    assert "ImagePullBackOff (back-off)" in outcome.last_line
