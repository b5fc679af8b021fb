"""Put the clock of one node's pods wrong: their programs ask a library in front of libc's.

A clock of the kernel's own can't be had for a part of a machine. So the node's runtime starts pods with libfaketime, a
Debian package. Kubelet and containerd, which are static programs, keep the right time. libc comes next, before the
jemalloc that Redis is linked to: that one asks for the time before libfaketime can tell it, and Redis would not start.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.waits import RESTART, eventually
from tests.rehearsals.platforms import DATABASE, NAMESPACES, PRIMARY, REPLICA, Platform

BEHIND_SECONDS = 30
_TOLERANCE = 5
_AS_ROOT = ("-o", "APT::Sandbox::User=root")  # otherwise it warns of a folder that its own user can't write to
# In the place of runc. The runtime runs it on every node, and it changes what starts on one of them.
_WRAPPER = """\
#!/usr/bin/python3
import json, os, sys

command = sys.argv[1:]
if "create" in command and os.uname().nodename == {node!r}:
    path = os.path.join(command[command.index("--bundle") + 1], "config.json")
    with open(path) as file:
        config = json.load(file)
    config["process"].setdefault("env", []).extend(
        [
            "LD_PRELOAD=/libfaketime.so:libc.so.6",
            "FAKETIME=-{behind}s",
            "FAKETIME_DISABLE_SHM=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
        ]
    )
    config["mounts"].append(
        {{"destination": "/libfaketime.so", "type": "bind", "source": {library!r}, "options": ["rbind", "ro"]}}
    )
    with open(path, "w") as file:
        json.dump(config, file)
os.execv({runc!r}, ["runc", *command])
"""


def _library(folder: Path) -> Path:
    """Return Debian's library, taken out of its package."""
    target = folder / "libfaketimeMT.so.1"
    if not target.exists():
        with tempfile.TemporaryDirectory() as download:
            subprocess.run(["apt-get", *_AS_ROOT, "download", "-qq", "libfaketime"], cwd=download, check=True)
            [package] = Path(download).glob("libfaketime_*.deb")
            subprocess.run(["dpkg-deb", "--extract", package, "."], cwd=download, check=True)
            [found] = Path(download).rglob(target.name)
            target.write_bytes(found.read_bytes())
            target.chmod(0o755)
    return target


@contextlib.contextmanager
def second_node_behind(platform: Platform) -> Iterator[None]:
    """Start the second node's pods anew with a clock that is late, and with the right one afterwards."""
    runc = platform.instance.folder / "bin" / "runc"
    real = runc.readlink()
    wrapper = _WRAPPER.format(
        node=platform.instance.second_node.name,
        behind=BEHIND_SECONDS,
        library=str(_library(platform.instance.folder)),
        runc=str(real),
    )
    runc.unlink()
    runc.write_text(wrapper)
    runc.chmod(0o755)
    try:
        _restart_pods(platform)
        yield
    finally:
        runc.unlink()
        runc.symlink_to(real)
        _restart_pods(platform)


def _restart_pods(platform: Platform) -> None:
    """Restart what runs on the second node, one pod after the other: Redis without a majority may get no master."""
    count, node = len(platform.servers()), platform.instance.second_node.name
    for namespace in NAMESPACES:
        there = ("-n", namespace, "--field-selector", f"spec.nodeName={node}", "-o", "json")
        pods = json.loads(platform.kubectl("get", "pods", *there))["items"]
        owned = [pod["metadata"] for pod in pods if pod["status"]["phase"] == "Running"]
        for name in [pod["name"] for pod in owned if pod["ownerReferences"][0]["kind"] != "Job"]:
            platform.kubectl("delete", "pod", name, "-n", namespace)
            eventually(lambda: platform.is_whole(count), f"{name} of {namespace} is back", 3 * RESTART)
    platform.await_streaming(1)


def behind(platform: Platform) -> None:
    """Kill the primary, so that it is on the other node next, under clocks that differ."""
    late = {pod: _late(platform, pod) for role in (PRIMARY, REPLICA) for pod in platform.pods(DATABASE, role)}
    assert any(abs(seconds - BEHIND_SECONDS) < _TOLERANCE for seconds in late.values()), f"no clock is wrong: {late}"
    platform.kill(DATABASE, PRIMARY)


def _late(platform: Platform, pod: str) -> float:
    """Return by how many seconds a server's clock is late."""
    return time.time() - float(platform.sql(pod, "select extract(epoch from clock_timestamp())"))
