"""The reference: current and whole. tests/contract/test_editor.py has what editors make of its schema."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from operations import reference
from operations.configuration_page import markdown
from operations.project_file import project_config
from settings import Settings
from settings.machinery.schema import fields
from settings.machinery.variables import OWNED, REFUSED
from settings.secrets import SECRETS
from tests.unit.harness import PROJECT, ROOT


@pytest.mark.parametrize(("file", "text"), reference.files(ROOT).items(), ids=lambda value: getattr(value, "name", ""))
def test_it_is_current(file: Any, text: str) -> None:
    assert file.read_text() == text, "run `make reference`"


# --- for the engine --------------------------------------------------------------------------------------------------


def test_every_key_is_declared_and_secrets_without_a_type() -> None:
    declared: dict[str, Any] = yaml.safe_load(project_config())["config"]
    assert next(iter(declared)) == "pulumi:disable-default-providers"
    assert declared.pop("pulumi:disable-default-providers") == {"value": ["*"]}
    assert declared.keys() == {f"{PROJECT}:{field.alias or name}" for name, field in Settings.model_fields.items()}
    for key, declaration in declared.items():
        assert declaration.pop("description")
        secret = key.removeprefix(f"{PROJECT}:") in SECRETS
        by_presence = key == f"{PROJECT}:secretsOperator"  # an empty section is told from none
        plain = {"default": ""} if by_presence else {"type": "object", "default": {}}
        assert declaration == ({"secret": True, "default": ""} if secret else plain)


# --- for readers -----------------------------------------------------------------------------------------------------


def test_every_setting_and_every_variable_is_written_down() -> None:
    text = markdown()
    for path, _, variable in fields(Settings):
        if len(path) > 1 and path[-1] != "kind":
            assert f"| `{'.'.join(path[1:])}` |" in text, path
        if variable:
            assert f"`{variable.name}`" in text
    for name in OWNED.keys() | REFUSED:
        assert f"| `{name}` |" in text
    for secret in SECRETS:
        assert f":{secret}" in text, "the command that sets it"


def test_a_type_says_why() -> None:
    assert "Both operators refuse a number" in markdown()
    assert "Infisical appends its own paths" in markdown()


def test_the_tables_are_whole() -> None:
    """A bar within a cell would begin another."""
    for line in markdown().splitlines():
        if line.startswith("| `"):
            assert len(line.replace("\\|", "").split("|")) in (4, 7), line


def test_no_ciphertext_is_shown() -> None:
    assert "secure:" not in markdown()
