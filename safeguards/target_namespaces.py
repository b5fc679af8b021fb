"""Refuse to deliver into a namespace that isn't there, because its Roles can't be made and `up` would end half-way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safeguards.kubectl import Kubectl
from safeguards.refusal import Refusal
from settings import Settings


def refuse_missing_namespaces(settings: Settings, live: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise Refusal when the cluster lacks a namespace that gets something."""
    missing = [name for name in settings.target_namespaces if name not in live]
    if missing:
        kubectl = Kubectl.of(settings.cluster)
        commands = " && ".join(kubectl.command(f"create namespace {name}") for name in missing)
        raise Refusal(
            f"applications: secrets are delivered into {', '.join(missing)}, and the cluster has no such namespace. "
            f"The stack makes its own ones alone. Make it, or wait for whoever deploys the application: `{commands}`"
        )
