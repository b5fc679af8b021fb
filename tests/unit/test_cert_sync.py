"""CertSync: reads two Secrets, writes one key, and may do nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from components.base.references import Endpoint, SecretRef
from components.cert_sync import CertSync, CertSyncArgs
from tests.unit.harness import Graph, everything, platform, run, settings_of

DATABASE, INFISICAL = "platform-db-pg", "infisical"


@dataclass(frozen=True)
class Database:
    """What CertSync needs of one."""

    authority = SecretRef(namespace=DATABASE, name="ca")
    leaf = SecretRef(namespace=DATABASE, name="tls")
    primary = Endpoint(host="db", role="primary")
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
    return run(lambda options: CertSync("cert-sync", args, options))


def config(graph: Graph) -> dict[str, Any]:
    [container] = graph["Job/cert-sync"]["spec", "template", "spec", "containers"]
    [variable] = container["env"]
    assert variable["name"] == "CONFIG"
    return json.loads(variable["value"])


def test_what_it_creates() -> None:
    assert {str(r): r["metadata", "namespace"] for r in platform().made_by("cert-sync")} == {
        "ConfigMap/cert-sync-scripts": INFISICAL,
        "ServiceAccount/cert-sync": INFISICAL,
        "Role/cert-sync-target": INFISICAL,
        "RoleBinding/cert-sync-target": INFISICAL,
        "Role/cert-sync-source": DATABASE,
        "RoleBinding/cert-sync-source": DATABASE,
        "Job/cert-sync": INFISICAL,
        "CronJob/cert-sync-schedule": INFISICAL,
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
        _rule("", "secrets", ["get"], ["platform-db-ca", "platform-db-tls"]),
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
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "cert-sync", "namespace": INFISICAL}]
        assert binding["roleRef", "name"] == f"cert-sync-{half}"
    assert platform()["Job/cert-sync"]["spec", "template", "spec", "serviceAccountName"] == "cert-sync"


def test_what_it_publishes_where_and_what_it_checks_before() -> None:
    said = config(platform())
    assert said["authority"] == {"namespace": DATABASE, "secret": "platform-db-ca"}
    assert said["leaf"] == {"namespace": DATABASE, "secret": "platform-db-tls"}
    assert said["target"] == {"namespace": INFISICAL, "secret": "infisical-secrets", "key": "DB_ROOT_CERT"}
    assert said["database"] == {"namespace": DATABASE, "name": "platform-db-cluster"}
    assert said["endpoints"] == [
        {"host": f"platform-db-cluster.{DATABASE}.svc.cluster.local", "port": 5432, "role": "primary"},
        {"host": f"platform-db-cluster-pooler.{DATABASE}.svc.cluster.local", "port": 5432, "role": "pooler"},
    ]
    names = platform()["platform-db-leaf"]["spec", "dnsNames"]
    assert {endpoint["host"] for endpoint in said["endpoints"]} <= set(names)


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
