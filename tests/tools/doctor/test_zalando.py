"""The Zalando operator's settings that the platform depends on."""

from __future__ import annotations

from typing import Any

import pytest

from operations.checks import operators
from operations.checks.result import Level
from operations.cluster import Unanswered
from tests.tools.doctor.known import (
    ZALANDO,
    all_ok,
    ask,
    cluster,
    configured,
    only,
    with_,
    zalando,
)
from tests.unit.harness import settings_of

SERVERS = "/apis/apps/v1/namespaces/platform-db-pg/statefulsets/platform-db-cluster"


@pytest.mark.parametrize(
    ("found", "setting", "level"),
    [
        (configured(enable_secrets_deletion=True), "enable_secrets_deletion", Level.WARN),
        (configured(enable_secrets_deletion=None), "enable_secrets_deletion", Level.WARN),  # true is its default
        (configured(enable_owner_references=True), "enable_secrets_deletion", Level.WARN),
        (configured(secret_name_template="{cluster}.{username}"), "secret_name_template", Level.FAIL),
        (configured(storage_resize_mode="off"), "storage_resize_mode", Level.WARN),
        (configured(major_version_upgrade_mode="off"), "major_version_upgrade_mode", Level.WARN),
        (configured(top={"max_instances": 1}), "instances", Level.WARN),
        (configured(top={"min_instances": 3}), "instances", Level.WARN),
    ],
)
def test_a_setting_that_harms_the_platform_is_named(found: dict[str, Any], setting: str, level: Level) -> None:
    bad = only(ask(operators.postgres_operator, cluster({ZALANDO: found})))
    assert (bad.level, bad.subject) == (level, f"postgres-operator: {setting}")
    assert "OperatorConfiguration operators/zalando" in bad.fix


@pytest.mark.parametrize(
    "found",
    [
        configured(storage_resize_mode=None, secret_name_template=""),
        configured(secret_name_template="{username}.{cluster}.credentials.{tprkind}.{tprgroup}"),
        configured(top={"min_instances": -1, "max_instances": -1}),
        configured(top={"min_instances": 2, "max_instances": 2}),
    ],
)
def test_defaults_and_what_amounts_to_them_are_ok(found: dict[str, Any]) -> None:
    assert all_ok(ask(operators.postgres_operator, cluster({ZALANDO: found})))


PROTECTED = {"cluster": {"protect": True}}
DELETION = "enable_persistent_volume_claim_deletion"


@pytest.mark.parametrize("told", [None, True])  # true is its default
def test_an_operator_that_deletes_the_volumes_of_protected_data_is_named(told: bool | None) -> None:
    there = cluster({ZALANDO: configured(**{DELETION: told})})
    bad = only(ask(operators.postgres_operator, there, **PROTECTED))
    assert (bad.level, bad.subject) == (Level.WARN, f"postgres-operator: {DELETION}")
    assert f"set {DELETION} to false in OperatorConfiguration operators/zalando" in bad.fix
    assert all_ok(ask(operators.postgres_operator, there)), "a throw-away stack's volumes go with its namespace anyway"
    kept = cluster({ZALANDO: configured(**{DELETION: False})})
    assert all_ok(ask(operators.postgres_operator, kept, **PROTECTED))


def test_volumes_are_kept_before_the_mode_is_set_that_has_the_operator_delete_them() -> None:
    """With mode `off` it knows of no volumes, and so it deletes none."""
    there = cluster({ZALANDO: configured(storage_resize_mode="off")})
    rows = ask(operators.postgres_operator, there, **PROTECTED)
    assert f"set {DELETION} to false" in rows["postgres-operator: storage_resize_mode"].fix
    assert "storage_resize_mode" in rows[f"postgres-operator: {DELETION}"].seen
    kept = cluster({ZALANDO: configured(storage_resize_mode="off", **{DELETION: False})})
    assert DELETION not in only(ask(operators.postgres_operator, kept, **PROTECTED)).fix


def test_the_command_that_installs_it_keeps_volumes() -> None:
    """The commands set what the rows ask for."""
    absent = only(ask(operators.postgres_operator, with_()))
    assert f"--set configKubernetes.{DELETION}=false" in absent.fix
    assert "--set configKubernetes.enable_secrets_deletion=false" in absent.fix


@pytest.mark.parametrize("wanted", ["preferred", "required"])
def test_a_spread_that_the_operator_does_not_make_is_named(wanted: str) -> None:
    asked = {"pods": {"spread": wanted}}
    bad = only(ask(operators.postgres_operator, cluster({ZALANDO: configured()}), **asked))
    assert (bad.level, bad.subject) == (Level.WARN, "postgres-operator: enable_pod_antiaffinity")
    spreads = cluster({ZALANDO: configured(enable_pod_antiaffinity=True)})
    assert all_ok(ask(operators.postgres_operator, spreads, **asked))


def test_credentials_that_would_not_reach_the_database_are_named() -> None:
    there = cluster({ZALANDO: configured(pod_service_account_name="spilo")})
    assert all_ok(ask(operators.postgres_operator, there))
    credentials = '{"auths": {"r.example.org": {"auth": "dTpw"}}}'
    rows = operators.postgres_operator(there, settings_of(registryCredentials=credentials))
    bad = only({row.subject: row for row in rows})
    assert (bad.level, bad.subject) == (Level.FAIL, "postgres-operator: pod_service_account_name")


