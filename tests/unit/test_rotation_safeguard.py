"""A password that a server would not know in time is refused before the first resource."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from safeguards import Refusal
from safeguards.rotation import refuse_first_password, refuse_rotation_in_a_roll
from safeguards.state import LastState
from tests.unit.harness import COMMANDS, EXTERNAL_DATABASE, EXTERNAL_REDIS, platform, settings_of

GIVEN = "GivenByTheStack1"
OTHER = "GivenByTheStack2"


def deployed(**keys: Any) -> LastState:
    """Return the state that an `up` leaves, as the program itself declares it."""
    state: dict[str, dict[str, Any]] = {r.urn: {"type": r.type, "outputs": dict(r.inputs)} for r in platform(**keys)}
    auth = next(urn for urn in state if urn.endswith("::platform-kv-auth"))
    password = keys.get("redisPassword", "generated")
    state[auth]["outputs"]["data"] = {"password": base64.b64encode(password.encode()).decode()}
    return LastState(state)


def refused(refuse: Callable[..., None], before: LastState, stack: str = "dev", /, **keys: Any) -> str:
    """Return why `up` does not begin; empty where it may."""
    try:
        refuse(settings_of(stack, **keys), before, COMMANDS)
    except Refusal as refusal:
        return str(refusal)
    return ""


# --- the database's first password, anew -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),
        ({}, {"database": {"passwordRotation": 2}}),
        ({}, {"databasePassword": GIVEN}),
        ({"database": {"passwordRotation": 3}}, {"database": {"passwordRotation": 2}}),
        ({"databasePassword": GIVEN}, {"databasePassword": OTHER}),
        ({"databasePassword": GIVEN}, {"database": {"passwordRotation": 2}}),
        ({"database": {"passwordRotation": 3}}, {"databasePassword": GIVEN}),
    ],
)
def test_a_password_behind_the_gate_may_change(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert refused(refuse_first_password, deployed(**before), **after) == ""


@pytest.mark.parametrize(
    ("before", "number"), [({"database": {"passwordRotation": 3}}, "3"), ({"databasePassword": GIVEN}, "2")]
)
def test_a_first_password_is_not_generated_anew(before: dict[str, Any], number: str) -> None:
    """It would be published beside the gate, because a database that is made knows it from the beginning."""
    message = refused(refuse_first_password, deployed(**before))
    assert message.startswith("database.passwordRotation: it was lowered to 1, or databasePassword was removed")
    assert message.endswith(
        f"pulumi config set --stack dev --path 'infisical-platform:database.passwordRotation' {number}"
    )
    assert GIVEN not in message


def test_a_stack_without_a_database_may_begin() -> None:
    assert refused(refuse_first_password, LastState({})) == ""
    external = {"database": EXTERNAL_DATABASE, "databasePassword": GIVEN}
    assert refused(refuse_first_password, deployed(databasePassword=GIVEN), "minimal", **external) == ""


# --- Redis' password beside a roll -----------------------------------------------------------------------------------

ROLLS: list[dict[str, Any]] = [{"image": "quay.io/opstree/redis:v7.2.3"}, {"maxMemoryMib": 90}, {"instances": 5}]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"redis": {"passwordRotation": 2}}),
        ({"redis": {"passwordRotation": 2}}, {"redis": {"passwordRotation": 3}}),
        ({}, {"redisPassword": GIVEN}),
        ({"redisPassword": GIVEN}, {"redisPassword": OTHER}),
        ({}, {"redis": {"passwordRotation": 2, "quorum": 3}}),  # Sentinels only
        *(({}, {"redis": roll}) for roll in ROLLS),
        *(({"redis": {"passwordRotation": 2}}, {"redis": {"passwordRotation": 2, **roll}}) for roll in ROLLS),
        *(({"redisPassword": GIVEN}, {"redisPassword": GIVEN, "redis": roll}) for roll in ROLLS),
    ],
)
def test_a_password_or_the_servers_may_change(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert refused(refuse_rotation_in_a_roll, deployed(**before), **after) == ""


@pytest.mark.parametrize("roll", ROLLS)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"redis": {"passwordRotation": 2}}),
        ({"redisPassword": GIVEN}, {"redisPassword": OTHER}),
        ({"redisPassword": GIVEN}, {"redis": {"passwordRotation": 2}}),
    ],
)
def test_both_at_once_are_refused(before: dict[str, Any], after: dict[str, Any], roll: dict[str, Any]) -> None:
    """A server that is replaced knows the new password alone, and Infisical has the old one until all are there."""
    message = refused(refuse_rotation_in_a_roll, deployed(**before), **after | {"redis": after.get("redis", {}) | roll})
    assert message.startswith("redis: its servers would be replaced in the `up` that changes their password")
    assert "pulumi up" in message
    assert GIVEN not in message


def test_a_stack_without_a_redis_of_its_own_may_begin() -> None:
    both = {"redis": {"passwordRotation": 2, "maxMemoryMib": 90}}
    assert refused(refuse_rotation_in_a_roll, LastState({}), **both) == ""
    external = {"redis": EXTERNAL_REDIS, "redisPassword": GIVEN}
    assert refused(refuse_rotation_in_a_roll, deployed(), "minimal", **external) == ""
