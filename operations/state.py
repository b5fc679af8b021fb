"""Change a stack's state where the engine itself can't do so any more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from operations.cluster import Cluster
from operations.pulumi import Stack
from safeguards import LastState

PROVIDER = "pulumi:providers:kubernetes"


def resources_of(deployment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a state's resources; none for a new stack."""
    return deployment.get("resources") or []


def outputs_of(stack: Stack, type_: str) -> Mapping[str, Any]:
    """Return the outputs of the one resource of a type, nothing where there is none. Secrets stay encrypted."""
    for resource in resources_of(stack.deployment):
        if resource["type"] == type_:
            return resource.get("outputs") or {}
    return {}


def state_of(stack: Stack) -> LastState:
    """Return the last update's state as safeguards read it. Secrets stay encrypted."""
    resources = resources_of(stack.deployment)
    return LastState({r["urn"]: {"type": r["type"], "outputs": r.get("outputs", {})} for r in resources if "urn" in r})


def write_copy(stack: Stack) -> Path:
    """Write a copy of the state into a file of the working directory. Secrets stay encrypted."""
    copy = Path(f"state-{stack.name.replace('/', '-')}-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.json").absolute()
    with copy.open("x") as file:
        copy.chmod(0o600)
        file.write(stack.exported)
    return copy


def leave_kubeconfig_out(stack: Stack, _: Cluster) -> str:
    """Replace the last update's kubeconfig and context by those of the stack file, or by none.

    The provider reads the last update's file before it compares, so every command fails on a machine without that file.
    A refresh goes to the last update's context, which may be the name of a different cluster by now.
    """
    said = stack.settings().cluster
    wanted = {"kubeconfig": said.kubeconfig or "", **({"context": said.context} if said.context else {})}
    deployment = stack.deployment
    stale = [
        values
        for resource in resources_of(deployment)
        for values in (resource.get("inputs", {}), resource.get("outputs", {}))
        if resource["type"] == PROVIDER and way_of(values) != (said.context, said.kubeconfig)
    ]
    if not stale:
        return "no path of another machine is in the state"
    for values in stale:
        values.pop("context", None)
        values |= wanted
    copy = write_copy(stack)
    stack.replace_deployment(deployment)
    return f"taken out of the state; the state as it was: {copy}"


def way_of(provider: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the context and the kubeconfig of a provider's inputs or outputs."""
    return provider.get("context") or None, provider.get("kubeconfig") or None
