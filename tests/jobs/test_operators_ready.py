"""Operators are waited for, all of a chart's Deployments, and cert-manager's webhook with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from job_cluster import Cluster
from job_engines import eventually

NAMES = ["one", "two"]


@pytest.fixture
def config(cluster: Cluster) -> dict[str, Any]:
    namespace = cluster.namespace("operators")
    rules = [
        ("apps", "deployments", ["get"], NAMES),
        ("", "pods", ["list"], []),
        ("", "events", ["list"], []),
        ("cert-manager.io", "issuers", ["create"], []),
    ]
    cluster.grant(namespace, rules)
    return {"namespace": namespace, "deployments": NAMES, "deadline_seconds": 30}


def deploy(cluster: Cluster, namespace: str, name: str) -> None:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "manager", "image": "i"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    cluster.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", {"metadata": {"name": name}, "spec": spec})


def test_it_waits_for_each_deployment(cluster: Cluster, config: dict[str, Any], start_job: Callable[..., Any]) -> None:
    job = start_job("operators_ready.py", config, **cluster.environment)
    job.sees("one does not exist: the release has not made it, or names it otherwise")
    deploy(cluster, config["namespace"], "one")
    job.sees("two does not exist")
    deploy(cluster, config["namespace"], "two")
    outcome = job.outcome()
    assert outcome.status == 0
    assert outcome.last_line == "operators-ready: one, two run"


def test_a_webhook_that_is_not_there_holds_it_up(
    cluster: Cluster, config: dict[str, Any], run_job: Callable[..., Any]
) -> None:
    """This API server has no cert-manager, so what it says is not a refusal by one."""
    for name in NAMES:
        deploy(cluster, config["namespace"], name)
        path = f"/apis/apps/v1/namespaces/{config['namespace']}/deployments/{name}"
        eventually(lambda path=path: cluster.call("GET", path)["status"].get("observedGeneration"), f"{name} is seen")
    issuers = f"/apis/cert-manager.io/v1/namespaces/{config['namespace']}/issuers"
    asked = {**config, "webhook": issuers, "deadline_seconds": 0}
    outcome = run_job("operators_ready.py", asked, **cluster.environment)
    assert outcome.status == 1
    assert "cert-manager's webhook doesn't answer: API server answers 404" in outcome.last_line
