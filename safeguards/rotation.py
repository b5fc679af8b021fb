"""Refuse a password that a server would not know in time: PostgreSQL's first one anew, and Redis' beside a roll."""

from __future__ import annotations

from collections.abc import Mapping

from components.base.content import digest
from components.base.gate import TRIGGERS
from components.platform_kv import servers_of
from components.redis_specs import AUTH
from safeguards import made
from safeguards.refusal import Refusal
from safeguards.state import LastState, Outputs
from settings import Commands, Settings
from settings.database import DatabaseSettings
from settings.redis import RedisSettings

_FIRST = "1"


def refuse_first_password(settings: Settings, state: LastState, commands: Commands) -> None:
    """Raise Refusal when the password of a database that is there would be generated as the first one is.

    A first password is published beside the database's gate, and any other one once PostgreSQL knows it.
    """
    database = settings.database
    if not isinstance(database, DatabaseSettings) or settings.database_password or database.password_rotation > 1:
        return
    rotation = _rotation(state.outputs(*made.DATABASE_PASSWORD))
    if rotation == _FIRST or not state.outputs(*made.DATABASE):
        return
    raise Refusal(
        "database.passwordRotation: it was lowered to 1, or databasePassword was removed, and Infisical would get the "
        "password that replaces it before PostgreSQL knows it. "
        + (
            f"Set it back: {commands.set('database.passwordRotation', rotation)}"
            if rotation
            else f"Set a higher number: {commands.set('database.passwordRotation', '2')}"
        )
    )


def refuse_rotation_in_a_roll(settings: Settings, state: LastState, commands: Commands) -> None:
    """Raise Refusal when one `up` would change Redis' password and its servers.

    A server that starts after the password has changed knows the new one alone, and Infisical has the old one until all
    servers are there.
    """
    redis = settings.redis
    if not isinstance(redis, RedisSettings) or not _redis_rotates(settings, redis, state):
        return
    compared = state.outputs(*made.REDIS_COMPARED)
    annotations: Mapping[str, str] = (
        compared.get("spec", {}).get("template", {}).get("metadata", {}).get("annotations") or {}
    )
    if annotations.get(TRIGGERS, "") in ("", digest([servers_of(redis)])):
        return
    raise Refusal(
        "redis: its servers would be replaced in the `up` that changes their password, and Infisical could not log in "
        "to them until all are there. Take the password's change back, which is redis.passwordRotation or "
        f"redisPassword, and {commands.pulumi('up')}. Then change the password alone"
    )


def _redis_rotates(settings: Settings, redis: RedisSettings, state: LastState) -> bool:
    """Whether servers that are there get another password. What it would be replaced with is not looked at here."""
    before = state.secret(AUTH).get("password")
    if not before:
        return False
    if given := settings.redis_password:
        return given.get_secret_value() != before
    return str(redis.password_rotation) != _rotation(state.outputs(*made.REDIS_PASSWORD))


def _rotation(generated: Outputs) -> str:
    """Return the number of a generated password; empty where the last update was given one."""
    keepers: Mapping[str, str] = generated.get("keepers") or {}
    return keepers.get("rotation", _FIRST) if generated else ""
