"""Derive folders, addresses and names on the host from the name of an instance of the embedded cluster."""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from embedded.errors import EmbeddedError

# RFC 2544 sets 198.18.0.0/15 aside for test benches, so no route of a user leads there.
_LINKS = IPv4Network("198.18.0.0/15")


def cache_folder() -> Path:
    """Return the folder that every instance shares, with built programs and images."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "infisical-platform"


def state_folder() -> Path:
    """Return the folder of what each cluster has for itself."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "infisical-platform"


@dataclass(frozen=True, slots=True)
class Instance:
    """A cluster with a network, processes and disk of its own. Instances with different names don't see each other."""

    name: str = "dev"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z]([-a-z0-9]{0,30}[a-z0-9])?", self.name):
            raise EmbeddedError(f"instance name {self.name!r}: use at most 32 of a-z, 0-9 and '-', a letter first")

    @property
    def folder(self) -> Path:
        """Return the folder of everything that this instance has on disk."""
        return state_folder() / "instances" / self.name

    @property
    def logs(self) -> Path:
        """Return the folder of the logs, one file a daemon."""
        return self.folder / "logs"

    @property
    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig."""
        return self.folder / "admin.conf"

    @property
    def containerd_socket(self) -> Path:
        """Return where `ctr` reaches the node's container runtime."""
        return self.folder / "containerd.sock"

    @property
    def network_namespace(self) -> str:
        """Return the network namespace's name, as `ip netns` lists it."""
        return f"infisical-{self.name}"

    @property
    def link(self) -> str:
        """Return the host's end of the cable into the instance (an interface name has at most 15 characters)."""
        return f"inf-{zlib.crc32(self.name.encode()):08x}"

    @property
    def cgroup(self) -> str:
        """Return the control group that holds all of its pods."""
        return f"infisical-platform-{self.name}"

    @property
    def _network(self) -> IPv4Network:
        links = 2 ** (30 - _LINKS.prefixlen)
        slot = 0 if self.name == "dev" else 1 + zlib.crc32(self.name.encode()) % (links - 1)
        return IPv4Network((int(_LINKS.network_address) + 4 * slot, 30))

    @property
    def host_address(self) -> IPv4Address:
        """Return the host's address, as the node sees it."""
        return self._network[1]

    @property
    def node_address(self) -> IPv4Address:
        """Return the node's address, as the host sees it, with the API server on 6443 and the ingress on 80 and 443."""
        return self._network[2]
