"""Refuse the backup of a server that moves in where it is of an earlier attempt."""

import calendar
import time

from backup_manifest import Manifest
from job import Failed


def refuse_late(manifest: Manifest, within_seconds: float | None) -> None:
    """Raise Failed where a backup is older than this, since its server may have been used again meanwhile."""
    if within_seconds is None:
        return
    taken = calendar.timegm(time.strptime(manifest.time, "%Y-%m-%dT%H:%M:%SZ"))
    if time.time() - taken > within_seconds:
        raise Failed(
            f"{manifest.name} was taken at {manifest.time}, and one attempt to move in takes no longer than "
            f"{within_seconds / 60:.0f} minutes: what was written to the old server since then would be lost; nothing "
            "has changed. Scale that Infisical to 0, choose a different restore.id, which takes its data anew, and run "
            "`pulumi up` again"
        )
