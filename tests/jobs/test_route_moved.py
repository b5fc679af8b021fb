"""After a switch of charts, the end of the old pods is held up until the route has moved for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from job_cluster import Cluster

OLD = "infisical-backend"


def test_nothing_is_left_behind(cluster: Cluster, run_job: Callable[..., Any]) -> None:
    outcome = run_job("route_moved.py", _config(cluster, settle_seconds=60), **cluster.environment)
    assert outcome.status == 0
    assert outcome.last_line == f"route-moved: the way in leads to infisical; there is no {OLD} to leave"


def test_the_old_pods_stay_while_a_controller_may_send_requests_to_them(
    cluster: Cluster, start_job: Callable[..., Any]
) -> None:
    config = _config(cluster, settle_seconds=3)
    _deploy(cluster, config["namespace"])
    job = start_job("route_moved.py", config, **cluster.environment)
    job.sees(f"the way in leads to infisical; {OLD} stays for 3 s")
    outcome = job.outcome()
    assert outcome.status == 0
    assert outcome.last_line == f"route-moved: the way in has led to infisical for 3 s: {OLD} can go"


def test_an_old_deployment_that_goes_by_itself_ends_the_wait(cluster: Cluster, start_job: Callable[..., Any]) -> None:
    config = _config(cluster, settle_seconds=600)
    deployments = _deploy(cluster, config["namespace"])
    job = start_job("route_moved.py", config, **cluster.environment)
    job.sees("stays for 600 s")
    cluster.call("DELETE", f"{deployments}/{OLD}")
    assert job.outcome().status == 0


def _config(cluster: Cluster, settle_seconds: float) -> dict[str, Any]:
    namespace = cluster.namespace("switch")
    cluster.grant(namespace, [("apps", "deployments", ["get"], [OLD])])
    return {"namespace": namespace, "leaves": OLD, "to": "infisical", "settle_seconds": settle_seconds}


def _deploy(cluster: Cluster, namespace: str) -> str:
    labels = {"app": OLD}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    cluster.create(deployments, {"metadata": {"name": OLD}, "spec": spec})
    return deployments