def test_owner_references_are_harmless_from_2_0_2_on() -> None:
    there = with_(zalando(":v2.0.2"), **{ZALANDO: configured(enable_owner_references=True)})
    assert all_ok(ask(operators.postgres_operator, there))


DAY, NAME = {"delete_annotation_date_key": "day"}, {"delete_annotation_name_key": "name"}


@pytest.mark.parametrize(
    ("keys", "annotations"),
    [
        (DAY, "day=$(date -u +%F)"),
        (NAME, "name=platform-db-cluster"),
        (DAY | NAME, "day=$(date -u +%F) name=platform-db-cluster"),
    ],
)
def test_an_operator_that_ignores_deletions_is_named_with_the_annotations(
    keys: dict[str, Any], annotations: str
) -> None:
    row = only(ask(operators.postgres_operator, cluster({ZALANDO: configured(**keys)})))
    assert (row.level, row.subject) == (Level.WARN, "postgres-operator: deletion")
    assert row.fix.endswith(f"annotate postgresql -n platform-db-pg platform-db-cluster {annotations}")


def test_with_owner_references_no_operator_can_ignore_a_deletion() -> None:
    found = configured(enable_owner_references=True, **DAY)
    assert all_ok(ask(operators.postgres_operator, with_(zalando(":v2.0.2"), **{ZALANDO: found})))


def servers(*environment: dict[str, str]) -> dict[str, Any]:
    """The StatefulSet of the database that runs."""
    containers = [{"name": "postgres", "env": [*environment]}]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


IN_CONFIG_MAPS = servers({"name": "KUBERNETES_USE_CONFIGMAPS", "value": "true"})
IN_ENDPOINTS = servers({"name": "SCOPE", "value": "platform-db-cluster"})


@pytest.mark.parametrize(
    ("version", "told", "running", "level", "seen"),
    [
        (":v2.0.2", None, IN_ENDPOINTS, Level.FAIL, "ConfigMaps, and the servers that run keep it in Endpoints"),
        (":v2.0.2", True, IN_ENDPOINTS, Level.FAIL, "ConfigMaps, and the servers that run keep it in Endpoints"),
        (":v1.15.1", True, IN_ENDPOINTS, Level.FAIL, "ConfigMaps, and the servers that run keep it in Endpoints"),
        (":v2.0.2", False, IN_CONFIG_MAPS, Level.FAIL, "Endpoints, and the servers that run keep it in ConfigMaps"),
        (":v2.0.2", None, None, Level.OK, "true, the default"),
        (":v2.0.2", True, None, Level.OK, "true"),
        (":v2.0.2", None, IN_CONFIG_MAPS, Level.OK, "true, the default"),
        (":v2.0.2", False, IN_ENDPOINTS, Level.OK, "false"),
        (":v1.15.1", False, IN_ENDPOINTS, Level.OK, "false"),
        (":v1.15.1", None, IN_ENDPOINTS, Level.WARN, "an operator of 2.x takes true"),
        (":v1.15.1", None, None, Level.WARN, "an operator of 2.x takes true"),
        ("@sha256:" + "0" * 64, None, IN_CONFIG_MAPS, Level.WARN, "an operator of 2.x takes true"),
    ],
)
def test_patronis_store_is_never_moved_under_a_running_database(
    version: str, told: bool | None, running: dict[str, Any] | None, level: Level, seen: str
) -> None:
    found = configured(top={"kubernetes_use_configmaps": told})
    there = with_(zalando(version), **{ZALANDO: found, SERVERS: running})
    row = ask(operators.postgres_operator, there)["postgres-operator: kubernetes_use_configmaps"]
    assert row.level is level
    assert seen in row.seen


def test_patronis_store_may_be_none_of_kubernetes() -> None:
    there = cluster({ZALANDO: configured(top={"kubernetes_use_configmaps": None, "etcd_host": "etcd.example.org"})})
    assert all_ok(ask(operators.postgres_operator, there))


def test_servers_that_may_not_be_seen_leave_the_other_rows() -> None:
    rows = ask(operators.postgres_operator, cluster({SERVERS: Unanswered("no right")}))
    assert only(rows).subject == "postgres-operator: kubernetes_use_configmaps"
    assert only(rows).seen == "unknown: no right"


@pytest.mark.parametrize("name", ["zalando", "operators/zalando"])
def test_settings_in_a_config_map_are_read_as_well(name: str) -> None:
    operator = zalando(env={"CONFIG_MAP_NAME": name})
    operator["spec"]["template"]["spec"]["containers"][0]["env"].pop(0)
    data = {"watched_namespace": "*", "enable_secrets_deletion": "true", "kubernetes_use_configmaps": "false"}
    there = with_(operator, **{"/api/v1/namespaces/operators/configmaps/zalando": {"data": data}})
    bad = only(ask(operators.postgres_operator, there))
    assert bad.subject == "postgres-operator: enable_secrets_deletion"
    assert "ConfigMap operators/zalando" in bad.fix


def test_settings_that_are_not_there_fail() -> None:
    absent = only(ask(operators.postgres_operator, cluster({ZALANDO: None})))
    assert absent.seen == "OperatorConfiguration operators/zalando is not there"


def test_settings_that_may_not_be_read_leave_the_other_rows() -> None:
    blind = cluster({ZALANDO: Unanswered("no right")})
    results = ask(operators.postgres_operator, blind)
    assert results["postgres-operator"].level is Level.OK
    assert only(results).seen == "unknown: no right"
