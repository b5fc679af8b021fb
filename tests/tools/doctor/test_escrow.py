"""Whether the encryption key lies somewhere else too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import pytest

from operations.checks import escrow
from operations.checks.result import Check, Level
from operations.pulumi import Stack
from tests.tools.doctor.known import all_ok, ask, only

DEPLOYED, BEFORE = "a" * 32, "b" * 32
PROTECTED = {"protect": True}


@dataclass(frozen=True)
class Labelled(Stack):
    """A stack whose deployed key has a label; none before its first `up`."""

    label: str = DEPLOYED
    backup: Mapping[str, str] = field(default_factory=dict[str, str])  # the stack's output

    def run(self, *arguments: str, input: str = "") -> str:
        secrets = {"type": "infisical-platform:components:InfisicalSecrets", "outputs": {"keyLabel": self.label}}
        stack = {"type": "pulumi:pulumi:Stack", "outputs": {"backup": self.backup} if self.backup else {}}
        return json.dumps({"deployment": {"resources": [stack, secrets]}})


def check(label: str = DEPLOYED) -> Check:
    return partial(escrow.escrow, Labelled("prod", label=label))


def noted(label: str) -> dict[str, str]:
    return {"date": "2026-11-26", "keyLabel": label}


def test_the_escrow_of_the_deployed_key_is_all_there_is_to_want() -> None:
    rows = ask(check(), cluster=PROTECTED, escrow=noted(DEPLOYED))
    assert all_ok(rows)
    assert rows["escrow"].seen == "of 2026-11-26, of the key that is deployed"


def test_an_escrow_older_than_the_key_is_a_failure_with_both_labels() -> None:
    row = only(ask(check(), cluster=PROTECTED, escrow=noted(BEFORE)))
    assert row.level is Level.FAIL
    assert row.seen == f"older than the key: it is of 2026-11-26 and of key {BEFORE}, and the key is {DEPLOYED}"
    assert row.fix.startswith("make escrow STACK=prod RECIPIENT=")


BACKUP = {
    "passphraseLabel": "c" * 32,
    "archive": "s3://dumps/spilo/platform-db-cluster/0123abcd-0123456789ab/wal/15",
    "keyLabel": DEPLOYED,
}
WHOLE = {**noted(DEPLOYED), "passphraseLabel": "c" * 32, "archive": "0123abcd-0123456789ab"}


@pytest.mark.parametrize(
    ("changed", "seen"),
    [
        ({}, "of 2026-11-26, of the key that is deployed"),
        ({"passphraseLabel": "d" * 32}, "of 2026-11-26, and without the passphrase that backups have now"),
        ({"passphraseLabel": None}, "of 2026-11-26, and without the passphrase that backups have now"),
        ({"archive": "0123abcd"}, "of 2026-11-26, and without the archive that the database writes to now"),
        ({"archive": None, "passphraseLabel": None}, "that backups have now and the archive that the database"),
    ],
)
def test_what_backups_need_may_be_younger_than_the_escrow(changed: dict[str, str | None], seen: str) -> None:
    """A made anew passphrase opens no backup of before, and an archive is found by its name."""
    kept = {key: value for key, value in {**WHOLE, **changed}.items() if value}
    row = ask(partial(escrow.escrow, Labelled("prod", backup=BACKUP)), cluster=PROTECTED, escrow=kept)["escrow"]
    assert seen in row.seen
    assert row.level is (Level.WARN if changed else Level.OK)
    assert ("make escrow STACK=prod RECIPIENT=" in row.fix) == bool(changed)


def test_no_escrow_is_a_warning_where_data_must_stay() -> None:
    assert only(ask(check(), cluster=PROTECTED)).level is Level.WARN
    assert all_ok(ask(check()))


@pytest.mark.parametrize("sections", [{}, {"escrow": noted(BEFORE)}])
def test_before_the_first_up_there_is_no_key_to_compare(sections: dict[str, dict[str, str]]) -> None:
    assert all_ok(ask(check(""), None, cluster=PROTECTED, **sections))
