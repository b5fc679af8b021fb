"""The stack files' schema: what an editor underlines, offers and explains, at one with what the loader takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

import settings
from settings.database import DatabaseSettings
from settings.secrets import SECRETS
from tests.contract.editor import CURSOR, Complaint, Editor
from tests.contract.stacks import Config, handed_over, stacks
from tests.unit.harness import COMMANDS, PROJECT, ROOT

MODELINE = "# yaml-language-server: $schema=docs/stack.schema.json\n"
SECURE = {"secure": "v1:Zm9v:YmFy"}
ENCRYPT = "Secrets are encrypted: pulumi config set --secret"
URL = {"siteUrl": "https://secrets.example.org"}
SMALLEST: Config = {"infisical": URL, "ingress": {"issuer": {"kind": "existing", "name": "ca"}}}


@pytest.fixture(scope="module")
def editor() -> Iterator[Editor]:
    with Editor() as editor:
        yield editor


def stack_file(config: Config, **as_written: Any) -> str:
    """Those of SECRETS are encrypted, but for keys which stand `as_written`."""
    content = {key: SECURE if key in SECRETS else value for key, value in config.items()} | as_written
    return file({"config": {f"{PROJECT}:{key}": value for key, value in content.items()}})


def file(content: Mapping[str, Any]) -> str:
    return MODELINE + yaml.dump(dict(content), Dumper=_Dumper)


class _Dumper(yaml.SafeDumper):
    """Quotes "1e3" too: for editors (YAML 1.2) it would be a number, for PyYAML (1.1) it is none."""


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)(e[-+]?\d+)?$", re.IGNORECASE), [*"-+.0123456789"]
)


# --- what is right ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(ROOT.glob("Pulumi.*.yaml")), ids=lambda path: path.name)
def test_the_stack_files_are_right(editor: Editor, path: Path) -> None:
    assert path.read_text().startswith(MODELINE)
    assert editor.complaints([path.read_text()]) == [[]]


@budget(max_examples=20)
@given(configs=st.lists(stacks(), min_size=20, max_size=20))
def test_it_accepts_every_stack_that_the_program_does(editor: Editor, configs: list[Config]) -> None:
    texts = [*map(stack_file, configs)]
    assert [(text, found) for text, found in zip(texts, editor.complaints(texts), strict=True) if found] == []


def test_digits_may_stand_without_quotes(editor: Editor) -> None:
    """As `pulumi config set --path` writes them."""
    changes = {"database": {"version": 15, "cpuLimit": 2}}
    assert editor.complaints([stack_file(SMALLEST, **changes)]) == [[]]
    database = settings.load(COMMANDS, handed_over(SMALLEST | changes)[0]).database
    assert isinstance(database, DatabaseSettings)
    assert (database.version, database.cpu_limit) == ("15", "2")


def test_what_belongs_to_pulumi_and_to_other_projects_is_theirs(editor: Editor) -> None:
    content = yaml.safe_load(stack_file(SMALLEST))
    content |= {"encryptionsalt": "v1:x", "secretsprovider": "passphrase", "environment": ["a"]}
    content["config"] |= {"aws:region": "eu-central-1", "pulumi:disable-default-providers": ["*"]}
    assert editor.complaints([file(content)]) == [[]]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("extraSecrets", {"A": SECURE}),
        ("databaseReadReplicas", [{"uri": SECURE, "authority": "PEM"}]),
    ],
)
def test_each_secret_of_a_structure_may_be_encrypted_alone(editor: Editor, key: str, value: Any) -> None:
    assert editor.complaints([stack_file(SMALLEST, **{key: value})]) == [[]]


# --- what is wrong ---------------------------------------------------------------------------------------------------

# A key, what stands there, what is underlined, and what is said of it.
WRONG: list[tuple[str, Any, str, str]] = [
    ("databse", {}, f"{PROJECT}:databse", "is not allowed"),
    ("database", {"instnaces": 3}, "instnaces", "is not allowed"),
    ("database", {"instances": "three"}, "three", 'Expected "integer"'),
    ("database", {"instances": 0}, "0", "below the minimum of 1"),
    ("database", {"version": "13"}, "'13'", '"14", "15", "16", "17"'),
    ("database", {"storage": 10}, "10", 'Expected "string"'),
    ("database", {"storage": "10 GB"}, "10 GB", 'Write more than 0 bytes with a unit, as in "512Mi"'),
    ("database", {"pooler": {"mode": "statement"}}, "statement", '"transaction", "session"'),
    ("database", {"password": SECURE}, "password", "is not allowed"),
    ("cluster", {"protect": "perhaps"}, "perhaps", 'Expected "boolean"'),
    ("infisical", {}, f"{PROJECT}:infisical", 'Missing property "siteUrl"'),
    ("infisical", {"siteUrl": "https://a.example.org/"}, "https://a.example.org/", "Infisical appends its own paths"),
    ("infisical", {**URL, "corsAllowedOrigins": "https://a.org"}, "https://a.org", 'Expected "array"'),
    ("infisical", {**URL, "chart": {"version": "^1"}}, "^1", "A range would not pin the chart"),
    ("ingress", {"issuer": {"name": "ca"}}, "issuer", 'Missing property "kind"'),
    ("ingress", {"issuer": {"kind": "existing", "email": "a@b.org"}}, "email", "is not allowed"),
    ("mail", {"host": "smtp.example.org"}, f"{PROJECT}:mail", 'Missing property "fromAddress"'),
    ("mail", SECURE, "secure", "is not allowed"),
    ("extraEnvironment", {"smtp_host": "x"}, "smtp_host", "is not allowed"),
    ("extraEnvironment", {"A": True}, "true", "Expected one of string, number"),
    ("smtpPassword", "hunter2", "hunter2", ENCRYPT),
    ("smtpPassword", {"secure": 7}, "7", 'Expected "string"'),
    ("extraSecrets", {"A": "hunter2"}, "hunter2", ENCRYPT),
    ("databaseReadReplicas", [{"uri": "postgresql://u:p@h/i"}], "postgresql://u:p@h/i", ENCRYPT),
    ("encryptionKey", "0" * 32, f"'{'0' * 32}'", ENCRYPT),
]


@pytest.mark.parametrize(
    ("key", "value", "underlined", "reason"), WRONG, ids=[f"{key}={json.dumps(value)}" for key, value, _, _ in WRONG]
)
def test_what_is_wrong_is_underlined_with_the_reason(
    editor: Editor, key: str, value: Any, underlined: str, reason: str
) -> None:
    [complaints] = editor.complaints([stack_file(SMALLEST, **{key: value})])
    assert [c for c in complaints if c.text == underlined and reason in c.message], complaints


def test_a_section_at_the_top_of_the_file_is_underlined(editor: Editor) -> None:
    [complaints] = editor.complaints([stack_file(SMALLEST) + "infisical: {}\n"])
    assert complaints == [Complaint("infisical", "Property infisical is not allowed.")]


def test_what_is_required_is_missed(editor: Editor) -> None:
    [complaints] = editor.complaints([file({"config": {}})])
    assert {c.message for c in complaints} == {
        f'Missing property "{PROJECT}:infisical".',
        f'Missing property "{PROJECT}:ingress".',
    }


# --- while somebody types --------------------------------------------------------------------------------------------


def test_keys_of_a_section_are_offered_with_their_defaults(editor: Editor) -> None:
    offered = editor.offered(f"{MODELINE}config:\n  {PROJECT}:database:\n    instances: 3\n    {CURSOR}\n")
    assert {"version", "storage", "pooler", "passwordRotation"} <= offered.keys()
    assert "instances" not in offered, "it is there already"
    assert "passwordRotation: ${1:1}" in offered["passwordRotation"]


def test_keys_of_the_stack_are_offered(editor: Editor) -> None:
    offered = editor.offered(f"{MODELINE}config:\n  {CURSOR}\n")
    assert {f"{PROJECT}:{key}" for key in ("infisical", "ingress", "mail", "smtpPassword")} <= offered.keys()


def test_choices_are_offered(editor: Editor) -> None:
    offered = editor.offered(f"{MODELINE}config:\n  {PROJECT}:mail:\n    tls: {CURSOR}\n")
    assert set(offered.values()) == {"required", "opportunistic", '"off"'}


def test_a_key_is_explained(editor: Editor) -> None:
    told = editor.explained(f"{MODELINE}config:\n  {PROJECT}:signOn:\n    saml:\n      confi{CURSOR}gured: true\n")
    assert "body can log in, not even to set SAML up" in told
