"""Private authorities: what OpenSSL would verify nothing with is refused, and says which certificate it is."""

from __future__ import annotations

from typing import Any

import pytest

from settings import environment_of
from tests.jobs.job_pki import DAY, authority, self_signed
from tests.unit.configurations import MAIL, PEM, complaint, errors, load, with_

CORP, OTHER = authority("Corp Root").pem, authority("Other Root").pem
KEY = "infisical.authorities"


@pytest.mark.parametrize("pem", [CORP, CORP + OTHER, CORP.replace("\n", "\r\n"), CORP.rstrip() + "\n\n" + OTHER])
def test_authorities_are_taken(pem: str) -> None:
    assert load(with_((KEY, pem))).infisical.authorities == pem


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (CORP + authority("Old Root", lasts=-DAY).pem, "certificate 2 of 2 (Old Root) expired on "),
        (self_signed("git.example.org").pem, "certificate 1 of 1 is of no authority. "),
        (CORP + authority("A").issue("git.example.org").pem, "certificate 2 of 2 is of no authority. "),
        (PEM, "certificate 1 of 1 is damaged: OpenSSL can't read it"),
        ("", "write the PEM with its line breaks"),
        (CORP.replace("\n", " "), "write the PEM with its line breaks"),
        (authority("A").key_pem, "write the PEM with its line breaks"),
    ],
)
def test_what_verifies_nothing_is_refused(pem: str, reason: str) -> None:
    [line] = errors(with_((KEY, pem)))
    assert line.startswith(f"- {KEY}: {reason}")


@pytest.mark.parametrize("key", [KEY, "database.authority", "redis.authority", "mail.authority"])
def test_more_than_a_process_can_be_started_with_is_refused(key: str) -> None:
    """The bundle of Amazon RDS for all regions has 174 kB: neither Pulumi nor Infisical starts with it."""
    external = {"kind": "external", "host": "db.example.org"}
    beside: dict[str, Any] = {"database": external, "redis": external, "mail": MAIL}
    section = key.partition(".")[0]
    changes = [(section, beside[section])] if section in beside else []
    large = CORP * (96_000 // len(CORP) + 1)
    assert f"- {key}: write at most 96000 characters" in complaint(with_(*changes, (key, large)))
    assert f"- {key}:" not in complaint(with_(*changes, (key, large.removeprefix(CORP))))


def test_an_address_for_ipv6_listens_on_both() -> None:
    assert environment_of(load(with_(("infisical.ipv6", True)))).plain["HOST"] == "::"
    assert "HOST" not in environment_of(load(with_())).plain
