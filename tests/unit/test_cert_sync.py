"""CertSync: is shown the certificates of two Secrets, writes one key of a third, and may do nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from components.base.references import Endpoint, SecretRef
from components.cert_sync import CertSync, CertSyncArgs
from tests.unit.harness import SHAPES, Graph, everything, platform, run, settings_of, shape

DATABASE, INFISICAL = "platform-db-pg", "infisical"
SERVICES = ["platform-db-cluster", "platform-db-cluster-repl", "platform-db-cluster-pooler"]


@dataclass(frozen=True)
class Database:
    """What CertSync needs of one."""

    authority = SecretRef(namespace=DATABASE, name="ca")
    leaf = SecretRef(namespace=DATABASE, name="tls")
    primary = Endpoint(host="db", role="primary")
    replicas = Endpoint(host="db-repl", role="replica")
    pooler = Endpoint(host="pooler", role="pooler")


@dataclass(frozen=True)
class Secrets:
    """What CertSync needs of them."""

    uid: str
    ref = SecretRef(namespace=INFISICAL, name="infisical-secrets")


def made_for(target_uid: str) -> Graph:
    database: Any = Database()
    secrets: Any = Secrets(target_uid)
    args = CertSyncArgs.of(settings_of(), database, secrets)
    assert args
    return run(lambda options: CertSync("cert-sync", args, options))


def config(graph: Graph) -> dict[str, Any]:
    [container] = graph["Job/cert-sync"]["spec", "template", "spec", "containers"]
    [variable] = container["env"]
    assert variable["name"] == "CONFIG"
    return json.loads(variable["value"])


def test_what_it_creates() -> None:
    assert {str(r): r["metadata", "namespace"] for r in platform().made_by("cert-sync")} == {
        "ConfigMap/cert-sync-scripts": DATABASE,
        "ServiceAccount/cert-sync": DATABASE,
        "Role/cert-sync-target": INFISICAL,
        "RoleBinding/cert-sync-target": INFISICAL,
        "Role/cert-sync-source": DATABASE,
        "RoleBinding/cert-sync-source": DATABASE,
        "Job/cert-sync": DATABASE,
        "CronJob/cert-sync-schedule": DATABASE,
    }


def test_its_rights_are_on_named_objects_alone() -> None:
    rules = [rule for role in ("target", "source") for rule in platform()[f"Role/cert-sync-{role}"]["rules"]]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "patch"}
    assert all(rule["resourceNames"] for rule in rules)
    assert platform()["Role/cert-sync-target"]["rules"] == [
        _rule("", "secrets", ["get", "patch"], ["infisical-secrets"]),
        _rule("apps", "deployments", ["get", "patch"], ["infisical"]),
    ]
    assert platform()["Role/cert-sync-source"]["rules"] == [
        _rule("", "endpoints", ["get"], SERVICES),
        _rule("acid.zalan.do", "postgresqls", ["get", "patch"], ["platform-db-cluster"]),
    ]


def test_its_rights_follow_the_charts_deployment() -> None:
    [_, deployment] = everything()["Role/cert-sync-target"]["rules"]
    assert deployment["resourceNames"] == ["infisical-backend"]
    assert config(everything())["deployment"] == {"namespace": INFISICAL, "name": "infisical-backend"}


def test_both_roles_are_bound_to_its_account() -> None:
    for half, namespace in (("target", INFISICAL), ("source", DATABASE)):
        binding = platform()[f"RoleBinding/cert-sync-{half}"]
        assert binding["metadata", "namespace"] == namespace
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "cert-sync", "namespace": DATABASE}]
        assert binding["roleRef", "name"] == f"cert-sync-{half}"
    assert platform()["Job/cert-sync"]["spec", "template", "spec", "serviceAccountName"] == "cert-sync"


@pytest.mark.parametrize("name", SHAPES)
def test_a_private_key_is_out_of_its_reach(name: str) -> None:
    """No right to read the Secrets of authority and leaf, and of each only the certificates are shown."""
    graph = shape(name)
    assert [rule for rule in graph["Role/cert-sync-source"]["rules"] if rule["resources"] == ["secrets"]] == []
    pod = graph["Job/cert-sync"]["spec", "template", "spec"]
    assert {
        volume["secret"]["secretName"]: _keys(volume["secret"]) for volume in pod["volumes"] if "secret" in volume
    } == {
        "platform-db-ca": ["ca.crt"],
        "platform-db-tls": ["ca.crt", "tls.crt"],
    }
    assert "envFrom" not in pod["containers"][0]


def test_it_says_itself_which_secret_is_missing() -> None:
    """A volume that is not optional would hold the pod back until its deadline, without a word."""
    pod = platform()["Job/cert-sync"]["spec", "template", "spec"]
    assert [volume["secret"]["optional"] for volume in pod["volumes"] if "secret" in volume] == [True, True]


def test_what_it_publishes_where_and_what_it_checks_before() -> None:
    said = config(platform())
    [container] = platform()["Job/cert-sync"]["spec", "template", "spec", "containers"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {v["name"]: v for v in platform()["Job/cert-sync"]["spec", "template", "spec", "volumes"]}
    for which, secret in (("authority", "platform-db-ca"), ("leaf", "platform-db-tls")):
        assert said[which]["secret"] == secret
        assert volumes[mounts[said[which]["folder"]]]["secret"]["secretName"] == secret
    assert said["target"] == {"namespace": INFISICAL, "name": "infisical-secrets", "key": "DB_ROOT_CERT"}
    assert said["database"] == {"namespace": DATABASE, "name": "platform-db-cluster"}
    assert said["services"] == [
        {"name": name, "role": role, "host": f"{name}.{DATABASE}.svc"}
        for name, role in zip(SERVICES, ("primary", "replica", "pooler"), strict=True)
    ]
    names = platform()["platform-db-leaf"]["spec", "dnsNames"]
    assert {service["host"] for service in said["services"]} <= set(names)


def test_what_infisical_reads_from_is_among_what_is_verified() -> None:
    graph = platform(infisical={"readReplicas": "cluster"}, database={"instances": 3})
    environment = graph["Secret/infisical-secrets"]["stringData"]
    uris = [
        environment["DB_CONNECTION_URI"],
        *(each["DB_CONNECTION_URI"] for each in json.loads(environment["DB_READ_REPLICAS"])),
    ]
    assert {urlsplit(uri).hostname for uri in uris} <= {service["host"] for service in config(graph)["services"]}


def test_the_first_run_has_its_rights_and_the_schedule_follows() -> None:
    graph = platform()
    assert graph.waits("Job/cert-sync", for_="RoleBinding/cert-sync-source")
    assert graph.waits("Job/cert-sync", for_="RoleBinding/cert-sync-target")
    assert graph.waits("CronJob/cert-sync-schedule", for_="Job/cert-sync")


def test_the_schedule_runs_the_same_pod_and_never_two_at_once() -> None:
    job, schedule = platform()["Job/cert-sync"], platform()["CronJob/cert-sync-schedule"]
    assert schedule["spec", "jobTemplate", "spec", "template"] == job["spec", "template"]
    assert schedule["spec", "concurrencyPolicy"] == "Forbid"
    assert schedule["spec", "schedule"] == "*/15 * * * *"


def test_it_runs_again_for_another_secret_of_that_name() -> None:
    """A replaced infisical-secrets has lost the key."""
    before, after = (made_for(uid)["Job/cert-sync"] for uid in ("one", "another"))
    assert before["spec", "template"] != after["spec", "template"]
    graph = platform()
    [secret] = [r.urn for r in graph if str(r) == "Secret/infisical-secrets"]
    assert secret in graph["Job/cert-sync"].property_dependencies["spec"]


def _rule(group: str, resource: str, verbs: list[str], names: list[str]) -> dict[str, list[str]]:
    return {"apiGroups": [group], "resources": [resource], "verbs": verbs, "resourceNames": names}


def _keys(secret: dict[str, Any]) -> list[str]:
    return [item["key"] for item in secret["items"]]
