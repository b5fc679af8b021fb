"""`make secrets`: what is set, generated, missing or optional, told without decrypting anything."""

from __future__ import annotations

import re
import shlex
from argparse import Namespace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import settings
from operations import secrets
from operations.errors import OperationError
from operations.pulumi import PROJECT
from settings.secrets import Secrets
from tests.tools.fake_stack import Encrypted, FakeStack
from tests.unit.harness import shape

VALUE = "hunter2hunter2hunter2"
APP = {"clientId": "Iv2", "slug": "acme", "id": 7}


def states(stack: FakeStack) -> dict[str, str]:
    return {key.name: key.state for key in secrets.examine(stack)[0]}


def stack_of(**kept: Any) -> FakeStack:
    return FakeStack(kept=kept)


def test_an_empty_stack_misses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Its settings are not valid, and it has no secret: that is the state in which the command is used."""
    stack = stack_of()
    assert secrets.run(stack, Namespace()) == 0
    printed = capsys.readouterr().out
    assert printed.endswith("\nnothing is missing\n")
    assert set(states(stack).values()) == {"generated", "optional"}


def test_every_encrypted_key_is_listed_with_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    secrets.run(stack_of(), Namespace())
    printed = capsys.readouterr().out
    for field in Secrets.model_fields.values():
        assert re.search(rf"^{field.alias} +\w+ +{re.escape(field.description or '?')}$", printed, re.MULTILINE)


def test_what_counts_as_generated_is_what_the_program_generates() -> None:
    described = {field.alias for field in Secrets.model_fields.values() if "enerated" in (field.description or "")}
    assert described == secrets.GENERATED
    graph = shape("organization")  # without any secret
    made = {resource.name for resource in graph if str(resource.type).endswith("RandomPassword")}
    without = secrets.GENERATED - {"backupPassphrase"}  # which comes with the section backup
    assert len(made) == len(without) + 2  # and the key of the fingerprint, and the name of a header


@pytest.mark.parametrize(
    ("section", "missing"),
    [
        ({"mail": {"host": "smtp", "fromAddress": "a@b.org", "username": "u"}}, {"smtpPassword"}),
        ({"signOn": {"github": {"clientId": "Iv1"}}}, {"githubLoginClientSecret"}),
        ({"integrations": {"githubApp": APP}}, {"githubAppClientSecret", "githubAppPrivateKey"}),
        ({"integrations": {"aws": {"accessKeyId": "AKIAIOSFODNN7EXAMPLE"}}}, {"awsSecretAccessKey"}),
        ({"githubAppClientSecret": Encrypted(VALUE)}, {"githubAppPrivateKey"}),
        (
            {"integrations": '{"githubApp": {"clientId": "Iv2", "slug": "acme", "id": 7}}'},
            {"githubAppClientSecret", "githubAppPrivateKey"},
        ),
    ],
)
def test_a_secret_whose_pair_is_set_is_missing(
    section: dict[str, Any], missing: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    stack = stack_of(**section)
    assert {name for name, state in states(stack).items() if state == "MISSING"} == missing
    assert secrets.run(stack, Namespace()) == 1
    assert f"to be put right: {', '.join(sorted(missing))}" in capsys.readouterr().out
    stack.kept.update({name: Encrypted(VALUE) for name in missing})
    assert secrets.run(FakeStack(kept=stack.kept), Namespace()) == 0


def test_one_of_two_keys_stands_in_for_the_other() -> None:
    assert states(stack_of(rootEncryptionKey=Encrypted(VALUE)))["encryptionKey"] == "replaced"
    both = stack_of(rootEncryptionKey=Encrypted(VALUE), encryptionKey=Encrypted(VALUE))
    assert states(both)["rootEncryptionKey"] == "set", "a deployment may have both"
    assert secrets.run(both, Namespace()) == 0


def test_a_secret_in_plain_text_is_not_set(capfd: pytest.CaptureFixture[str]) -> None:
    stack = stack_of(authSecret=VALUE)
    assert states(stack)["authSecret"] == "PLAIN TEXT"
    assert secrets.run(stack, Namespace()) == 1
    assert VALUE not in "".join(capfd.readouterr())


def test_a_secret_in_plain_text_beside_an_encrypted_one_is_not_set(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Pulumi says of the whole key that it is encrypted, so the stack file is asked."""
    file = tmp_path / "stack.yaml"
    file.write_text(
        f"config:\n  {PROJECT}:extraSecrets:\n    A: {{secure: v1:AAAA}}\n    B: {VALUE}\n"
        f"  {PROJECT}:shopKey: {{a: {{secure: v1:AAAA}}, b: {VALUE}}}\n  {PROJECT}:mail: {{host: smtp}}\n"
    )
    kept = {"extraSecrets": {"A": Encrypted(VALUE), "B": VALUE}, "shopKey": {"a": Encrypted(VALUE), "b": VALUE}}
    stack = FakeStack(config_file=file, kept=kept)
    wrong = {name for name, state in states(stack).items() if state == "PLAIN TEXT"}
    assert wrong == {"extraSecrets.B", "shopKey.b"}
    assert secrets.run(stack, Namespace()) == 1
    printed = "".join(capfd.readouterr())
    assert VALUE not in printed
    assert f"--path --secret '{PROJECT}:extraSecrets.B'" in printed
    with pytest.raises(OperationError, match=r"extraSecrets\.B: it stands in plain text"):
        stack.settings()
    assert set(stack.ran) == {("config", "--json"), ("config", "--json", "--show-secrets")}


def test_defaults_that_pulumi_yaml_declares_are_not_set() -> None:
    assert states(stack_of(authSecret="", extraSecrets={}, mail={}, databaseReadReplicas="[]")) == states(stack_of())


def test_a_section_that_is_not_valid_yet_is_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert secrets.run(stack_of(mail={"username": "u"}, redis={"sentinels": 4}), Namespace()) == 1
    printed = capsys.readouterr().out
    assert "which secrets mail and redis will need can't be told" in printed
    assert "nothing is missing" not in printed


def test_nothing_is_decrypted() -> None:
    stack = stack_of(authSecret=Encrypted(VALUE), mail={"host": "smtp", "fromAddress": "a@b.org", "username": "u"})
    secrets.run(stack, Namespace())
    assert set(stack.ran) == {("config", "--json")}


def test_the_printed_commands_set_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    """Each is followed to the letter, until the stack can be used."""
    values = {"githubAppPrivateKey": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}
    kept: dict[str, Any] = {
        "infisical": {"siteUrl": "https://secrets.example.org"},
        "ingress": {"issuer": {"kind": "existing", "name": "ca"}},
        "integrations": {"githubApp": APP},
        "signOn": {"github": {"clientId": "Iv1"}},
    }
    stack = FakeStack(name="acme/prod", config_file=Path("my stacks/prod.yaml"), kept=kept)
    secrets.run(stack, Namespace())
    commands = _commands(capsys.readouterr().out)
    for name, state in states(stack).items():
        if state != "MISSING":
            continue
        words = shlex.split(commands[name].partition(" < ")[0])
        assert words[:3] == ["pulumi", "config", "set"]
        assert words[words.index("--stack") + 1] == "acme/prod"
        assert words[words.index("--config-file") + 1] == "my stacks/prod.yaml"
        assert (" < " in commands[name]) == (name in values)
        stack.run("config", "set", "--secret", words[-1], input=values.get(name, VALUE))
    assert isinstance(stack.settings(), settings.Settings)
    assert commands["extraSecrets"].endswith(f"--path --secret '{PROJECT}:extraSecrets.NAME'")


def _commands(printed: str) -> dict[str, str]:
    """By key: each stands in the line below it."""
    return {
        before.split()[0]: line.strip()
        for before, line in pairwise(printed.splitlines())
        if line.strip().startswith("pulumi config")
    }
