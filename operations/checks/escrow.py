"""Check that the encryption key lies somewhere else too, that it is the one that is deployed, and what backups need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.base.names import type_token
from operations.checks.result import Result, fail, ok, warn
from operations.cluster import Cluster
from operations.escrow import archive_of
from operations.pulumi import Stack
from operations.state import outputs_of
from settings import Settings
from settings.escrow import EscrowSettings

_SECRETS = type_token("InfisicalSecrets")


def escrow(stack: Stack, _: Cluster, settings: Settings) -> Iterator[Result]:
    """Compare what `make escrow` noted in the stack file with what is deployed."""
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
    elif lacking := _lacking(kept, _backup(stack)):
        yield warn(subject, f"of {kept.date}, and without {' and '.join(lacking)}", fix)
    else:
        yield ok(subject, f"of {kept.date}, of the key that is deployed")


def _lacking(kept: EscrowSettings, backup: Mapping[str, str]) -> list[str]:
    """Return what a restore could need and the escrow doesn't have. Recipients open backups all the same."""
    passphrase, archive = backup.get("passphraseLabel", ""), archive_of(backup)
    found = {
        "the passphrase that backups have now": passphrase and passphrase != kept.passphrase_label,
        "the archive that the database writes to now": archive and archive != kept.archive,
    }
    return [what for what, lacks in found.items() if lacks]


def _backup(stack: Stack) -> Mapping[str, str]:
    """Return the stack's output `backup`, nothing without backups."""
    return outputs_of(stack, "pulumi:pulumi:Stack").get("backup") or {}


def _deployed_label(stack: Stack) -> str:
    """Return the label of the deployed key, empty before this release's first `up`."""
    return outputs_of(stack, _SECRETS).get("keyLabel", "")
