"""Check that the encryption key lies somewhere else too, and that it is the one that is deployed."""

from __future__ import annotations

from collections.abc import Iterator

from components.base.names import type_token
from operations.checks.result import Result, fail, ok, warn
from operations.cluster import Cluster
from operations.pulumi import Stack
from operations.state import resources_of
from settings import Settings

_SECRETS = type_token("InfisicalSecrets")


def escrow(stack: Stack, _: Cluster, settings: Settings) -> Iterator[Result]:
    """Compare the label that `make escrow` noted in the stack file with that of the deployed key."""
    subject, kept, label = "escrow", settings.escrow, _deployed_label(stack)
    fix = (
        f"{stack.commands.make('escrow', RECIPIENT='age1…')}, keep the file away from the cluster, and commit the note"
    )
    if not settings.cluster.protect and not kept:
        yield ok(subject, "none, as cluster.protect says that the data may go")
    elif not label:
        yield ok(subject, f"of {kept.date}" if kept else "nothing to keep before the first `up`")
    elif not kept:
        yield warn(subject, "none is noted: who loses the state and the cluster loses all that users stored", fix)
    elif kept.key_label != label:
        seen = f"older than the key: it is of {kept.date} and of key {kept.key_label}, and the key is {label}"
        yield fail(subject, seen, fix)
    else:
        yield ok(subject, f"of {kept.date}, of the key that is deployed")


def _deployed_label(stack: Stack) -> str:
    """Return the label of the deployed key, empty before this release's first `up`."""
    for resource in resources_of(stack.deployment):
        if resource["type"] == _SECRETS:
            return (resource.get("outputs") or {}).get("keyLabel", "")
    return ""
