"""The reference: current, and at one with what the loader takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as budget
from jsonschema import Draft7Validator

from operations import reference
from settings import Settings
from settings.environment import fields
from settings.secrets import SECRETS
from settings.variables import OWNED, REFUSED
from tests.contract.stacks import Config, stacks
from tests.unit.harness import PROJECT, ROOT

SCHEMA = json.loads(reference.schema())
VALIDATOR = Draft7Validator(SCHEMA)
SECURE = {"secure": "v1:Zm9v:YmFy"}


def stack_file(config: Config) -> dict[str, Any]:
    """As the stack file has it, secrets encrypted."""
    return {"config": {f"{PROJECT}:{key}": SECURE if key in SECRETS else value for key, value in config.items()}}


def complaints(content: Any) -> set[str]:
    """Paths of what an editor underlines."""
    return {".".join(map(str, error.absolute_path)) for error in VALIDATOR.iter_errors(content)}


@pytest.mark.parametrize(("file", "text"), reference.files(ROOT).items(), ids=lambda value: getattr(value, "name", ""))
def test_it_is_current(file: Any, text: str) -> None:
    assert file.read_text() == text, "run `make reference`"


# --- the schema ------------------------------------------------------------------------------------------------------


def test_it_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("file", sorted(ROOT.glob("Pulumi.*.yaml")), ids=lambda file: file.name)
def test_the_stack_files_are_valid(file: Any) -> None:
    assert complaints(yaml.safe_load(file.read_text())) == set()


@budget(max_examples=400)
@given(config=stacks())
def test_an_editor_accepts_every_stack_that_the_program_does(config: Config) -> None:
    assert complaints(stack_file(config)) == set()


SMALLEST: Config = {
    "infisical": {"siteUrl": "https://secrets.example.org"},
    "ingress": {"issuer": {"kind": "existing", "name": "ca"}},
}


def test_what_belongs_to_pulumi_and_to_other_projects_is_theirs() -> None:
    content = stack_file(SMALLEST) | {"encryptionsalt": "v1:x", "secretsprovider": "passphrase", "environment": ["a"]}
    content["config"] |= {"aws:region": "eu-central-1", "pulumi:disable-default-providers": ["*"]}
    assert complaints(content) == set()


@pytest.mark.parametrize(
    "config",
    [
        {"extraSecrets": {"A": SECURE}},
        {"databaseReadReplicas": [{"uri": SECURE, "authority": "PEM"}]},
    ],
)
def test_each_secret_of_a_structure_may_be_encrypted_alone(config: Config) -> None:
    content = stack_file(SMALLEST)
    content["config"] |= {f"{PROJECT}:{key}": value for key, value in config.items()}
    assert complaints(content) == set()


WRONG: list[tuple[str, Any]] = [
    ("databse", {}),
    ("database", {"instnaces": 3}),
    ("database", {"instances": "three"}),
    ("database", {"instances": 0}),
    ("database", {"version": "13"}),
    ("database", {"storage": 10}),
    ("database", {"pooler": {"mode": "statement"}}),
    ("database", {"password": SECURE}),
    ("cluster", {"protect": "perhaps"}),
    ("infisical", {}),
    ("infisical", {"siteUrl": "https://secrets.example.org/"}),
    ("infisical", {"siteUrl": "https://secrets.example.org", "corsAllowedOrigins": "https://a.example.org"}),
    ("infisical", {"siteUrl": "https://secrets.example.org", "chart": {"version": "^1"}}),
    ("ingress", {"issuer": {"name": "ca"}}),
    ("ingress", {"issuer": {"kind": "existing", "email": "ops@example.org"}}),
    ("mail", {"host": "smtp.example.org"}),
    ("mail", SECURE),
    ("extraEnvironment", {"smtp_host": "x"}),
    ("extraEnvironment", {"A": True}),
    ("smtpPassword", "hunter2"),
    ("smtpPassword", {"secure": 7}),
    ("extraSecrets", {"A": "hunter2"}),
    ("databaseReadReplicas", [{"uri": "postgresql://u:p@h/i"}]),
    ("encryptionKey", "0" * 32),
]


@pytest.mark.parametrize(("key", "value"), WRONG, ids=[f"{key}={json.dumps(value)}" for key, value in WRONG])
def test_an_editor_underlines_what_is_wrong(key: str, value: Any) -> None:
    content = stack_file(SMALLEST)
    content["config"][f"{PROJECT}:{key}"] = value
    assert complaints(content)


def test_a_section_at_the_top_of_the_file_is_underlined() -> None:
    assert complaints({"infisical": {}} | stack_file(SMALLEST))


def test_what_is_required_is_missed() -> None:
    assert complaints({"config": {}})


# --- for the engine --------------------------------------------------------------------------------------------------


def test_every_key_is_declared_and_secrets_without_a_type() -> None:
    declared: dict[str, Any] = yaml.safe_load(reference.project_config())["config"]
    assert next(iter(declared)) == "pulumi:disable-default-providers"
    assert declared.pop("pulumi:disable-default-providers") == {"value": ["*"]}
    assert declared.keys() == {f"{PROJECT}:{field.alias or name}" for name, field in Settings.model_fields.items()}
    for key, declaration in declared.items():
        assert declaration.pop("description")
        secret = key.removeprefix(f"{PROJECT}:") in SECRETS
        assert declaration == ({"secret": True, "default": ""} if secret else {"type": "object", "default": {}})


# --- for readers -----------------------------------------------------------------------------------------------------


def test_every_setting_and_every_variable_is_written_down() -> None:
    text = reference.markdown()
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
    assert "both operators refuse a number" in reference.markdown()
    assert "Infisical appends its own paths" in reference.markdown()


def test_the_tables_are_whole() -> None:
    """A bar within a cell would begin another."""
    for line in reference.markdown().splitlines():
        if line.startswith("| `"):
            assert len(line.replace("\\|", "").split("|")) in (4, 7), line


def test_no_ciphertext_is_shown() -> None:
    assert "secure:" not in reference.markdown()
