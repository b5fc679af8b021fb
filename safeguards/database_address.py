"""Refuse to lead Infisical to a different database of somebody else's, because no data goes along by itself."""

from __future__ import annotations

import re

from components.base.names import INFISICAL_SECRET
from safeguards.refusal import Refusal
from safeguards.state import LastState
from settings import Commands, Settings
from settings.external import ExternalDatabase


def refuse_other_address(settings: Settings, state: LastState, commands: Commands) -> None:
    """Raise Refusal when Infisical would leave its database, unless `database.movedFrom` names that."""
    database = settings.database
    uri = state.secret(INFISICAL_SECRET).get("DB_CONNECTION_URI", "")
    before = uri.rpartition("@")[2]
    if not before or not isinstance(database, ExternalDatabase) or before in (database.address, database.moved_from):
        return
    found = re.fullmatch(r"(?P<host>.+):(?P<port>\d+)/(?P<name>.+)", before)
    kept = found.groupdict() if found else {}
    changed = [key for key, value in kept.items() if value != f"{getattr(database, key)}"] or ["host"]
    back = " && ".join(commands.set(f"database.{key}", kept[key]) for key in changed if kept)
    raise Refusal(
        f"database.{changed[0]}: this stack's data is in {before}, and the settings lead to {database.address}. No "
        "data goes along by itself, and on an empty database Infisical would begin anew and belong to whoever signs up "
        f"first. To stay: {back}. Once you have copied the data (docs/external.md): "
        f"{commands.set('database.movedFrom', before)}"
    )
