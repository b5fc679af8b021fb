"""Start a node's daemons, watch them, and end the node with the first of them that dies."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from embedded.instance import NodePlace

START_LIMIT_SECONDS = 180  # a machine that builds at the same time is slow


class Daemons:
    """The daemons of one node. When one dies, `failure` in the node's folder says which, with its last lines."""

    def __init__(self, place: NodePlace, binaries: Path) -> None:
        self._place = place
        self._binaries = binaries
        self._running: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}

    def start(self, name: str, *arguments: str | Path, program: str = "", **environment: str) -> None:
        """Start the program `name`, or the one at the path `program`. Its output goes to the log of that name."""
        log = (self._place.logs / f"{name}.log").open("ab")
        path = f"{self._binaries}:/usr/sbin:/usr/bin:/sbin:/bin"
        process = subprocess.Popen(
            [program or self._binaries / name, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={"PATH": path, "HOME": str(self._place.folder), **environment},
        )
        self._running[process.pid] = (name, process)  # kept, because a dropped Popen would collect its process itself

    def wait(self, name: str, ready: Callable[[], bool]) -> None:
        """Wait until `name` is ready, and end the node when it doesn't become so."""
        limit = time.monotonic() + START_LIMIT_SECONDS
        while not ready():
            self._reap(os.WNOHANG)
            if time.monotonic() > limit:
                self._fail(name, f"was not ready within {START_LIMIT_SECONDS} s")
            time.sleep(0.1)

    def watch(self) -> None:
        """Collect ended processes until a daemon is among them."""
        while True:
            self._reap(0)

    def _reap(self, options: int) -> None:
        """Collect ended processes, orphans of pods among them. A daemon's end is the node's."""
        while True:
            try:
                pid, status = os.waitpid(-1, options)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._running:
                self._fail(self._running[pid][0], f"ended with status {os.waitstatus_to_exitcode(status)}")

    def _fail(self, name: str, what: str) -> None:
        last = (self._place.logs / f"{name}.log").read_text(errors="replace").splitlines()[-10:]
        (self._place.folder / "failure").write_text("\n".join([f"{name} {what}; its last lines:", *last]) + "\n")
        sys.exit(1)
