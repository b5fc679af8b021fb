"""Whether there are backups, and how old the last good ones are."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from operations.checks import backup
from operations.checks.result import Check, Level
from tests.tools.doctor.known import all_ok, ask, cluster, only
from tests.unit.harness import COMMANDS, RECIPIENT

CHECK: Check = functools.partial(backup.backups, COMMANDS)
SECTION: dict[str, Any] = {"target": {"kind": "volume"}, "recipients": [RECIPIENT]}
STATUS = "/api/v1/namespaces/platform-db-pg/configmaps/backup-status"


def told(hours: float = 1, days: float = 1, **more: str) -> Any:
    now = datetime.now(UTC)
    made, rehearsed = (f"{now - age:%Y-%m-%dT%H:%M:%SZ}" for age in (timedelta(hours=hours), timedelta(days=days)))
    data = {"lastName": "b", "lastSuccess": made, "rehearsedName": "a", "rehearsedAt": rehearsed, **more}
    return cluster({STATUS: {"data": data}})


def test_a_stack_without_backups_is_told_so() -> None:
    assert all_ok(ask(CHECK)), "the data of stack dev may go"
    row = only(ask(CHECK, cluster={"protect": True}))
    assert (row.level, row.subject) == (Level.WARN, "backup")
    assert "there is no backup" in row.seen
    assert "docs/backup.md" in row.fix


def test_before_the_first_up_there_is_none_yet() -> None:
    assert only(ask(CHECK, backup=SECTION)).level is Level.WARN


def test_both_are_shown_with_their_age() -> None:
    rows = ask(CHECK, told(), backup=SECTION)
    assert {subject: (row.level, row.seen) for subject, row in rows.items()} == {
        "backup": (Level.OK, "b, 1 hours ago"),
        "rehearsal": (Level.OK, "a, 24 hours ago"),
    }


@pytest.mark.parametrize(
    ("days", "expired", "level", "seen"),
    [
        (None, "", Level.OK, "2, whose keys never expire"),
        (40, "", Level.OK, "the first of 2 keys to expire is FIRST, on "),
        (29, "", Level.WARN, "the first of 2 keys to expire is FIRST, on "),
        (40, "GONE", Level.FAIL, "no longer encrypted to GONE, which expired"),
    ],
)
def test_keys_that_end_are_told_before_they_do(days: int | None, expired: str, level: Level, seen: str) -> None:
    end = f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ} FIRST" if days else ""
    status = told(recipients="FIRST SECOND", recipientsEnd=end, recipientsExpired=expired)
    row = ask(CHECK, status, backup=SECTION)["recipients"]
    assert (row.level, seen in row.seen) == (level, True), row
    assert ("--quick-set-expire" in row.fix) == (level is not Level.OK)


@pytest.mark.parametrize(
    ("status", "subject", "seen"),
    [
        (told(hours=27), "backup", "too old: b, 27 hours ago"),
        (told(days=7.2), "rehearsal", "too old: a, 173 hours ago"),
        (told(lastFailure="the volume is full"), "backup", "the last one failed: the volume is full"),
        (told(rehearsalFailure="is damaged"), "rehearsal", "the last one failed: is damaged"),
        (cluster({STATUS: {}}), "backup", "none has ever succeeded"),
        (cluster({STATUS: {"data": {}}}), "rehearsal", "none has ever succeeded"),
    ],
)
def test_what_is_old_or_failed_is_a_failure(status: Any, subject: str, seen: str) -> None:
    row = ask(CHECK, status, backup=SECTION)[subject]
    assert (row.level, seen in row.seen) == (Level.FAIL, True), row
    assert "--from cronjob/backup" in row.fix
