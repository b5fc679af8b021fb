"""Make, find and end what a node has on the host: processes, a network namespace and a control group."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from embedded.errors import EmbeddedError
from embedded.instance import Instance, NodePlace

KILL_LIMIT_SECONDS = 30


class Machine:
    """One node, as the host sees it."""

    def __init__(self, instance: Instance, place: NodePlace) -> None:
        self._instance = instance
        self._place = place
        self._launched: subprocess.Popen[bytes] | None = None

    def launch(self, binaries: Path, pause_image: str) -> None:
        """Start the node's processes inside of its network namespace, which exists."""
        place = self._place
        place.logs.mkdir(parents=True, exist_ok=True)
        for stale in (place.folder / "failure", place.folder / "unenforced", place.containerd_socket):
            stale.unlink(missing_ok=True)
        self._make_cgroup()
        # --kill-child: the namespaces end with their first process, and that ends with this one.
        command = ["nsenter", f"--net=/run/netns/{place.network_namespace}", "unshare"]
        command += ["--pid", "--mount", "--uts", "--ipc", "--fork", "--mount-proc", "--kill-child=SIGKILL"]
        command += [sys.executable, "-m", "embedded.node", self._instance.name, place.name, str(binaries), pause_image]
        with (place.logs / "node.log").open("ab") as log:
            root = Path(__file__).parent.parent
            self._launched = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=root, start_new_session=True
            )

    def pids(self) -> list[int]:
        """Return the processes in the node's network namespace. Pods have their own, but end with these processes."""
        if self._place.network_namespace not in _namespaces():
            return []
        return [int(pid) for pid in sh("ip", "netns", "pids", self._place.network_namespace).split()]

    def has_ended(self) -> bool:
        """Return whether nothing of the node runs."""
        return self._launched.poll() is not None if self._launched else not self.pids()

    def failure(self) -> str:
        """Return which daemon ended the node, with its last lines; nothing when none did."""
        path = self._place.folder / "failure"
        return path.read_text() if path.exists() else ""

    def last_words(self) -> str:
        """Return the last lines that the node's first process has written."""
        return "\n".join((self._place.logs / "node.log").read_text(errors="replace").splitlines()[-3:])

    def kill(self) -> None:
        """End the node's processes as a power failure does, and remove its network namespace and control groups."""
        limit = time.monotonic() + KILL_LIMIT_SECONDS
        while pids := self.pids():
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            if time.monotonic() > limit:
                raise EmbeddedError(f"processes of instance {self._instance.name} do not end: {pids}")
            time.sleep(0.1)
        if self._place.network_namespace in _namespaces():
            sh("ip", "netns", "delete", self._place.network_namespace)
        # A group can be removed once its last process is gone, a moment after the kill.
        while remaining := self._remove_cgroups():
            if time.monotonic() > limit:
                raise EmbeddedError(f"control group {remaining} is still in use")
            time.sleep(0.1)

    def _make_cgroup(self) -> None:
        root = Path("/sys/fs/cgroup")
        if (root / "cgroup.controllers").exists():  # the unified hierarchy
            controllers = " ".join(f"+{name}" for name in (root / "cgroup.controllers").read_text().split())
            (root / "cgroup.subtree_control").write_text(controllers)
            (root / self._place.cgroup).mkdir(exist_ok=True)
            (root / self._place.cgroup / "cgroup.subtree_control").write_text(controllers)
            return
        for hierarchy in filter(Path.is_dir, root.iterdir()):
            (hierarchy / self._place.cgroup).mkdir(exist_ok=True)
            for setting in ("cpuset.cpus", "cpuset.mems"):  # empty in a new group, and nothing could run in it
                if (hierarchy / setting).exists():
                    (hierarchy / self._place.cgroup / setting).write_text((hierarchy / setting).read_text())

    def _remove_cgroups(self) -> Path | None:
        root = Path("/sys/fs/cgroup")
        for top in [*root.glob(self._place.cgroup), *root.glob(f"*/{self._place.cgroup}")]:
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    return Path(folder)
        return None


def _namespaces() -> list[str]:
    return [line.split()[0] for line in sh("ip", "netns", "list").splitlines() if line]


def sh(*command: str, check: bool = True) -> str:
    """Run a command of the host and return what it prints. Raises EmbeddedError."""
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode:
        raise EmbeddedError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout
