"""A secret beside an encrypted one is told by the stack file, because the engine marks whole keys at the top alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import settings
from settings.machinery.stack_file import changed_numbers, written_in
from tests.unit.configurations import PEM, SMALLEST
from tests.unit.harness import COMMANDS, ORGANIZATION, PROJECT

PASTED = "hunter2-XJ4"
SEALED = {"secure": "v1:AAAA"}
REPLICA = "postgresql://u:hunter2-XJ4@db.example.org/infisical"
SHOP = {"environments": {"prod": "Production"}, "secrets": {"prod": {"/": {"A": {"from": "shopKey"}}}}}


def _opened(value: Any) -> Any:
    """As the engine hands it over, after decryption."""
    if value == SEALED:
        return PASTED
    if isinstance(value, dict):
        return {key: _opened(below) for key, below in value.items()}
    return [*map(_opened, value)] if isinstance(value, list) else value


def lines(folder: Path, kept: dict[str, Any], read: dict[str, Any] | None = None) -> list[str]:
    """What is said about a stack whose file has `kept`, where the engine has read `read`."""
    file = folder / "Pulumi.dev.yaml"
    file.write_text(yaml.safe_dump({"config": {f"{PROJECT}:{key}": value for key, value in kept.items()}}))
    config = {**SMALLEST, **_opened(kept if read is None else read)}
    values = {
        f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in config.items()
    }
    marked = [f"{PROJECT}:{key}" for key, value in kept.items() if str(SEALED) in str(value)]
    said = ""
    try:
        settings.load(COMMANDS, values, marked, file)
    except settings.SettingsError as error:
        said = str(error)
    assert PASTED not in said
    return said.splitlines()[1:]


@pytest.mark.parametrize(
    ("kept", "place"),
    [
        ({"extraSecrets": {"A": SEALED, "B": PASTED}}, "extraSecrets.B"),
        ({"extraSecrets": {"A": SEALED, "B": 12345}}, "extraSecrets.B"),
        (
            {"databaseReadReplicas": [{"uri": REPLICA, "authority": PEM}, {"uri": REPLICA, "authority": SEALED}]},
            "databaseReadReplicas[0].uri",
        ),
        (
            {
                "applications": {"shop": SHOP},
                "organization": ORGANIZATION,
                "shopKey": {"a": SEALED, "b": {"c d": PASTED}},
            },
            'shopKey.b["c d"]',
        ),
        (
            {"registryCredentials": {"auths": {"r": {"username": "u", "password": PASTED, "auth": SEALED}}}},
            "registryCredentials.auths.r.password",
        ),
    ],
)
def test_a_plain_secret_beside_an_encrypted_one_is_refused(tmp_path: Path, kept: dict[str, Any], place: str) -> None:
    [line] = [line for line in lines(tmp_path, kept) if line.startswith(f"- {place}: ")]
    assert "it stands in plain text in the stack file" in line
    assert line.endswith(f"pulumi config set --stack dev --path --secret '{PROJECT}:{place}'")


def test_what_is_encrypted_is_not_named(tmp_path: Path) -> None:
    assert lines(tmp_path, {"extraSecrets": {"A": SEALED, "B": SEALED}}) == []
    # A certificate is public.
    replicas = [{"uri": SEALED, "authority": PEM}]
    assert not [line for line in lines(tmp_path, {"databaseReadReplicas": replicas}) if "plain text" in line]


def test_a_file_that_the_engine_has_not_read_says_nothing(tmp_path: Path) -> None:
    """`--config-file` names a different one, of which the program knows nothing."""
    kept = {"extraSecrets": {"A": SEALED, "B": "another"}}
    assert lines(tmp_path, kept, {"extraSecrets": {"A": SEALED, "B": SEALED}}) == []
    assert lines(tmp_path, kept, {"extraSecrets": {"A": SEALED}}) == []


def test_a_file_that_is_no_yaml_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(f"config: [{PASTED}")
    values = {f"{PROJECT}:{key}": json.dumps(value) for key, value in SMALLEST.items()}
    with pytest.raises(settings.SettingsError, match="can't be read as YAML") as caught:
        settings.load(COMMANDS, values, [], file)
    assert PASTED not in str(caught.value)
    settings.load(COMMANDS, values, [], tmp_path / "none")


@pytest.mark.parametrize(
    ("written", "read", "changed"),
    [("0123", 83, True), ("1_000", 1000, True), ("8080", 8080, False), ('"0123"', "0123", False), ("0123", 84, False)],
)
def test_a_number_that_yaml_has_changed_is_refused(tmp_path: Path, written: str, read: object, changed: bool) -> None:
    """The engine hands over 83 for 0123. What it has read from a different file is not judged by this one."""
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(f"config: {{{PROJECT}:extraEnvironment: {{PIN: {written}}}}}\n")
    found = [*changed_numbers(written_in(file, PROJECT), {"extraEnvironment": json.dumps({"PIN": read})})]
    assert [finding.key for finding in found] == (["extraEnvironment.PIN"] if changed else [])
