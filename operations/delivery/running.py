"""Run Pulumi with its output on stderr, where CI systems show it while it runs."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

from operations.pulumi import Stack

# A folder or bucket says the first, Pulumi Cloud the second.
_LOCKED = re.compile(r"the stack is currently locked by|Another update is currently in progress")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command of Pulumi ended."""

    status: int
    lines: Sequence[str]

    @property
    def locked(self) -> bool:
        """Return whether it didn't begin, because somebody else's run has the stack."""
        return bool(self.status) and any(map(_LOCKED.search, self.lines))


def run_pulumi(stack: Stack, *arguments: str, show: bool = True) -> Ended:
    """Run `pulumi ARGUMENTS` on the stack. A signal to stop becomes Pulumi's own: it completes what it has begun."""
    process = stack.started(*arguments)

    def stop(_: int, __: FrameType | None) -> None:
        process.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        lines = _read(process, show)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return Ended(process.wait(), lines)


def _read(process: subprocess.Popen[str], show: bool) -> Sequence[str]:
    assert process.stdout
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if show:
            print(lines[-1], file=sys.stderr, flush=True)
    return lines
