"""Tell this cluster's backups from those of others in the same place: a drill, a copy, the cluster before.

Two platforms may well have the same key and passphrase. So a manifest says which database it is of, and the status of
this cluster says which ones it has had: a postgresql resource that is made anew has a new uid.
"""

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from backup_manifest import MANIFEST, SEALED, complete, identifier_of
from backup_target import Target
from job import Failed
from s3 import Missing


class Own:
    """The backups of a target that are of this cluster. `database`: what it has now, where that is known."""

    def __init__(self, target: Target, told: Mapping[str, str], database: str = "") -> None:
        self._target = target
        self._known: dict[str, str | None] = {}
        # By lines: the name of a database outside may have a space.
        self.databases: list[str] = told.get("clusters", "").splitlines()
        if not self.databases and (last := told.get("lastName")):  # of a release that did not tell
            self.databases = [each for each in [self._database_of(last)] if each]
        if database and database not in self.databases:
            self.databases.append(database)

    def has(self, name: str) -> bool | None:
        """Return whether a backup is of this cluster, None for one that does not say."""
        of = self._database_of(name)
        return None if of is None else of in self.databases

    def _database_of(self, name: str) -> str | None:
        if name not in self._known:
            self._known[name] = _said(self._target, name)
        return self._known[name]


def chosen(names: Iterable[str], wanted: str, own: Own) -> str:
    """Return the backup that is meant by `latest`, by a whole name, or by its identifier. Raises Failed.

    Only a whole name means a backup of another cluster. Of several with one identifier it is the newest: the first was
    made before an earlier change of the same kind.
    """
    there = complete(names)
    if wanted in there:
        return wanted
    if (whole := wanted.removesuffix(SEALED).removesuffix(MANIFEST)) in there:
        return whole
    matching = [name for name in reversed(there) if wanted in ("latest", identifier_of(name))]
    # One whose manifest is damaged is not passed over: who reads it says so.
    mine = next((name for name in matching if own.has(name) is not False), None)
    if mine:
        return mine
    newest = ", ".join(reversed(there[-5:])) or "none at all"
    if matching:
        raise Failed(
            f"no backup {wanted} is of this cluster, and one of another is named whole; the newest are {newest}"
        )
    raise Failed(f"there is no complete backup {wanted}; the newest are {newest}")


def chosen_anywhere(names: Iterable[str], wanted: str, own: Own) -> str:
    """Return as `chosen` does; `latest` is the newest of all for a cluster that has no backup yet, as a new one."""
    names = [*names]
    there = complete(names)
    if wanted == "latest" and there and all(own.has(name) is False for name in there):
        return there[-1]
    return chosen(names, wanted, own)


def strangers(names: Iterable[str], name: str, own: Own) -> str:
    """Return what is to be said of this choice, beginning with a semicolon; nothing where there are no others."""
    if own.has(name) is False:
        return f"; {name} is of another cluster"
    newer = [each for each in complete(names) if each > name and own.has(each) is False]
    if not newer:
        return ""
    return f"; {len(newer)} newer ones are of another cluster, and only a whole name means one of them: {newer[-1]}"


def _said(target: Target, name: str) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "manifest")
        try:
            target.fetch(name + MANIFEST, file)
            return str(json.loads(file.read_text())["cluster"])
        except (Missing, ValueError, TypeError, KeyError):
            return None
