"""Backup: where it writes, whom it encrypts to, and what waits for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from settings.machinery.encryption_keys import key_label, passphrase_label
from tests.unit.harness import RECIPIENT, Graph, Resource, in_a_bucket, platform, shape

DATABASE = "platform-db-pg"
OLDER_CHART = {"flavour": "infisical", "version": "0.4.2", "path": "embedded/charts/infisical"}
JOBS = ("Job/backup-before", "Job/backup", "Job/backup-rehearsal")


def volume(**keys: Any) -> Graph:
    return platform(backup={"target": {"kind": "volume"}, "recipients": [RECIPIENT], **keys})


def container(resource: Resource) -> dict[str, Any]:
    [found] = resource["spec", "template", "spec", "containers"]
    return found


def config(resource: Resource) -> dict[str, Any]:
    return json.loads(environment(resource)["CONFIG"])


def environment(resource: Resource) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container(resource)["env"]}


def exported(graph: Graph) -> dict[str, str]:
    value = graph.exports["backup"].value
    assert isinstance(value, dict)
    return value


def test_without_the_section_nothing_is_different() -> None:
    """Not one resource, and with it no input of another, but who may reach the database."""
    without, backed_up = platform(), shape("backed-up")
    assert [str(r) for r in without if "backup" in str(r)] == []
    changed = [str(r) for r in without if backed_up[str(r)].inputs != r.inputs]
    assert changed == ["NetworkPolicy/platform-db-policies-database"]


def test_what_it_creates() -> None:
    assert {str(r) for r in shape("backed-up").made_by("backup-store")} == {
        "PersistentVolumeClaim/backup-store-volume",
        "RandomPassword/backup-store-passphrase",
        "Secret/backup-store-secret",
        "ConfigMap/backup-store-status",
        "ConfigMap/backup-store-scripts",
        "ServiceAccount/backup",
        "Role/backup",
        "RoleBinding/backup",
        "Job/backup-before",
    }
    assert {str(r) for r in shape("backed-up").made_by("backup")} == {
        "Secret/backup-keys",
        "ConfigMap/backup-scripts",
        "Job/backup",
        "Job/backup-rehearsal",
        "CronJob/backup-schedule",
        "CronJob/backup-rehearsal-schedule",
    }
    assert "PersistentVolumeClaim/backup-store-volume" not in map(str, in_a_bucket())


def test_what_keeps_backups_and_opens_them_is_protected_with_the_data() -> None:
    graph = platform("prod", backup={"target": {"kind": "volume"}, "recipients": [RECIPIENT]})
    kept = {str(r) for r in graph.made_by("backup-store") if r.protect}
    assert kept == {"PersistentVolumeClaim/backup-store-volume", "RandomPassword/backup-store-passphrase"}
    assert not any(r.protect for r in shape("backed-up").made_by("backup-store"))


def test_the_image_is_the_databases_own_unless_the_stack_says_otherwise() -> None:
    assert {container(volume()[job])["image"] for job in JOBS} == {"ghcr.io/zalando/spilo-17:4.0-p3"}
    assert {container(volume(image="spilo:1")[job])["image"] for job in JOBS} == {"spilo:1"}


def test_it_reaches_the_primary_itself_verified() -> None:
    """Never the pooler: a snapshot belongs to a session."""
    graph = volume()
    database = config(graph["Job/backup"])["database"]
    assert database == config(graph["Job/backup-before"])["database"]
    assert database["host"] == "platform-db-cluster.platform-db-pg.svc"
    assert database["credentials"] == graph["Secret/platform-db-credentials"]["metadata", "name"]
    mounts = {mount["mountPath"] for mount in container(graph["Job/backup"])["volumeMounts"]}
    assert {file.rpartition("/")[0] for file in database["ca_files"]} <= mounts


def test_a_volume() -> None:
    graph = volume(target={"kind": "volume", "size": "7Gi", "storageClass": "other"})
    claim = graph["backup-store-volume"]
    assert claim["spec", "resources", "requests"] == {"storage": "7Gi"}
    assert claim["spec", "storageClassName"] == "other"
    assert claim["spec", "accessModes"] == ["ReadWriteOnce"]
    # Pulumi would wait for a volume that the first pod alone binds.
    assert claim["metadata", "annotations"] == {"pulumi.com/skipAwait": "true"}
    for job in JOBS:
        folder = config(graph[job])["target"]["folder"]
        [mount] = [m for m in container(graph[job])["volumeMounts"] if m["mountPath"] == folder]
        volumes = {v["name"]: v for v in graph[job]["spec", "template", "spec", "volumes"]}
        assert volumes[mount["name"]]["persistentVolumeClaim"] == {"claimName": claim["metadata", "name"]}
        assert "readOnly" not in mount


def test_a_bucket() -> None:
    graph = in_a_bucket()
    assert config(graph["Job/backup"])["target"] == {
        "kind": "bucket",
        "endpoint": "https://s3.example.org",
        "bucket": "dumps",
        "region": "us-east-1",
        "style": "path",
        "lock_days": 3,
    }
    secret = graph["Secret/backup-store-secret"]["stringData"]
    assert secret["access-key"], secret["secret-key"]
    assert secret["bucket-authority.crt"].startswith("-----BEGIN CERTIFICATE-----")
    assert (secret["recipient-0.asc"], secret["recipient-1.asc"]) == (RECIPIENT, RECIPIENT)


def test_the_label_is_the_keys_as_infisical_shows_it() -> None:
    graph = platform(backup={"target": {"kind": "volume"}, "recipients": [RECIPIENT]}, encryptionKey="e" * 32)
    for job in ("Job/backup", "Job/backup-rehearsal"):
        assert environment(graph[job])["KEY_LABEL"] == key_label("ENCRYPTION_KEY", "e" * 32)
    assert graph["Secret/backup-keys"]["stringData"] == {"ENCRYPTION_KEY": "e" * 32}
    assert graph.secret("Secret/backup-keys", "stringData")


@pytest.mark.parametrize(
    "keys",
    [
        {"encryptionKey": "f" * 32},
        {"infisical": {"image": "infisical/infisical:v9.9.9"}},
        {"backup": {"target": {"kind": "volume"}, "recipients": [RECIPIENT, RECIPIENT.replace("AAAA", "BBBB")]}},
    ],
)
def test_a_change_of_key_image_or_recipient_is_backed_up_and_rehearsed(keys: dict[str, Any]) -> None:
    section = {"target": {"kind": "volume"}, "recipients": [RECIPIENT]}
    before, after = platform(backup=section), platform(**{"backup": section, **keys})
    templates = [graph["Job/backup"]["spec", "template"] for graph in (before, after)]
    assert templates[0] != templates[1]
    if "infisical" not in keys:
        rehearsals = [graph["Job/backup-rehearsal"]["spec", "template"] for graph in (before, after)]
        assert rehearsals[0] != rehearsals[1]


@pytest.mark.parametrize(
    ("keys", "again"),
    [
        ({"infisical": {"image": "infisical/infisical:v9.9.9"}}, True),
        (
            {"infisical": {"chart": {"flavour": "infisical", "version": "0.4.2", "path": "embedded/charts/infisical"}}},
            True,
        ),
        ({"database": {"version": "16"}}, True),
        ({"database": {"instances": 3}}, False),
        ({"databasePassword": "d" * 20}, False),
        ({"infisical": {"replicas": 3}}, False),
    ],
)
def test_each_change_of_image_chart_or_version_is_preceded_by_a_backup(keys: dict[str, Any], again: bool) -> None:
    section = {"target": {"kind": "volume"}, "recipients": [RECIPIENT]}
    before, after = platform(backup=section), platform(backup=section, **keys)
    templates = [graph["Job/backup-before"]["spec", "template"] for graph in (before, after)]
    assert (templates[0] != templates[1]) == again
    assert config(after["Job/backup-before"])["before"] == exported(after)["beforeThisChange"]


def test_the_label_of_the_passphrase_is_told_in_plain_so_that_an_escrow_can_be_judged() -> None:
    told = exported(
        platform(backup={"target": {"kind": "volume"}, "recipients": [RECIPIENT]}, backupPassphrase="p" * 40)
    )
    assert told["passphraseLabel"] == passphrase_label("p" * 40)


def test_nothing_changes_before_that_backup_is_there() -> None:
    """Neither the data nor the password that it logs in with."""
    graph = shape("backed-up")
    for later in ("postgresql/platform-db-cluster", "Secret/platform-db-credentials", "Job/infisical-migration"):
        assert graph.waits(later, for_="Job/backup-before")
    assert graph.waits("Job/backup-before", for_="RoleBinding/backup")
    assert graph.waits("Job/backup-before", for_="ConfigMap/backup-store-status")


def test_the_rehearsal_follows_the_backup_and_both_their_rights() -> None:
    graph = shape("bucket")
    assert graph.waits("Job/backup", for_="infisical")
    assert graph.waits("Job/backup", for_="RoleBinding/backup")
    assert graph.waits("Job/backup-rehearsal", for_="Job/backup")
    for schedule, job in (("backup-schedule", "Job/backup"), ("backup-rehearsal-schedule", "Job/backup-rehearsal")):
        assert graph.waits(schedule, for_=job)
        assert graph[schedule]["spec", "jobTemplate", "spec", "template"] == graph[job]["spec", "template"]
        assert graph[schedule]["spec", "concurrencyPolicy"] == "Forbid"


def test_schedules_and_retention() -> None:
    graph = volume(schedule="1 * * * *", rehearsalSchedule="2 3 * * *", retention={"days": 3}, deadlineMinutes=7)
    assert graph["backup-schedule"]["spec", "schedule"] == "1 * * * *"
    assert graph["backup-rehearsal-schedule"]["spec", "schedule"] == "2 3 * * *"
    assert config(graph["Job/backup"])["retention"] == {"days": 3, "at_least": 7}
    assert config(graph["Job/backup-before"])["retention"] == {"days": 3, "at_least": 7}
    assert {config(graph[job])["deadline_seconds"] for job in JOBS} == {420}


def test_its_rights_are_on_named_objects_alone() -> None:
    rules = shape("backed-up")["Role/backup"]["rules"]
    assert all(rule["resourceNames"] for rule in rules)
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "patch"}
    [patched] = [rule for rule in rules if "patch" in rule["verbs"]]
    assert patched["resourceNames"] == ["backup-status"]
    assert "data" not in shape("backed-up")["backup-store-status"].inputs, "the scripts write it"


def test_what_a_restore_elsewhere_needs_is_in_the_outputs() -> None:
    said = exported(in_a_bucket())
    assert (said["endpoint"], said["bucket"], said["kind"]) == ("https://s3.example.org", "dumps", "bucket")
    assert len(said["keyLabel"]) == 32


def test_a_given_key_is_secret_where_rehearsals_have_it() -> None:
    graph = platform("prod", backup={"target": {"kind": "volume"}, "recipients": [RECIPIENT]})
    assert graph.secret("Secret/backup-keys", "stringData")


def test_a_given_passphrase_opens_what_a_lost_state_has_sealed() -> None:
    assert volume()["Secret/backup-store-secret"]["stringData"]["passphrase"] != "p" * 40
    graph = platform(backup={"target": {"kind": "volume"}, "recipients": [RECIPIENT]}, backupPassphrase="p" * 40)
    assert graph["Secret/backup-store-secret"]["stringData"]["passphrase"] == "p" * 40
    assert graph.secret("Secret/backup-store-secret", "stringData")


def test_a_restore_begins_with_all_its_rights_and_a_place_for_its_verdict() -> None:
    graph = shape("restored")
    for needed in ("RoleBinding/restore", "RoleBinding/restore-target", "RoleBinding/backup"):
        assert graph.waits("Job/restore", for_=needed)
    assert graph.waits("Job/restore", for_="ConfigMap/backup-store-status")
