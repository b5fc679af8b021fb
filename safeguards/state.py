"""The state that the last update left, read through the engine."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.runtime import invoke

Outputs = Mapping[str, Any]


class LastState:
    """The outputs of a stack's resources after its last update, with secrets decrypted. A new stack has none."""

    def __init__(self, resources: Mapping[str, Mapping[str, Any]]) -> None:
        self._outputs: dict[tuple[str, str], Outputs] = {
            (resource["type"], urn.rpartition("::")[2]): resource["outputs"] for urn, resource in resources.items()
        }

    def outputs(self, type_: str, name: str) -> Outputs:
        """Return the outputs of a resource by its Pulumi type and logical name. A resource that is absent has none."""
        return self._outputs.get((type_, name), {})

    def every(self, type_: str) -> list[Outputs]:
        """Return the outputs of each resource of a Pulumi type."""
        return [outputs for (each, _), outputs in self._outputs.items() if each == type_]

    def secret(self, name: str) -> dict[str, str]:
        """Return what a Kubernetes Secret has, by its logical name."""
        encoded: Mapping[str, str] = self.outputs("kubernetes:core/v1:Secret", name).get("data") or {}
        return {key: base64.b64decode(value).decode() for key, value in encoded.items()}


# Of a folder or bucket from before Pulumi 3.61, whose stacks have no project in their names.
_NO_PROJECTS = "a stack name may only contain"


def last_state() -> LastState:
    """Ask the engine for the state of the stack that is being updated."""
    stack = pulumi.get_stack()
    try:
        return LastState(_resources(f"{pulumi.get_organization()}/{pulumi.get_project()}/{stack}"))
    except Exception as error:  # Pulumi raises nothing narrower
        if _NO_PROJECTS not in str(error):
            raise
        return LastState(_resources(stack))


def _resources(stack: str, attempts: int = 5) -> Mapping[str, Mapping[str, Any]]:
    """Return resources by URN. Ask again while the engine writes the state, as it does for a new stack.

    A backend of files replaces the state at once, but not the small file of attributes beside it (gocloud.dev's
    fileblob, setAttrs), which is empty for a moment: "failed to load checkpoint: EOF".
    """
    try:
        answer = invoke("pulumi:pulumi:readStackResourceOutputs", {"stackName": stack}).value
    except Exception as error:  # Pulumi raises nothing narrower
        if attempts == 1 or "failed to load checkpoint" not in str(error):
            raise
        return _resources(stack, attempts - 1)
    return answer["outputs"] if answer else {}
