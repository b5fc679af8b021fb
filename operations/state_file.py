"""Mend a state that a kill has left unreadable. Only a backend that is a folder (`file://`) can have one.

Pulumi writes the state into a new file and renames that, so a kill leaves the old one whole. But what it notes about
the file, in `prod.json.attrs` beside it, it writes in place: a kill in between leaves that empty, and Pulumi then reads
neither ("failed to load checkpoint: EOF"). A cut of the power can leave the state itself empty or cut off as well.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from operations.errors import OperationError
from operations.pulumi import PROJECT, ROOT, Stack

_NOTE = ".attrs"
_TORN = ".torn-"
_MENDED = ".mended"  # not yet in its place


def mend(stack: Stack) -> str:
    """Put the newest copy that can be read in the place of a state that can't. Return what was done.

    A state that can be read stays as it is. Raises OperationError when there is no copy.
    """
    folder = folder_of(stack.backend)
    if not folder:
        return "is not in a folder, and the backend keeps it whole"
    file = _file(folder, stack)
    if not file:
        return "there is none yet"
    done = []
    if _read(file) is None:
        done.append(_put_back(file, folder, stack))
    note = file.with_name(file.name + _NOTE)
    if note.exists() and _read(note) is None:
        done.append(f"{note.name} was cut off, and is {_aside(note).name} now; Pulumi needs none")
    return "; ".join(done) or "can be read"


def folder_of(backend: str) -> Path | None:
    """Return the folder that a backend's address names, or None for any other backend."""
    address = urlsplit(backend)
    if address.scheme != "file":
        return None
    return ROOT / Path(unquote(f"{address.netloc}{address.path}")).expanduser()


def _file(folder: Path, stack: Stack) -> Path | None:
    """Return the file that Pulumi would read: the newer one, where the stack has one with and one without gzip."""
    name, stacks = stack.name.rpartition("/")[2], folder / ".pulumi" / "stacks"
    for place in (stacks / project_of(stack), stacks):  # before Pulumi 3.61, a folder had no projects
        there = [file for file in (place / f"{name}.json.gz", place / f"{name}.json") if file.exists()]
        if there:
            return max(there, key=lambda file: file.stat().st_mtime_ns)
    return None


def project_of(stack: Stack) -> str:
    """Return the project that the stack's whole name has, or else this one."""
    parts = stack.name.split("/")
    return parts[1] if len(parts) == 3 else PROJECT


def _put_back(file: Path, folder: Path, stack: Stack) -> str:
    copies = sorted(_copies(file, folder, stack), key=lambda copy: copy.stat().st_mtime_ns, reverse=True)
    newest = next((copy for copy in copies if _is_state(copy)), None)
    if not newest:
        raise OperationError(
            f"{file} can't be read, and there is no copy that can: neither beside it nor in .pulumi/backups. The "
            "stack's resources run on; docs/runbooks/state-lost.md takes them over"
        )
    written = f"{datetime.fromtimestamp(newest.stat().st_mtime, UTC):%Y-%m-%dT%H:%M:%SZ}"
    torn = _aside(file, keep=True)
    ready = file.with_name(f"{file.name}{_MENDED}")
    shutil.copy(newest, ready)
    with ready.open("rb") as copy:
        os.fsync(copy.fileno())
    file.with_name(file.name + _NOTE).unlink(missing_ok=True)  # it is about the torn one
    ready.replace(file)
    return (
        f"{file.name} was cut off, and is {torn.name} now; in its place is the newest copy that can be read, "
        f"{newest.name} of {written}. What was noted later is lost: the steps below look for it, and `up` takes it over"
    )


def _copies(file: Path, folder: Path, stack: Stack) -> Iterator[Path]:
    """Yield what Pulumi leaves: the state before, one that it had not renamed yet, and those before each update."""
    within = file.parent.relative_to(folder / ".pulumi" / "stacks")
    backups = folder / ".pulumi" / "backups" / within / stack.name.rpartition("/")[2]
    for copy in [*file.parent.glob(f"{file.name}.*"), *backups.glob("*.json*")]:
        if not copy.name.endswith((_NOTE, _MENDED)) and _TORN not in copy.name:
            yield copy


def _is_state(file: Path) -> bool:
    content = _read(file) or {}
    return "checkpoint" in content or "latest" in content  # the second in the oldest form


def _read(file: Path) -> dict[str, Any] | None:
    """Return the object in a file of JSON, compressed or not; None where there is none, or only a part of it."""
    content = file.read_bytes()
    try:
        parsed = json.loads(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
    except (ValueError, EOFError, OSError, zlib.error):
        return None
    return parsed if isinstance(parsed, dict) else None


def _aside(file: Path, *, keep: bool = False) -> Path:
    """Move a torn file to a name that Pulumi takes for nothing, or copy it there, and return that."""
    torn = file.with_name(f"{file.name}{_TORN}{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}")
    shutil.copy2(file, torn) if keep else file.replace(torn)
    return torn
