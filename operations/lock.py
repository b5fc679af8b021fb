"""Say who holds a stack's lock, as far as its backend tells, and ask before that is cancelled."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from operations.errors import OperationError
from operations.pulumi import Stack
from operations.state_file import folder_of, project_of

_TWO = "two at once write two states, of which one is lost"
_IN_PROGRESS = re.compile(r"Update in progress:\s*Started: (?P<since>.+)\s*Requested By: (?P<who>.+)")


def ask_before_release(stack: Stack, *, yes: bool) -> None:
    """Ask before the lock of a run that may live is cancelled, unless `yes`. Raises OperationError if it stays.

    Nobody is asked where the backend says that nobody holds it.
    """
    held = holders(stack)
    if held is not None and not held:
        return
    if held:
        print("\n".join([f"the lock of stack {stack.name} is held by", *(f"  {each}" for each in held)]), flush=True)
    else:
        print(f"the backend of stack {stack.name} does not tell whether somebody's run holds its lock", flush=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise OperationError(
            f"the lock may be that of a run that lives, and {_TWO}; nobody is there to ask, so nothing was changed. "
            f"Once no run lives: `{stack.commands.make('repair', OPTIONS='--yes')}`"
        )
    print(f"If that run lives, wait for its end: {_TWO}.")
    if input("Is that run dead? Then its lock is released. [y/N] ").strip().lower() not in ("y", "yes"):
        raise OperationError("the lock stays, and nothing was changed")


def holders(stack: Stack) -> list[str] | None:
    """Return who holds the lock; None where the backend tells that only to who wants it. Raises OperationError."""
    backend = stack.backend
    if folder := folder_of(backend):
        return sorted(_in_a_folder(folder, stack))
    if backend.startswith("http"):  # Pulumi Cloud
        return [f"{found['who']}, begun {found['since']}" for found in _IN_PROGRESS.finditer(stack.run("stack"))]
    return None


def _in_a_folder(folder: Path, stack: Stack) -> Iterator[str]:
    name, locks = stack.name.rpartition("/")[2], folder / ".pulumi" / "locks"
    for place in (locks / "organization" / project_of(stack) / name, locks / name):  # the second before Pulumi 3.61
        for file in place.glob("*.json"):
            with suppress(FileNotFoundError):  # that run has just ended
                yield _holder(file)


def _holder(file: Path) -> str:
    try:
        said = json.loads(file.read_bytes())
        return f"{said['username']}@{said['hostname']} (pid {said['pid']}), since {said['timestamp']}"
    except (ValueError, TypeError, KeyError):
        return f"a run whose lock file can't be read: {file.name}"
