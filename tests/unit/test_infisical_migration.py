"""InfisicalMigration: in the image itself, with time and memory of its own, and never because of a password."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from pulumi import ResourceOptions
from pydantic import ValidationError

from components.base.references import Endpoint, SecretRef
from components.infisical_migration import InfisicalMigration, InfisicalMigrationArgs
from settings.infisical import MigrationSettings
from tests.unit.harness import Graph, audit_logs_in, platform, run, settings_of

JOB = "Job/infisical-migration"
IMAGE = "registry.example.org:5000/infisical:v1"


@dataclass(frozen=True)
class Database:
    """What InfisicalMigration needs of one."""

    primary = Endpoint(host="primary", role="primary")
    key: str

    def uri(self, endpoint: Endpoint) -> str:
        return f"postgresql://infisical_user:{self.key}@{endpoint.host}:5432/infisical"


class Secrets:
    """What InfisicalMigration needs of them."""

    ref = SecretRef(namespace="infisical", name="infisical-secrets")


def migrated(key: str = "p", extra: dict[str, str] | None = None, **infisical: Any) -> Graph:
    """Return the component alone, of stack dev with changed keys of section `infisical`."""

    def make(opts: ResourceOptions) -> None:
        database: Any = Database(key)
        secrets: Any = Secrets()
        settings = settings_of(infisical={"image": IMAGE, **infisical}, extraSecrets=extra or {})
        InfisicalMigration("infisical-migration", InfisicalMigrationArgs.of(settings, database, secrets), opts)

    return run(make)


def test_what_it_creates() -> None:
    graph = platform()
    made = {"Secret/infisical-migration-uri", "ConfigMap/infisical-migration-scripts", JOB}
    assert {str(r) for r in graph.made_by("InfisicalMigration/infisical-migration")} == made
    assert graph.waits(JOB, for_="Secret/infisical-migration-uri")


def test_migrations_go_to_the_primary_with_the_same_image_and_environment() -> None:
    graph = platform()
    uri = graph["infisical-migration-uri"]
    assert urlsplit(uri["stringData", "DB_CONNECTION_URI"]).hostname == ("platform-db-cluster.platform-db-pg.svc")
    assert graph.secret("infisical-migration-uri", "stringData", "DB_CONNECTION_URI")
    [container] = graph["Job/infisical-migration"]["spec", "template", "spec", "containers"]
    assert container["image"] == "embedded.local/infisical:v0.165.8"
    assert container["command"] == ["node", "/job/migrate.mjs"]
    assert container["envFrom"] == [{"secretRef": {"name": "infisical-secrets"}}]
    variables = {
        variable["name"]: variable for variable in container["env"]
    }  # win over envFrom, which has the pooler's
    assert variables["DB_CONNECTION_URI"]["valueFrom"]["secretKeyRef"]["name"] == "infisical-migration-uri"
    config = json.loads(variables["CONFIG"]["value"])
    assert config == {"image": container["image"], "deadline_seconds": 3600, "quiet_seconds": 15}


def test_migrations_run_again_for_another_image_alone() -> None:
    """A password needs no migration, and the window of its rotation is the worst moment for one."""

    def job(graph: Graph) -> object:
        return graph["Job/infisical-migration"].inputs

    assert job(migrated(image="registry.example.org:5000/infisical:v2")) != job(migrated())
    assert job(migrated("rotated", replicas=5)) == job(migrated())


def test_migrations_run_again_for_another_database_of_the_audit_log_and_not_for_its_password() -> None:
    """A server whose own database is current makes no table there, and each audit log is lost without a word."""

    def template(address: str, login: str = "u:hunter2") -> Any:
        return migrated(extra=audit_logs_in(address, login))[JOB]["spec", "template"]

    audit = template("audit.example.org/logs")
    assert audit != migrated()[JOB]["spec", "template"]
    assert audit == template("audit.example.org:5432/logs", "u:rotated")
    for other in ("other.example.org/logs", "audit.example.org/other", "audit.example.org:5433/logs"):
        assert template(other) != audit
    assert not any(told in json.dumps(audit) for told in ("hunter2", "audit.example.org"))


def test_another_password_reaches_the_migrations_secret_in_place() -> None:
    uri = migrated("rotated")["infisical-migration-uri"]
    assert "rotated" in uri["stringData", "DB_CONNECTION_URI"]
    assert uri["metadata", "name"] == "infisical-migration-uri"
    assert "immutable" not in uri.inputs


def test_a_migration_has_time_and_memory_of_its_own() -> None:
    job = migrated()["Job/infisical-migration"]
    assert job["spec", "activeDeadlineSeconds"] == 3660
    [container] = job["spec", "template", "spec", "containers"]
    assert container["resources"]["limits"] == {"memory": "2Gi"}
    changed = migrated(migration={"deadlineMinutes": 90, "memoryLimit": "4Gi"})["Job/infisical-migration"]
    assert changed["spec", "activeDeadlineSeconds"] == 5460
    [container] = changed["spec", "template", "spec", "containers"]
    assert container["resources"]["limits"] == {"memory": "4Gi"}


def test_a_migration_that_the_kernel_would_kill_is_refused() -> None:
    with pytest.raises(ValidationError, match="set at least 512Mi"):
        MigrationSettings.model_validate({"memoryLimit": "500Mi"})


def test_the_job_of_older_stacks_is_still_the_same_one() -> None:
    """It stood directly below the release: without the alias, a second Job of its name would be made beside it."""
    [alias] = migrated()["Job/infisical-migration"].aliases
    assert "components:InfisicalRelease::infisical" in alias
