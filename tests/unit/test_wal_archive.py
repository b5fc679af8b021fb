"""The archive of the database: names that Spilo reads, one path a database, and credentials that only a Secret has."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.unit.harness import BUCKET, RECIPIENT, Graph, in_a_bucket, platform, settings_of

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
RECOVER = {"archive": "0123abcd", "time": "2026-11-26T11:20:00+00:00"}
CLUSTER = "postgresql/platform-db-cluster"

# What configure_spilo.py of zalando/spilo (7cb50bd) passes on to WAL-G, and what it and the operator read themselves.
SPILO = {
    *("USE_WALG_BACKUP", "USE_WALG_RESTORE", "WALG_S3_CA_CERT_FILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    *(
        "AWS_ENDPOINT",
        "WALE_S3_ENDPOINT",
        "AWS_REGION",
        "WAL_S3_BUCKET",
        "WAL_BUCKET_SCOPE_PREFIX",
        "WAL_BUCKET_SCOPE_SUFFIX",
    ),
    *("BACKUP_SCHEDULE", "BACKUP_NUM_TO_RETAIN", "WALG_PREVENT_WAL_OVERWRITE"),
}
# generateCloneEnvironment of zalando/postgres-operator 1.15.1 appends these, so they must not stand there twice. Of a
# clone with an s3_endpoint it makes CLONE_AWS_ENDPOINT and CLONE_WALE_S3_ENDPOINT, both of this one value.
OPERATORS = {
    *("CLONE_SCOPE", "CLONE_METHOD", "CLONE_TARGET_TIME", "CLONE_WAL_BUCKET_SCOPE_PREFIX", "CLONE_WALE_S3_PREFIX"),
    "CLONE_AWS_S3_FORCE_PATH_STYLE",
}


def archived(target: dict[str, Any] | None = None, **database: Any) -> Graph:
    backup = {"target": {**BUCKET, "pointInTime": True, **(target or {})}, "recipients": [RECIPIENT]}
    keys: dict[str, Any] = {"backupAccessKey": "archive-id", "backupSecretKey": "archive-key"}
    return platform("prod", backup=backup, database=database, **keys)


def environment(graph: Graph) -> dict[str, Any]:
    entries = graph[CLUSTER]["spec", "env"]
    names = [entry["name"] for entry in entries]
    assert len(names) == len(set(names))
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in entries}


def test_without_it_the_database_is_what_it_was() -> None:
    spec = in_a_bucket()[CLUSTER]["spec"]
    assert not {"env", "clone", "additionalVolumes"} & spec.keys()
    assert spec["postgresql"] == {"version": "15"}


def test_spilo_knows_every_name() -> None:
    said = environment(archived({"authority": PEM, "prefix": "prod/"}, recover=RECOVER))
    cloned = {name.removeprefix("CLONE_") for name in said if name.startswith("CLONE_")}
    assert cloned <= SPILO
    assert {name for name in said if not name.startswith("CLONE_")} <= SPILO
    assert not said.keys() & OPERATORS
    assert said["WAL_S3_BUCKET"] == "dumps"
    assert said["WAL_BUCKET_SCOPE_PREFIX"] == "prod/", "unset, it is the namespace"
    assert said["AWS_ENDPOINT"] == "https://s3.example.org"


def test_a_database_made_anew_in_the_same_namespace_overwrites_no_change_of_the_one_before() -> None:
    """Both archive timeline 1 under one path, and WAL-G overwrites what it isn't told to keep."""
    assert environment(archived())["WALG_PREVENT_WAL_OVERWRITE"] == "true"


def test_credentials_stand_in_a_secret_that_is_new_with_them() -> None:
    graph = archived({"authority": PEM})
    said = environment(graph)
    assert set(said["AWS_SECRET_ACCESS_KEY"]) == {"secretKeyRef"}
    secret = graph["Secret/platform-db-wal-archive"]
    assert graph.secret("Secret/platform-db-wal-archive", "stringData", "secret-key")
    assert secret["immutable"]
    assert "name" not in secret["metadata"], "Pulumi names it, so that the servers follow"
    assert "archive-key" not in str(graph[CLUSTER].inputs)
    [volume] = graph[CLUSTER]["spec", "additionalVolumes"]
    assert said["WALG_S3_CA_CERT_FILE"] == f"{volume['mountPath']}/ca.crt"
    assert secret["stringData", "ca.crt"] == PEM


def test_a_public_authority_needs_no_file() -> None:
    graph = archived()
    assert "WALG_S3_CA_CERT_FILE" not in environment(graph)
    assert "additionalVolumes" not in graph[CLUSTER]["spec"]


def test_a_database_that_begins_from_an_archive_writes_to_one_of_its_own() -> None:
    before, after = archived(), archived(recover=RECOVER)
    paths = [environment(graph)["WAL_BUCKET_SCOPE_SUFFIX"] for graph in (before, after)]
    assert paths[0] != paths[1]
    clone = after[CLUSTER]["spec", "clone"]
    assert clone["timestamp"] == RECOVER["time"]
    assert clone["s3_wal_path"] == "s3://dumps/spilo/platform-db-cluster/0123abcd/wal/15"
    assert not {"s3_access_key_id", "s3_secret_access_key"} & clone.keys(), "they would be plain text"
    assert "secretKeyRef" in environment(after)["CLONE_AWS_SECRET_ACCESS_KEY"]


def path_style(said: dict[str, Any], prefix: str = "") -> bool:
    """What write_wale_environment of configure_spilo.py (4.0-p3) makes of the endpoints for WAL-G; it asks no other."""
    wale, aws = (said.get(f"{prefix}{name}", "") for name in ("WALE_S3_ENDPOINT", "AWS_ENDPOINT"))
    assert aws == "https://s3.example.org", "WAL-G's own"
    wale = wale or aws.replace("://", "+path://")
    match = re.match(r"^(\w+)\+(\w+)(://.+)$", wale)
    assert match
    assert f"{match[1]}{match[3]}" == aws
    return match[2] == "path"


@pytest.mark.parametrize("addressing", ["path", "virtual"])
def test_the_buckets_name_stands_where_the_setting_says(addressing: str) -> None:
    graph = archived({"addressing": addressing}, recover=RECOVER)
    said = environment(graph)
    assert path_style(said) is path_style(said, "CLONE_") is (addressing == "path")
    assert "s3_endpoint" not in graph[CLUSTER]["spec", "clone"], "the operator would make both endpoints of it"


def test_the_path_is_in_the_outputs() -> None:
    said: Any = archived().exports["backup"].value
    suffix = environment(archived())["WAL_BUCKET_SCOPE_SUFFIX"]
    assert said["archive"] == f"s3://dumps/spilo/platform-db-cluster{suffix}/wal/15"


@pytest.mark.parametrize("section", [{"kind": "volume"}, BUCKET])
def test_a_recovery_without_an_archive_is_refused(section: dict[str, Any]) -> None:
    keys = {"backupAccessKey": "a", "backupSecretKey": "b"} if section["kind"] == "bucket" else {}
    with pytest.raises(Exception, match=r"backup\.target\.pointInTime"):
        settings_of(database={"recover": RECOVER}, backup={"target": section, "recipients": [RECIPIENT]}, **keys)


def test_parameters_of_the_stack_stand_beside_the_archives() -> None:
    spec = archived(shared={"parameters": {"max_connections": 150}})[CLUSTER]["spec"]
    parameters = {"archive_timeout": "60", "max_connections": "150"}
    assert spec["postgresql"] == {"version": "15", "parameters": parameters}
