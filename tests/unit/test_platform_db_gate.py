"""The gate of PlatformDb: what it asks, what it may, and when it runs again."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from components.platform_db import PlatformDb, PlatformDbArgs
from tests.unit.harness import everything, platform, run, settings_of
from tests.unit.test_platform_db import IDENTITY, NAMESPACE, container_of, database, unchanged


def test_the_gate_asks_the_operator_then_logs_in_through_pooler_and_primary() -> None:
    graph = platform()
    assert graph.waits("Job/platform-db-gate-login", for_="Job/platform-db-gate-operator")
    assert graph.free("Job/platform-db-gate-operator", of="Job/platform-db-gate-login")
    pod = graph["Job/platform-db-gate-login"]["spec", "template", "spec"]
    assert pod["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod
    environment = {v["name"]: v.get("value") for v in container_of(graph, "login")["env"]}
    assert environment["HOSTS"] == (f"platform-db-cluster-pooler.{NAMESPACE}.svc platform-db-cluster.{NAMESPACE}.svc")
    assert (environment["PGUSER"], environment["PGDATABASE"]) == ("infisical_user", "infisical")
    assert environment["MAJOR_VERSION"] == graph["postgresql/platform-db-cluster"]["spec", "postgresql", "version"]


def test_the_gate_trusts_what_cert_sync_publishes() -> None:
    """After a rotation the authority's Secret holds the new one, and the leaf's the one that the leaf is of."""
    graph = platform()
    files = {m["mountPath"]: m["name"] for m in container_of(graph, "login")["volumeMounts"]}
    volumes = {v["name"]: v for v in graph["Job/platform-db-gate-login"]["spec", "template", "spec", "volumes"]}
    authority, leaf = (volumes[files[folder]]["secret"] for folder in ("/authority", "/leaf"))
    only_certificates = [{"key": "ca.crt", "path": "ca.crt"}]  # their keys stay outside
    assert authority == {"secretName": "platform-db-ca", "items": only_certificates}
    assert leaf == {"secretName": "platform-db-tls", "items": only_certificates, "optional": True}
    environment = {v["name"]: v.get("value") for v in container_of(graph, "login")["env"]}
    assert environment["CA_FILES"] == "/authority/ca.crt /leaf/ca.crt"


def test_nobody_logs_in_to_a_database_that_the_operator_has_not_brought_up() -> None:
    failing = "Job/platform-db-gate-operator"
    graph = run(
        lambda options: PlatformDb("platform-db", PlatformDbArgs.of(settings_of(), IDENTITY), options), failing=failing
    )
    assert graph["postgresql/platform-db-cluster"]
    assert [str(r) for r in graph if r.kind == "Job"] == []


def test_each_step_gives_up_before_its_job_does() -> None:
    args = replace(PlatformDbArgs.of(settings_of(), IDENTITY), deadline_seconds=100)
    graph = run(lambda options: PlatformDb("platform-db", args, options))
    said = {v["name"]: v.get("value") for name in ("operator", "login") for v in container_of(graph, name)["env"]}
    assert json.loads(said["CONFIG"])["deadline_seconds"] == int(said["DEADLINE_SECONDS"]) == 100
    for name in ("operator", "login"):
        assert graph[f"Job/platform-db-gate-{name}"]["spec", "activeDeadlineSeconds"] == 160


@pytest.mark.parametrize(
    "change", [{"instances": 3}, {"pooler": {"instances": 3}}, {"cpuLimit": "3"}, {"memoryLimit": "3Gi"}]
)
def test_the_gate_runs_again_when_the_cluster_changes(change: dict[str, Any]) -> None:
    for job in ("Job/platform-db-gate-operator", "Job/platform-db-gate-login"):
        before, after = (g[job]["spec", "template", "metadata"] for g in (unchanged(), database(database=change)))
        assert before["annotations"] != after["annotations"]


def test_the_gate_compares_what_the_operator_has_made_with_the_custom_resource() -> None:
    graph = everything()
    spec = graph["postgresql/platform-db-cluster"]["spec"]
    told = {v["name"]: v.get("value") for v in container_of(graph, "operator")["env"]}
    asked = json.loads(told["CONFIG"])
    assert asked["version"] == spec["postgresql"]["version"]
    assert asked["size"] == {
        "instances": spec["numberOfInstances"],
        "cpu_limit": spec["resources"]["limits"]["cpu"],
        "memory_limit": spec["resources"]["limits"]["memory"],
        "storage": spec["volume"]["size"],
        "pooler_instances": spec["connectionPooler"]["numberOfInstances"],
    }


def test_the_gates_rights() -> None:
    spec = platform()["Job/platform-db-gate-operator"]["spec", "template", "spec"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("platform-db-gate-operator", True)
    assert platform()["Role/platform-db-gate-operator"]["rules"] == [
        {
            "apiGroups": ["acid.zalan.do"],
            "resources": ["postgresqls"],
            "verbs": ["get", "patch"],
            "resourceNames": ["platform-db-cluster"],
        },
        {
            "apiGroups": ["apps"],
            "resources": ["statefulsets"],
            "verbs": ["get"],
            "resourceNames": ["platform-db-cluster"],
        },
        {
            "apiGroups": ["apps"],
            "resources": ["deployments"],
            "verbs": ["get"],
            "resourceNames": ["platform-db-cluster-pooler"],
        },
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["list"]},
    ]
