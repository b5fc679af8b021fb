"""Refuse a different kind of database where there is data, because no data moves by itself."""

from __future__ import annotations

from collections.abc import Mapping

from safeguards.refusal import Refusal
from safeguards.state import LastState
from settings import Commands, Settings

# What the last update has made for each kind, as Pulumi's type and logical name.
_MADE: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "database": {
        "operator": ("kubernetes:acid.zalan.do/v1:postgresql", "platform-db-cluster"),
        "external": ("kubernetes:core/v1:Secret", "platform-db-external"),
    },
    "redis": {
        "operator": ("kubernetes:redis.redis.opstreelabs.in/v1beta2:RedisReplication", "platform-kv-replication"),
        "external": ("kubernetes:core/v1:Secret", "platform-kv-login-secret"),
    },
}
_LOST = {
    "database": "all that users stored is in the database of before, and Infisical would begin with an empty one",
    "redis": "the jobs that wait in the queues of before, such as syncs and rotations, would be lost",
}
_WAY = (
    "The way is a backup and a restore, into a new stack that has the other kind from the beginning: docs/external.md"
)


def refuse_other_kind(settings: Settings, state: LastState, commands: Commands) -> None:
    """Raise Refusal when a database or a Redis would be exchanged for one of the other kind."""
    wanted = {"database": settings.database.kind, "redis": settings.redis.kind}
    lines = [
        f"{section}.kind: this stack has {before}, and {wanted[section]} is asked for: {_LOST[section]}. "
        f"Set it back: {commands.set(f'{section}.kind', before)}"
        for section, kinds in _MADE.items()
        for before, made in kinds.items()
        if before != wanted[section] and state.outputs(*made)
    ]
    if lines:
        raise Refusal("\n".join([*lines, f"{_WAY}."]))
