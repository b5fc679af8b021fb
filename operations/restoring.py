"""Help to write a restore into the stack file. `pulumi up` restores, and asks for more first."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from operations.checks.backup import status_of
from operations.cluster import Cluster, Unanswered
from operations.errors import OperationError
from operations.own_cluster import refuse_known_elsewhere
from operations.pulumi import Stack
from operations.table import table
from settings.machinery.loader import parsed
from settings.names import Names

_REMARKS = {"rehearsedName": "restored in the last rehearsal", "beforeName": "made before the last change"}
LISTED = 100  # of the newest backups the Jobs tell the names


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """List the backups, write `restore` for one of them, or confirm it. Return 0. Raises OperationError."""
    # Not the checked settings: a private key for this restore may be there already, and is refused without one.
    said = {key: parsed(key, value) for key, value in stack.visible.items()}
    cluster, restore = said.get("cluster") or {}, said.get("restore") or {}
    if not said.get("backup"):
        raise OperationError("the stack has no section backup, so it has no backup to restore: docs/backup.md")
    if arguments.confirm:
        return _confirm(stack, restore, arguments.confirm)
    refuse_known_elsewhere(stack, cluster.get("context"), cluster.get("kubeconfig"))
    names = Names(cluster.get("namePrefix") or "")
    told = _told(Cluster(cluster.get("context"), cluster.get("kubeconfig")), names)
    kept = told.get("kept", "").split()
    if not arguments.backup:
        _list(stack, kept, told)
        return 0
    chosen = _chosen(arguments.backup, kept)
    now = datetime.now(UTC)
    # The database remembers each id, and a known one restores nothing, so that every call needs one of its own.
    wanted = {"id": f"{now:%Y-%m-%d}t{now:%H%M%S}", "from": chosen}
    _write(stack, {**restore, **wanted}, wanted, [key for key in ("overwrite", "server") if restore.get(key)])
    print(f"restore of {chosen} is in the stack file; nothing has changed yet")
    print(f"next: {stack.commands.pulumi('up')}")
    print("Where there are data, it stops, says what would be lost, and prints a value. To go ahead, write that value:")
    print(f"      {stack.commands.make('restore', CONFIRM='VALUE')}")
    print(f"to think better of it, before it is confirmed: {stack.commands.remove('restore')}")
    again = f"where `{stack.commands.pulumi('up')}` was stopped on its way, run it again with the same restore.id"
    print(f"once confirmed, it is to be finished: {again}")
    return 0


def _write(stack: Stack, whole: Mapping[str, Any], changes: Mapping[str, str], gone: Sequence[str] = ()) -> None:
    """Write what has changed of the section `restore`, or all of it where the stack file has it as JSON text."""
    if isinstance(stack.visible.get("restore"), str):  # a single key would take the place of the text
        stack.set("restore", json.dumps({key: value for key, value in whole.items() if key not in gone}), secret=False)
        return
    for key, value in changes.items():
        stack.set(f"restore.{key}", value, secret=False, text=True)
    for key in gone:
        stack.remove(f"restore.{key}")


def _confirm(stack: Stack, restore: Mapping[str, Any], value: str) -> int:
    if not restore:
        raise OperationError(f"the stack asks for no restore yet: {stack.commands.make('restore', BACKUP='latest')}")
    if not re.fullmatch(r"[0-9a-f]{12}", value):
        raise OperationError("CONFIRM is not the value that the refused restore has printed: 12 hexadecimal digits")
    _write(stack, {**restore, "overwrite": value}, {"overwrite": value})
    print(f"confirmed: `{stack.commands.pulumi('up')}` now replaces all that the database has")
    return 0


def _told(cluster: Cluster, names: Names) -> dict[str, str]:
    """Return what the backup's Jobs have told; nothing of a cluster that is new, or away."""
    try:
        return (cluster.get(status_of(names)) or {}).get("data") or {}
    except Unanswered as reason:
        print(f"the cluster does not tell which backups there are: {reason}\n")
        return {}


def _list(stack: Stack, names: Sequence[str], told: Mapping[str, str]) -> None:
    if names:
        rows = [("BACKUP", "MADE (UTC)", "")]
        for name in reversed(names):
            remarks = ["newest"] * (name == names[-1])
            remarks += [remark for key, remark in _REMARKS.items() if told.get(key) == name]
            rows.append((name, _made(name), ", ".join(remarks)))
        print("\n".join(table(rows)))
    else:
        print("no list of backups is at hand; `latest` takes the newest of the target, whatever it is called")
    print(f"\nto write one into the stack file: {stack.commands.make('restore', BACKUP='latest')}")
    print("Nothing is restored before `pulumi up`, and over data not before you confirm it.")


def _chosen(wanted: str, names: Sequence[str]) -> str:
    """Return the whole name, so that a backup that is made meanwhile doesn't change what is meant."""
    if not re.fullmatch(r"latest|[0-9a-f]{8,32}|infisical-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8,32}", wanted):
        raise OperationError("BACKUP is latest, the name of a backup, or the identifier at its end")
    if wanted == "latest" and names:
        return names[-1]
    matching = [name for name in names if wanted in (name, name.rpartition("-")[2])]
    if len(matching) > 1:  # the change was made more than once, and only a person knows which time is meant
        raise OperationError(f"{len(matching)} backups end with {wanted}, so name a whole one: {', '.join(matching)}")
    if matching:
        return matching[0]
    # The list has this cluster's alone, and of many the newest. A whole name may be another cluster's: the Job knows.
    if names and len(names) < LISTED and not wanted.startswith("infisical-"):
        newest = ", ".join(reversed(names[-5:]))
        raise OperationError(
            f"this cluster has no backup {wanted}; the newest are {newest}. One of another cluster is named whole"
        )
    return wanted


def _made(name: str) -> str:
    return f"{datetime.strptime(name.split('-')[1], '%Y%m%dT%H%M%SZ'):%Y-%m-%d %H:%M:%S}"
