"""Further variables of Infisical: what would end it, or be passed over in silence, is refused with the reason."""

from __future__ import annotations

import pytest

from tests.unit.configurations import errors, load, with_

URI = "postgresql://u:p@audit.example.org/logs"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUEUE_WORKERS_ENABLED", "True"),  # false in silence: no mail, no sync, no rotation
        ("INFISICAL_RUN_MODES", "api"),
        ("QUEUE_WORKER_PROFILE", "standard"),
        ("NODE_TLS_REJECT_UNAUTHORIZED", "0"),
        ("NODE_EXTRA_CA_CERTS", "/etc/ca.pem"),
        ("HSM_LIB_PATH", "/usr/lib/hsm.so"),
        ("BCRYPT_SALT_ROUND", "12"),
        ("REDIS_READ_REPLICAS", "redis-1"),
        ("REDIS_CLUSTER_ENABLE_TLS", "1"),
        ("MAINTENANCE_MODE", "yes"),
        ("INTERNAL_REGION", "asia"),
        ("CLICKHOUSE_AUDIT_LOG_INSERT_SETTINGS", "async_insert=1"),
        ("PARAMS_FOLDER_SECRET_DETECTION_PATHS", "/a"),
        ("OTEL_OTLP_PUSH_INTERVAL", "30s"),
        ("AUDIT_LOGS_DB_CONNECTION_URI", URI),
    ],
)
def test_a_variable_is_refused_by_its_name(name: str, value: str) -> None:
    [line] = errors(with_((f"extraEnvironment.{name}", value)))
    assert line.startswith(f"- extraEnvironment.{name}: ")


SECTIONS = ["extraEnvironment", "extraSecrets"]


@pytest.mark.parametrize("switched", SECTIONS)
@pytest.mark.parametrize("exported", SECTIONS)
def test_metrics_without_an_exporter_end_infisical(switched: str, exported: str) -> None:
    on = (f"{switched}.OTEL_TELEMETRY_COLLECTION_ENABLED", "true")
    [line] = errors(with_(on))
    assert line.startswith("- extraEnvironment.OTEL_EXPORT_TYPE: required")
    load(with_(on, (f"{exported}.OTEL_EXPORT_TYPE", "prometheus")))


@pytest.mark.parametrize("uri", [f"{URI}?sslmode=require", "mysql://u:p@h/i"])
def test_the_audit_database_is_held_to_what_replicas_are_held_to(uri: str) -> None:
    authority = ("extraEnvironment.AUDIT_LOGS_DB_ROOT_CERT", "AAAA")
    [line] = errors(with_(("extraSecrets.AUDIT_LOGS_DB_CONNECTION_URI", uri), authority))
    assert line.startswith("- extraSecrets.AUDIT_LOGS_DB_CONNECTION_URI: ")
    assert uri not in line
    load(with_(("extraSecrets.AUDIT_LOGS_DB_CONNECTION_URI", URI), authority))


def test_the_audit_database_needs_an_authority() -> None:
    [line] = errors(with_(("extraSecrets.AUDIT_LOGS_DB_CONNECTION_URI", URI)))
    assert line.startswith("- extraEnvironment.AUDIT_LOGS_DB_ROOT_CERT: required")
