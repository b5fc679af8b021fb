"""Refuse a lower version of PostgreSQL than the data has."""

from __future__ import annotations

from safeguards import made
from safeguards.refusal import Refusal
from safeguards.state import LastState
from settings import Commands, Settings
from settings.external import ExternalDatabase


def refuse_downgrade(settings: Settings, state: LastState, commands: Commands) -> None:
    """Raise Refusal when the major version is lower than that of the data. The message says the way back.

    The operator accepts a lower version and ignores it, because an upgrade has rewritten the data for good.
    """
    if isinstance(settings.database, ExternalDatabase):
        return
    before, after = _version(state), settings.database.version
    if before is None or int(after) >= int(before):
        return
    raise Refusal(
        f"database.version: the data is of PostgreSQL {before}, and {after} can't read it, so the operator would "
        f"ignore the change. Set it back: {commands.set('database.version', before)}. To go back to {after}, deploy a "
        "new stack with it and restore a dump from before the upgrade"
    )


def _version(state: LastState) -> str | None:
    """Return the version that the database gate has seen on the server, or None when the gate failed.

    After a failed gate the way back is open. The version that was asked for counts only when no gate has compared it
    with the server.
    """
    asked: str | None = state.outputs(*made.DATABASE).get("spec", {}).get("postgresql", {}).get("version")
    gate = state.outputs(*made.DATABASE_LOGGED_IN)
    containers = gate.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
    variables = [variable for container in containers for variable in container.get("env", [])]
    compared = next((variable["value"] for variable in variables if variable["name"] == "MAJOR_VERSION"), None)
    if compared is None:
        return asked
    return compared if gate.get("status", {}).get("succeeded") else None
