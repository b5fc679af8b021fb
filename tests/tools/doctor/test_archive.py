"""How far the archive of point in time is behind the database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

import settings
from operations import doctor, status
from operations.checks import archive
from operations.checks.result import Level, Result
from operations.checks.running import PRIMARY
from operations.cluster import Unanswered
from operations.pulumi import Stack
from tests.tools.doctor.known import Answers, ask, only
from tests.unit.harness import BUCKET, COMMANDS, PROJECT, RECIPIENT, configuration

PODS = f"/api/v1/namespaces/platform-db-pg/pods?labelSelector={PRIMARY}"
SERVER = {"metadata": {"name": "platform-db-cluster-1"}}
SECTION: dict[str, Any] = {"target": BUCKET | {"pointInTime": True}, "recipients": [RECIPIENT]}
KEYS: dict[str, Any] = {"backupAccessKey": "a" * 9, "backupSecretKey": "s" * 9}
WELL: dict[str, Any] = {"mode": "on", "archived": 34.2, "failing": False, "waiting": 0, "oldest": None}


@dataclass(frozen=True)
class Told(Answers):
    """A cluster whose primary answers, or can't be asked."""

    answer: Any = None
    bases: str = "[]"
    commands: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])

    def execute(self, namespace: str, pod: str, container: str, *command: str, stdin: str = "") -> str:
        self.commands.append((namespace, pod, container, *command))
        if isinstance(self.answer, Exception):
            raise self.answer
        if command == archive.BASES:
            return self.bases
        assert stdin == archive.QUESTION
        return json.dumps(self.answer)


def told(**changed: Any) -> Told:
    return Told(paths={PODS: {"items": [SERVER]}}, answer=WELL | changed, bases=bases(26, 2))


def bases(*hours: float) -> str:
    """What WAL-G prints of base backups that are so many hours old."""
    ended = (datetime.now(UTC) - timedelta(hours=each) for each in hours)
    return json.dumps(
        [{"backup_name": "base_000000010000000000000004", "time": f"{at:%Y-%m-%dT%H:%M:%SZ}"} for at in ended]
    )


def asked(there: Told, section: Mapping[str, Any] = SECTION) -> dict[str, Result]:
    given = {f"{PROJECT}:{key}" for key in KEYS}
    stack = settings.load(COMMANDS, configuration("dev", backup=section, **KEYS), given)
    return {result.subject: result for result in archive.archived(COMMANDS, there, stack)}


@pytest.mark.parametrize(
    ("changed", "level", "seen"),
    [
        ({}, Level.OK, "the newest change went there 34 seconds ago, and none waits"),
        ({"archived": 7200.0}, Level.OK, "120 minutes ago, and none waits"),  # nobody uses it
        ({"archived": None}, Level.OK, "nothing is there yet"),
        ({"waiting": 1, "oldest": 3.0}, Level.OK, "1 x 16 MiB wait, the oldest for 3 seconds"),
        ({"waiting": 2, "oldest": 90.0, "failing": True}, Level.WARN, "the last attempt failed"),
        ({"waiting": 9, "oldest": 660.0, "failing": True}, Level.FAIL, "9 x 16 MiB wait, the oldest for 11 minutes"),
        ({"mode": "off"}, Level.FAIL, "archive_mode is off"),
    ],
)
def test_what_waits_says_how_far_behind_it_is(changed: dict[str, Any], level: Level, seen: str) -> None:
    row = asked(told(**changed))["archive"]
    assert (row.level, seen in row.seen) == (level, True), row


def test_the_primary_is_asked_and_its_log_says_why_it_fails() -> None:
    there = told(waiting=9, oldest=660.0, failing=True)
    row = asked(there)["archive"]
    assert there.commands[0][:3] == ("platform-db-pg", "platform-db-cluster-1", "postgres")
    assert "exec -n platform-db-pg platform-db-cluster-1" in row.fix
    assert "for of in csv log" in row.fix, "what WAL-G says is in the .log; the .csv has only that the command failed"
    assert "`contents differ`" in row.fix, "another database has written to this archive"
    assert "docs/runbooks/point-in-time.md" in row.fix


@pytest.mark.parametrize(
    ("printed", "level", "seen"),
    [
        (bases(50, 26, 2), Level.OK, "2 hours ago; every moment since "),
        (bases(50, 27), Level.FAIL, "the newest is too old: 27 hours ago"),
        ("INFO: List backups\n" + bases(2), Level.OK, "2 hours ago"),
        ("[]", Level.FAIL, "none is in the archive"),
        ("null\n", Level.FAIL, "none is in the archive"),
        ("", Level.FAIL, "none is in the archive"),
    ],
)
def test_a_recovery_has_a_base_backup_to_begin_from(printed: str, level: Level, seen: str) -> None:
    """Spilo's script says nothing where WAL-G could not make one."""
    row = asked(replace(told(), bases=printed))["base backup"]
    assert (row.level, seen in row.seen) == (level, True), row
    assert ("/scripts/postgres_backup.sh" in row.fix) == (level is Level.FAIL)


@pytest.mark.parametrize("printed", ['[{"modified": "2026-11-26T02:17:31Z"}]', '[{"time": "yesterday"}]', "[{"])
def test_a_list_that_it_can_not_read_is_no_verdict(printed: str) -> None:
    with pytest.raises(Unanswered, match="backup-list"):
        asked(replace(told(), bases=printed))


def test_without_one_primary_nobody_is_asked() -> None:
    for pods in ([], [SERVER, SERVER]):
        there = Told(paths={PODS: {"items": pods}})
        row = only(asked(there))
        assert (row.level, f"{len(pods)} primaries" in row.seen) == (Level.WARN, True)
        assert not there.commands


def test_who_may_not_look_into_pods_is_told_so() -> None:
    with pytest.raises(Unanswered):
        asked(Told(paths={PODS: {"items": [SERVER]}}, answer=Unanswered("cannot create resource pods/exec")))


def test_a_stack_without_an_archive_has_no_row() -> None:
    assert asked(told(), SECTION | {"target": BUCKET}) == {}
    assert ask(partial(archive.archived, COMMANDS), told()) == {}


def test_both_commands_show_it() -> None:
    stack = Stack("dev")
    assert "archive" in status.checks(stack)
    assert "archive" in doctor.checks(stack)
