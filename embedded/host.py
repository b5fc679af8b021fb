"""Check what the embedded cluster needs from its machine, and install it where that is possible."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from embedded.errors import EmbeddedError

# Command or file -> the Debian package that brings it.
NEEDS = {
    "ip": "iproute2",
    "unshare": "util-linux",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "gcc": "gcc",
    "pkg-config": "pkg-config",
    "/usr/include/seccomp.h": "libseccomp-dev",
    "/usr/include/stdlib.h": "libc6-dev",
    "mmdebstrap": "mmdebstrap",
    "npm": "npm",
    "setpriv": "util-linux",
}
MINIMUM_GO = (1, 26)
MINIMUM_MEMORY = 5 << 30  # the platform takes about 3 GiB, and so does compiling the largest package
MINIMUM_DISK = 20 << 30  # sources, the compiler's cache and programs; with these built, a quarter is enough


def prepare(cache: Path, progress: Callable[[str], None]) -> None:
    """Install missing Debian packages. Raises EmbeddedError with all reasons at once for what it can't mend."""
    problems = []
    if os.geteuid() != 0:
        problems.append("not root: the node makes network namespaces and mounts; use `sudo make up`")
    if (go := _go_version()) < MINIMUM_GO:
        found = ".".join(map(str, go)) or "none"
        problems.append(f"Go {'.'.join(map(str, MINIMUM_GO))} or newer is needed, found {found}: install it on PATH")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if memory < MINIMUM_MEMORY:
        problems.append(f"{memory >> 20} MiB of memory, at least {MINIMUM_MEMORY >> 20} MiB are needed")
    cache.mkdir(parents=True, exist_ok=True)
    needed = MINIMUM_DISK if not (cache / "programs").exists() else MINIMUM_DISK // 4
    if (free := shutil.disk_usage(cache).free) < needed:
        problems.append(f"{free >> 30} GiB of disk are free below {cache}, {needed >> 30} GiB are needed")
    if problems:
        raise EmbeddedError("this machine can't run the embedded cluster:\n" + "\n".join(f"- {p}" for p in problems))
    _install([package for need, package in NEEDS.items() if not _present(need)], progress)
    if shutil.which("modprobe"):  # built into many kernels; where they are modules, they may not be loaded yet
        subprocess.run(["modprobe", "--all", "br_netfilter", "overlay"], capture_output=True)


def _present(need: str) -> bool:
    return Path(need).exists() if need.startswith("/") else shutil.which(need) is not None


def _install(packages: list[str], progress: Callable[[str], None]) -> None:
    if not packages:
        return
    if not shutil.which("apt-get"):
        raise EmbeddedError(f"missing, and no apt-get to install them with: {', '.join(packages)}")
    progress(f"installing {', '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    for command in (["apt-get", "update"], install):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            last = "\n".join(done.stderr.splitlines()[-5:])
            raise EmbeddedError(f"`{' '.join(command)}` failed:\n{last}")


def _go_version() -> tuple[int, ...]:
    if not shutil.which("go"):
        return ()
    told = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True).stdout
    found = re.search(r"go(\d+)\.(\d+)", told)
    return tuple(map(int, found.groups())) if found else ()
