"""Refuse a different kind of database where there is data, because no data moves by itself."""

from __future__ import annotations

from collections.abc import Mapping

from safeguards import made
from safeguards.refusal import Refusal
from safeguards.state import LastState
from settings import Commands, Settings

# What the last update has made for each kind.
_MADE: Mapping[str, Mapping[str, made.Made]] = {
    "database": {"operator": made.DATABASE, "external": made.EXTERNAL_DATABASE},
    "redis": {"operator": made.REDIS, "external": made.EXTERNAL_REDIS},
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
        for before, resource in kinds.items()
        if before != wanted[section] and state.outputs(*resource)
    ]
    if lines:
        raise Refusal("\n".join([*lines, f"{_WAY}."]))
