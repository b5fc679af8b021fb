"""Run a program until a deadline, and say in one line why it failed."""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from job import ConfigError, Failed

_SAID = 600  # characters of what a program wrote that fit beside the rest of the last line


class Deadline:
    """The moment at which all that is still running is given up."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Return the seconds that are left. Raises Failed when none are."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise Failed(f"not done within {self.seconds:.0f} s")
        return left


def run_program(
    command: Sequence[str],
    deadline: Deadline,
    *,
    environment: Mapping[str, str] | None = None,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
) -> str:
    """Return what a program prints. Raises Failed with its last words, and ConfigError where the image lacks it."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            stdin=stdin,
            capture_output=True,
            timeout=deadline.remaining,
            env={**os.environ, **(environment or {})},
        )
    except FileNotFoundError as error:
        raise ConfigError(f"the image has no {name}") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{name} was not done within {deadline.seconds:.0f} s") from error
    if done.returncode:
        raise Failed(f"{name} {_how(done.returncode)}: {last_words(done.stderr)}")
    return done.stdout.decode(errors="replace")


def last_words(stderr: bytes) -> str:
    """Return the end of what a program wrote, on one line."""
    return " ".join(stderr.decode(errors="replace").split())[-_SAID:] or "it said nothing"


def require(*programs: str) -> None:
    """Raise ConfigError where the image lacks one of the programs."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        raise ConfigError(f"the image has no {', '.join(missing)}; backup.image names the image of the database's pods")


def _how(status: int) -> str:
    return f"was killed by signal {-status}" if status < 0 else f"ended with {status}"
