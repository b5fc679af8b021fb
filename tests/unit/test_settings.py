"""What a stack may say: which stacks load, which keys are encrypted, and that no message repeats a value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

import settings
from settings.database import DatabaseSettings
from settings.redis import RedisSettings
from settings.secrets import SECRETS, STRUCTURED
from tests.unit.configurations import (
    REPAIRS,
    SMALLEST,
    complaint,
    errors,
    load,
    load_stack,
    with_,
)
from tests.unit.harness import COMMANDS, PROJECT

# --- what loads ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", ["dev", "hostile", "minimal", "prod"])
def test_the_stack_files_load(stack: str) -> None:
    load_stack(stack)


def test_the_smallest_stack_is_a_safe_one() -> None:
    loaded = load(SMALLEST)
    assert isinstance(loaded.database, DatabaseSettings)
    assert isinstance(loaded.redis, RedisSettings)
    assert loaded.cluster.protect is True
    assert (loaded.database.instances, loaded.database.pooler.instances, loaded.infisical.replicas) == (2, 2, 2)
    assert (loaded.redis.instances, loaded.redis.sentinels, loaded.redis.quorum) == (3, 3, 2)
    assert loaded.database.pooler.mode == "transaction"
    assert (loaded.infisical.read_replicas, loaded.infisical.telemetry) == ("none", False)
    assert (loaded.mail, loaded.sign_on.saml, loaded.infisical.allow_internal_ip_connections) == (None, None, False)
    assert loaded.infisical.chart.flavour == "infisical-standalone"
    assert loaded.ingress.route.kind == "ingress"


def test_prod_is_the_site_it_says_it_is() -> None:
    loaded = load_stack("prod")
    assert loaded.infisical.host == "secrets.pnats.cloud"
    assert (loaded.infisical.chart.flavour, loaded.infisical.chart.version) == ("infisical", "0.4.2")
    assert loaded.cluster.protect is True


def test_redis_keeps_room_below_the_kernels_limit() -> None:
    """With noeviction a full Redis refuses writes; at the limit of its memory it is killed instead."""
    for loaded in (load(SMALLEST), *(load_stack(stack) for stack in ("dev", "prod"))):
        assert isinstance(loaded.redis, RedisSettings)
        limit = int(loaded.redis.memory_limit.removesuffix("Mi"))
        assert loaded.redis.max_memory_mib <= 0.8 * limit


def test_keys_of_other_projects_are_none_of_ours() -> None:
    encoded = {f"{PROJECT}:{key}": json.dumps(value) for key, value in SMALLEST.items()}
    others = {"pulumi:disable-default-providers": '["*"]', "postgresql:database": "x", "kubernetes:cluster": "y"}
    assert settings.load(COMMANDS, encoded | others) == load(SMALLEST)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        load(SMALLEST).redis.sentinels = 4  # pyright: ignore[reportAttributeAccessIssue]


# --- encrypted keys --------------------------------------------------------------------------------------------------


# `openssl rand -base64 24`; chart 0.4.2's randAlphaNum 32; somebody's own words.
@pytest.mark.parametrize(
    "key", ["q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ", "Zz9" * 10 + "aB", "correct horse, battery, staple 1"]
)
def test_every_key_that_upstream_takes_can_move_in(key: str) -> None:
    """Its 32 bytes are the AES-256 key as they are written."""
    assert load(with_(("encryptionKey", key))).encryption_key == SecretStr(key)


def test_a_deployment_with_both_keys_can_move_in() -> None:
    """Upstream opens the database with ENCRYPTION_KEY, and what older releases wrote with ROOT_ENCRYPTION_KEY."""
    loaded = load(with_(("encryptionKey", "0" * 32), ("rootEncryptionKey", REPAIRS["rootEncryptionKey"])))
    told = settings.environment_of(loaded).secret
    assert {"ENCRYPTION_KEY", "ROOT_ENCRYPTION_KEY"} <= told.keys()


@pytest.mark.parametrize("key", sorted(SECRETS))
def test_an_encrypted_key_that_is_empty_is_not_taken_for_an_absent_one(key: str) -> None:
    """An unset variable in CI leaves it there, and a new encryption key would be generated."""
    config = with_((key, ""))
    [line] = [line for line in errors(config) if line.startswith(f"- {key}: ")]
    assert "empty" in line
    assert f"pulumi config set --stack dev --secret '{PROJECT}:{key}'" in line


@pytest.mark.parametrize("value", ["{}", "[]"])
@pytest.mark.parametrize("key", sorted(SECRETS - STRUCTURED))
def test_nor_is_an_encrypted_key_of_which_nothing_is_left(key: str, value: str) -> None:
    assert [line for line in errors(with_((key, value))) if line.startswith(f"- {key}: ")]


@pytest.mark.parametrize("key", sorted(SECRETS))
def test_a_declared_default_is_an_absent_key(key: str) -> None:
    """What Pulumi.yaml declares is in no stack file, so it is not encrypted."""
    values = {f"{PROJECT}:{name}": json.dumps(value) for name, value in SMALLEST.items()}
    assert settings.load(COMMANDS, values | {f"{PROJECT}:{key}": ""}) == load(SMALLEST)


def test_a_secret_in_plain_text_is_refused_and_not_repeated() -> None:
    values = {f"{PROJECT}:{key}": json.dumps(value) for key, value in SMALLEST.items()}
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(COMMANDS, values | {f"{PROJECT}:smtpPassword": PASTED})
    [_, line] = str(caught.value).splitlines()
    assert line.startswith("- smtpPassword: it stands in plain text")
    assert line.endswith(f"pulumi config set --stack dev --secret '{PROJECT}:smtpPassword'")
    assert PASTED not in line


def test_an_encrypted_value_in_a_plain_section_is_refused_and_not_repeated() -> None:
    values = {f"{PROJECT}:{key}": json.dumps(value) for key, value in with_(("database.password", PASTED)).items()}
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(COMMANDS, values, [f"{PROJECT}:database"])
    assert "- database: it holds an encrypted value" in str(caught.value)
    assert PASTED not in str(caught.value)


# --- no value in a message -------------------------------------------------------------------------------------------

PASTED = "hunter2-XJ4"  # what somebody pastes into the wrong line


def _leaves(section: Any, path: str = "") -> list[str]:
    if not isinstance(section, dict):
        return [path]
    return [leaf for key, value in section.items() for leaf in _leaves(value, f"{path}.{key}".lstrip("."))]


PLACES = [
    *_leaves(load(SMALLEST).model_dump(by_alias=True)),
    "infisical",
    "ingress",
    "database.pooler",
    "ingress.issuer",
    "ingress.route",
    "infisical.chart",
    "database.unknown",
]


@pytest.mark.parametrize("place", PLACES)
def test_no_value_is_repeated(place: str) -> None:
    for value in (PASTED, f"{PASTED} 1.2.3", [PASTED], {"kind": PASTED}, {"x": PASTED}):
        assert PASTED not in complaint(with_((place, value)))


def test_the_error_does_not_carry_the_one_that_has_the_values() -> None:
    with pytest.raises(settings.SettingsError) as caught:
        load(with_(("redis.sentinels", PASTED)))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_pydantics_own_error_repeats_no_value_either() -> None:
    with pytest.raises(ValidationError) as caught:
        DatabaseSettings.model_validate({"storage": PASTED})
    assert PASTED not in str(caught.value)
