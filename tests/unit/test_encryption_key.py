"""The key of the data does not change, unless somebody says which key may go."""

from __future__ import annotations

import base64
from typing import Any

import pulumi
import pytest

from tests.unit.harness import Graph, State, platform

SECRET, KEY = "kubernetes:core/v1:Secret", "random:index/randomPassword:RandomPassword"
GENERATED, GIVEN, OTHER = "0" * 32, "1" * 32, "2" * 32
ROOT, OTHER_ROOT = (base64.b64encode(character * 32).decode() for character in (b"r", b"s"))


def deployed(**environment: str) -> State:
    """What an update has left which gave Infisical this environment."""
    data = {name: base64.b64encode(value.encode()).decode() for name, value in environment.items()}
    return {
        "urn:pulumi:dev::infisical-platform::a$b::infisical-secrets": {"type": SECRET, "outputs": {"data": data}},
        "urn:pulumi:dev::infisical-platform::a$c::infisical-secrets-encryption-key": {
            "type": KEY,
            "outputs": {"result": GENERATED},
        },
    }


def up(state: State, **keys: Any) -> Graph:
    return platform(state=state, **keys)


def refusal(state: State, **keys: Any) -> str:
    with pytest.raises(pulumi.RunError) as caught:
        up(state, **keys)
    message = str(caught.value)
    assert not [value for value in (GENERATED, GIVEN, OTHER, ROOT, OTHER_ROOT) if value in message]
    return message


@pytest.mark.parametrize(
    ("before", "settings"),
    [
        ({}, {}),
        ({}, {"encryptionKey": GIVEN}),
        ({"ENCRYPTION_KEY": GENERATED}, {}),
        ({"ENCRYPTION_KEY": GENERATED}, {"encryptionKey": GENERATED}),  # taken over into the stack file
        ({"ENCRYPTION_KEY": GIVEN}, {"encryptionKey": GIVEN}),
        ({"ROOT_ENCRYPTION_KEY": ROOT}, {"rootEncryptionKey": ROOT}),
    ],
)
def test_the_same_key_is_used_again(before: dict[str, str], settings: dict[str, str]) -> None:
    assert up(deployed(**before), **settings)["Secret/infisical-secrets"]


@pytest.mark.parametrize(
    ("before", "settings", "remedy"),
    [
        (
            {"ENCRYPTION_KEY": GENERATED},
            {"encryptionKey": GIVEN},
            "config rm --stack dev 'infisical-platform:encryptionKey'",
        ),
        (
            {"ENCRYPTION_KEY": GENERATED},
            {"rootEncryptionKey": ROOT},
            "config rm --stack dev 'infisical-platform:rootEncryptionKey'",
        ),
        ({"ENCRYPTION_KEY": GIVEN}, {}, "config set --stack dev --secret 'infisical-platform:encryptionKey'"),
        (
            {"ENCRYPTION_KEY": GIVEN},
            {"encryptionKey": OTHER},
            "config set --stack dev --secret 'infisical-platform:encryptionKey'",
        ),
        ({"ROOT_ENCRYPTION_KEY": ROOT}, {}, "config set --stack dev --secret 'infisical-platform:rootEncryptionKey'"),
        (
            {"ROOT_ENCRYPTION_KEY": ROOT},
            {"rootEncryptionKey": OTHER_ROOT},
            "config set --stack dev --secret 'infisical-platform:rootEncryptionKey'",
        ),
        (
            {"ROOT_ENCRYPTION_KEY": ROOT},
            {"encryptionKey": GIVEN},
            "config set --stack dev --secret 'infisical-platform:rootEncryptionKey'",
        ),
    ],
)
def test_another_key_is_refused_with_the_way_back(
    before: dict[str, str], settings: dict[str, str], remedy: str
) -> None:
    message = refusal(deployed(**before), **settings)
    assert remedy in message
    fingerprint = message.split()[-1]
    assert up(deployed(**before), infisical={"replaceEncryptionKey": fingerprint}, **settings)


def test_leave_to_replace_one_key_is_none_for_the_next() -> None:
    fingerprint = refusal(deployed(ENCRYPTION_KEY=GIVEN), encryptionKey=OTHER).split()[-1]
    with pytest.raises(pulumi.RunError):
        platform(
            state=deployed(ENCRYPTION_KEY=OTHER),
            infisical={"replaceEncryptionKey": fingerprint},
            encryptionKey=GIVEN,
        )
