"""The memory of other processes."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def peak_memory(command: str) -> Iterator[Callable[[], int]]:
    """Watch processes with `command` in their command line, and note the highest resident size in bytes."""
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.01):
            for status in Path("/proc").glob("[0-9]*/status"):
                try:
                    if command.encode() in (status.parent / "cmdline").read_bytes():
                        found = re.search(r"VmHWM:\s+(\d+)", status.read_text())
                        peak = max(peak, int(found[1]) << 10 if found else 0)
                except OSError:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: peak
    finally:
        done.set()
        thread.join()
