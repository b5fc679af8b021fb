"""The secrets operator is waited for, and what holds it up is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from job_cluster import Cluster

NAME = "infisical-secre-controller-manager"


@pytest.fixture
def config(cluster: Cluster) -> dict[str, Any]:
    namespace = cluster.namespace("operator")
    rules = [("apps", "deployments", ["get"], [NAME]), ("", "pods", ["list"], []), ("", "events", ["list"], [])]
    cluster.grant(namespace, rules)
    return {"namespace": namespace, "deployment": NAME, "deadline_seconds": 30}


def deploy(cluster: Cluster, namespace: str, replicas: int) -> None:
    labels = {"app": NAME}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "manager", "image": "i"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    cluster.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", {"metadata": {"name": NAME}, "spec": spec})


def test_it_waits_until_the_pods_run(cluster: Cluster, config: dict[str, Any], start_job: Callable[..., Any]) -> None:
    job = start_job("operator_ready.py", config, **cluster.environment)
    job.sees(f"{NAME} does not exist: the release has not made it, or names it otherwise")
    deploy(cluster, config["namespace"], 0)
    outcome = job.outcome()
    assert outcome.status == 0
    assert outcome.last_line == f"operator-ready: deployment {config['namespace']}/{NAME} runs"


def test_what_holds_it_up_is_the_last_line(
    cluster: Cluster, config: dict[str, Any], run_job: Callable[..., Any]
) -> None:
    deploy(cluster, config["namespace"], 1)
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    cluster.create(f"/api/v1/namespaces/{config['namespace']}/resourcequotas", quota)
    outcome = run_job("operator_ready.py", {**config, "deadline_seconds": 5}, **cluster.environment)
    assert outcome.status == 1
    assert f"deployment {config['namespace']}/{NAME}: 1 wanted" in outcome.last_line
