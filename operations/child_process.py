"""Wait for a child process that gets the terminal's interrupt as well."""

from __future__ import annotations

import subprocess


def outlast(process: subprocess.Popen[str]) -> str:
    """Wait until the process has ended, and return what it printed into a pipe. Raises KeyboardInterrupt afterwards.

    Pulumi completes what it has begun when it is interrupted. A kill would leave the stack locked.
    """
    interrupted = False
    while True:
        try:
            printed, _ = process.communicate()
            break
        except KeyboardInterrupt:
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    return printed or ""
