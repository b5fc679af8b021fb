"""An error names the key in the stack file, and its command overwrites nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

import settings
from tests.unit.configurations import SMALLEST, errors, load, with_
from tests.unit.harness import COMMANDS, ORGANIZATION, PROJECT, RECIPIENT
from tests.unit.test_application_settings import complaints, shop


@pytest.mark.parametrize("name", ["ingress", "gateway", "bucket", "volume", "existing"])
def test_a_users_own_name_is_part_of_the_key(name: str) -> None:
    """The command would overwrite `applications.people` otherwise, or the whole section."""
    application = {**shop()["shop"], "people": {"admin": ["nobody"]}}
    [line] = complaints({name: application})
    assert line.startswith(f"- applications.{name}.people.admin[0]: ")
    [line] = errors(with_(("pods.labels", {name: "no label!"})))
    assert line.startswith(f"- pods.labels.{name}: ")


def test_a_name_in_brackets_is_part_of_the_key_too() -> None:
    for name in ("<A>", "<text>"):
        [line] = errors(with_(("extraEnvironment", {name: "a"})))
        assert line.startswith(f"- extraEnvironment.{name}: ")


def test_a_choice_is_no_level_of_the_stack_file() -> None:
    target = {"kind": "bucket", "endpoint": "s3", "name": "dumps"}
    lines = errors(with_(("backup", {"target": target, "recipients": [RECIPIENT]})))
    assert [line for line in lines if line.startswith("- backup.target.endpoint: ")]
    gateway = {"kind": "gateway", "name": "public", "namespace": "edge", "listener": "A B"}
    [line] = errors(with_(("ingress.route", gateway)))
    assert line.startswith("- ingress.route.listener: ")


@pytest.mark.parametrize("value", [[1], {"a": 1}, None])
def test_a_parameter_of_the_database_has_one_fault(value: Any) -> None:
    [line] = errors(with_(("database.shared", {"parameters": {"max_connections": value}})))
    assert line.startswith("- database.shared.parameters.max_connections: write text, a number or a switch")


def test_parameters_are_read_as_postgresql_reads_them() -> None:
    given = {"max_connections": 200, "random_page_cost": 1.1, "jit": False, "work_mem": "8MB"}
    shared = load(with_(("database.shared", {"parameters": given}))).database
    assert shared.kind == "operator"
    assert shared.shared.parameters == {
        "max_connections": "200",
        "random_page_cost": "1.1",
        "jit": "off",
        "work_mem": "8MB",
    }


def test_a_database_without_its_role_names_the_role() -> None:
    [line] = errors(with_(("database.shared", {"databases": {"my_db2": "app-1"}})))
    assert line.startswith("- database.shared.users.app-1[0]: required, but not set. It owns databases.my_db2")
    assert line.endswith(f" --path '{PROJECT}:database.shared.users.app-1[0]' VALUE")
    load(with_(("database.shared", {"databases": {"my_db2": "app-1"}, "users": {"app-1": ["login"]}})))


def test_a_mistyped_environment_is_not_overwritten() -> None:
    [line] = complaints(shop("secrets prd", {"/": {"A": "a"}}))
    assert line.startswith("- applications.shop.environments.prd: required, but not set. secrets.prd is for it, and")
    assert line.endswith(f" --path '{PROJECT}:applications.shop.environments.prd' VALUE")


@pytest.mark.parametrize(
    "key", ["infisical-plattform:organization", "infisical_platform:organization", "infisical:redis", f"{PROJECT}2:x"]
)
def test_a_mistyped_project_is_named(key: str) -> None:
    """Nobody reads the key, and the site would come up without an organisation."""
    values = {f"{PROJECT}:{name}": json.dumps(value) for name, value in SMALLEST.items()}
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(COMMANDS, values | {key: json.dumps(ORGANIZATION)})
    [_, line] = str(caught.value).splitlines()
    right = f"{PROJECT}:{key.partition(':')[2]}"
    assert line.startswith(f"- {key}: nobody reads a key of project ")
    assert line.endswith(f"Did you mean {right}? Remove it: pulumi config rm --stack dev '{key}'")


def test_roles_that_share_a_secret_are_told_apart() -> None:
    """The operator turns _ into -, and from 1.15.1 on a clash ends each of its Syncs."""
    [line] = errors(with_(("database.shared", {"users": {"app_user": [], "app-user": []}})))
    assert line.startswith("- database.shared.users.app_user: ")
    assert "app-user" in line
    [line] = errors(with_(("database.shared", {"users": {"infisical-user": []}})))
    assert line.startswith("- database.shared.users.infisical-user: ")
    load(with_(("database.shared", {"users": {"app_user": [], "app-user-2": []}})))


def test_redis_has_room_for_its_log_to_be_rewritten() -> None:
    [line] = errors(with_(("redis", {"storage": "1151Mi"})))
    assert line.startswith("- redis.storage: set at least 1152Mi, 3 times maxMemoryMib. ")
    load(with_(("redis", {"storage": "1152Mi"})))
