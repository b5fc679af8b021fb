"""Describe a backup beside it. The manifest is written last, so a backup that has one is complete."""

import json
import re
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backup_target import Target
from job import Failed

FORMAT = 1
SEALED, MANIFEST = ".dump.gpg", ".json"
# Sorted by name they are sorted by time, which is UTC.
_NAME = re.compile(r"infisical-\d{8}T\d{6}Z-[0-9a-f]{8,32}")


@dataclass(frozen=True)
class Manifest:
    """One backup.

    size, sha256: of the encrypted file. tables: rows of each, of the moment of the dump. migration: the newest that has
    run. image: the release that has made the data, where it is known. cluster: uid of the postgresql resource, and of a
    database outside its address.
    """

    format: int
    name: str
    size: int
    sha256: str
    seconds: float
    server: int
    migration: str
    migrations: int
    tables: dict[str, int]
    key_label: str
    recipients: list[str]
    cluster: str
    image: str | None = None

    @property
    def object(self) -> str:
        """Return the name of the encrypted file."""
        return self.name + SEALED

    @property
    def time(self) -> str:
        """Return when it was made, as 2026-11-26T11:34:02Z."""
        day, _, clock = self.name.split("-")[1].partition("T")
        return f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}"

    def write(self, target: Target) -> None:
        """Write it to the target, and read it back."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "manifest")
            file.write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")
            target.put(self.name + MANIFEST, file)
        if read(target, self.name) != self:
            raise Failed(f"{self.name}{MANIFEST} reads back different from what was written")


_KINDS = {"name": str, "size": int, "sha256": str, "server": int, "migration": str, "tables": dict, "key_label": str}


def name_of(stamp: str, identifier: str) -> str:
    """Return the name of a backup, without the end of either of its files."""
    return f"infisical-{stamp}-{identifier}"


def identifier_of(name: str) -> str:
    """Return what the name of a backup ends with."""
    return name.rpartition("-")[2]


def complete(names: Iterable[str]) -> list[str]:
    """Return the backups that have both files, the oldest first."""
    found = set(names)
    stems = (name.removesuffix(MANIFEST) for name in found if name.endswith(MANIFEST))
    return sorted(stem for stem in stems if _NAME.fullmatch(stem) and stem + SEALED in found)


def incomplete(names: Iterable[str]) -> list[str]:
    """Return the objects of ours that belong to no complete backup."""
    found = set(names)
    whole = set(complete(found))
    return sorted(name for name in found if (stem := _stem(name)) and stem not in whole)


def read(target: Target, name: str) -> Manifest:
    """Return the manifest of a backup. Raises Failed where it is not one."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "manifest")
        target.fetch(name + MANIFEST, file)
        try:
            document: dict[str, Any] = json.loads(file.read_text())
            number = document["format"]
        except (ValueError, TypeError, KeyError) as error:
            raise Failed(f"{name}{MANIFEST} is no manifest: it was damaged") from error
    if number != FORMAT:
        raise Failed(f"{name}{MANIFEST} has format {number}, and this release reads {FORMAT}")
    try:
        manifest = Manifest(**document)
    except TypeError as error:
        raise Failed(f"{name}{MANIFEST} is damaged: {error}") from error
    wrong = [key for key, kind in _KINDS.items() if not isinstance(document[key], kind)]
    if wrong:
        raise Failed(f"{name}{MANIFEST} is damaged: {', '.join(wrong)}")
    if manifest.name != name:
        raise Failed(f"{name}{MANIFEST} describes {manifest.name}")
    return manifest


def _stem(name: str) -> str:
    for end in (SEALED, MANIFEST):
        if name.endswith(end) and _NAME.fullmatch(name.removesuffix(end)):
            return name.removesuffix(end)
    return ""
