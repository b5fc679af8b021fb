"""Refuse to drop an application that pods may still get their secrets from."""

from __future__ import annotations

from safeguards.refusal import Refusal
from safeguards.state import LastState
from settings import Commands, Settings
from settings.machinery.finding import key_path

_TYPE = "infisical-platform:components:ApplicationSecrets"


def refuse_dropped_applications(settings: Settings, state: LastState, commands: Commands) -> None:
    """Raise Refusal when an application of the last state is no longer in the settings, and was not retired first."""
    known: list[str] = state.outputs(_TYPE, "application-secrets").get("applications") or []
    dropped = sorted(set(known) - settings.applications.keys())
    if not dropped:
        return
    key = key_path("applications", dropped[0], "retired")
    raise Refusal(
        f"{key_path('applications', dropped[0])}: the stack has this application, and the stack file no longer does. "
        "Pods may still get their secrets from it, and its project would stay without an owner. Retire it first: "
        f"{commands.set(key, 'true')}, then {commands.pulumi('up')}. What was delivered stays in the cluster, and the "
        "key can go afterwards"
    )
