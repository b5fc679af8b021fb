"""The database of another Infisical: taken, rehearsed, and only then restored."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.configurations import complaint, with_
from tests.unit.harness import AUTHORITY, OTHER_SERVER, RECIPIENT, Resource, moved_in, shape

DUMP, REHEARSAL, RESTORE = "Job/move-in-dump", "Job/move-in-rehearsal", "Job/restore"
BACKUP = {"target": {"kind": "volume"}, "recipients": [RECIPIENT]}
SERVER = {**OTHER_SERVER, "tls": True, "authority": AUTHORITY}


def moving() -> list[tuple[str, Any]]:
    server = dict(OTHER_SERVER)  # a case changes it
    return [("backup", BACKUP), ("restore.id", "one"), ("restore.server", server), ("restorePassword", "root")]


def config(resource: Resource) -> dict[str, Any]:
    [container] = resource["spec", "template", "spec", "containers"]
    return next(json.loads(each["value"]) for each in container["env"] if each["name"] == "CONFIG")


def test_what_it_creates() -> None:
    assert {str(r) for r in shape("moved-in").made_by("move-in")} == {
        "Secret/move-in-server",
        "Secret/move-in-keys",
        "ServiceAccount/move-in-dump",
        "Role/move-in-dump",
        "RoleBinding/move-in-dump",
        "ConfigMap/move-in-scripts",
        DUMP,
        REHEARSAL,
    }


def test_the_restore_takes_the_backup_that_the_dump_has_made() -> None:
    """Never `latest`: a nightly backup of the empty platform may be younger."""
    graph = shape("moved-in")
    assert config(graph[RESTORE])["source"] == config(graph[DUMP])["backup"]
    another = moved_in(restore={"id": "two", "server": OTHER_SERVER})
    assert config(another[DUMP])["backup"] != config(graph[DUMP])["backup"]


def test_a_backup_of_an_earlier_attempt_is_not_restored() -> None:
    """Its Job has succeeded, so Pulumi leaves it alone, and the old Infisical may have been used since."""
    graph = shape("moved-in")
    limit = config(graph[RESTORE])["moved_in_within_seconds"]
    jobs = sum(graph[job]["spec", "activeDeadlineSeconds"] for job in (DUMP, REHEARSAL))
    assert jobs <= limit <= jobs + 600, "one attempt, however slow it is"
    assert "moved_in_within_seconds" not in config(shape("restored")[RESTORE])


def test_the_rehearsal_opens_the_backup_of_the_dump_until_it_was_restored() -> None:
    graph = shape("moved-in")
    said = config(graph[REHEARSAL])
    assert (said["source"], said["restore"]) == (config(graph[DUMP])["backup"], "one")
    assert not {"source", "restore"} & config(graph["Job/backup-rehearsal"]).keys()


def test_it_begins_with_its_rights_and_its_log_in() -> None:
    graph = shape("moved-in")
    for needed in ("RoleBinding/move-in-dump", "Secret/move-in-server", "ConfigMap/backup-store-status"):
        assert graph.waits(DUMP, for_=needed)
    assert graph.waits(REHEARSAL, for_=DUMP)
    assert graph.waits(RESTORE, for_=REHEARSAL)


def test_the_password_is_in_one_secret_alone() -> None:
    graph = shape("moved-in")
    assert graph["Secret/move-in-server"]["stringData"] == {"username": "old", "password": "throw-away-other"}
    assert graph.secret("Secret/move-in-server", "stringData")
    assert [str(r) for r in graph if "throw-away-other" in json.dumps(r.inputs, default=str)] == [
        "Secret/move-in-server"
    ]
    assert graph.secret("Secret/move-in-keys", "stringData")


@pytest.mark.parametrize(("server", "files"), [(OTHER_SERVER, []), (SERVER, ["/server/ca.crt"])])
def test_a_server_with_tls_is_verified(server: dict[str, object], files: list[str]) -> None:
    graph = moved_in(restore={"id": "one", "server": server})
    said = config(graph[DUMP])["server"]
    assert (said.get("sslmode"), said.get("ca_files", [])) == (None if files else "disable", files)
    [container] = graph[DUMP]["spec", "template", "spec", "containers"]
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert ("/server" in mounts) == bool(files)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([("restore.from", "latest")], "restore.from: set either from or server"),
        ([("restore.server", None)], "restore.from: set either from or server"),
        ([("restorePassword", None)], "restorePassword: required, but not set"),
        ([("restore", None)], "restorePassword: restore.server is not set, so nothing would use it"),
        ([("backup", None)], "backup: required, but not set. A restore reads from backup.target"),
        ([("restore.server.tls", True)], "restore.server.authority: required, unless tls is false"),
        ([("restore.server.authority", AUTHORITY)], "restore.server.authority: without tls nothing would use it"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: list[tuple[str, Any]], said: str) -> None:
    assert complaint(with_(*moving())) == ""
    wrong = with_(*moving(), *changes)
    for key in ("restorePassword", "restore", "backup"):
        if wrong[key] is None:
            del wrong[key]
    assert said in complaint(wrong)
