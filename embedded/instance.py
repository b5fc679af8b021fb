"""One instance of the embedded cluster: its name, and what follows from it (folders, addresses, names on the host)."""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from embedded.errors import EmbeddedError

# RFC 2544 sets 198.18.0.0/15 aside for test benches: no route of a user's leads there.
_LINKS = IPv4Network("198.18.0.0/15")


def cache_folder() -> Path:
    """What every instance shares: built programs and images."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "infisical-platform"


def state_folder() -> Path:
    """What each cluster has for itself."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "infisical-platform"


@dataclass(frozen=True, slots=True)
class Instance:
    """A cluster of its own: network, processes, disk. Two of different names do not see each other."""

    name: str = "dev"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z]([-a-z0-9]{0,30}[a-z0-9])?", self.name):
            raise EmbeddedError(f"instance name {self.name!r}: use at most 32 of a-z, 0-9 and '-', a letter first")

    @property
    def folder(self) -> Path:
        """Everything of this instance that is on disk."""
        return state_folder() / "instances" / self.name

    @property
    def logs(self) -> Path:
        """One file a daemon."""
        return self.folder / "logs"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "admin.conf"

    @property
    def containerd_socket(self) -> Path:
        """Where `ctr` reaches the node's container runtime."""
        return self.folder / "containerd.sock"

    @property
    def network_namespace(self) -> str:
        """As `ip netns` lists it."""
        return f"infisical-{self.name}"

    @property
    def link(self) -> str:
        """The host's end of the cable into the instance (an interface name has at most 15 characters)."""
        return f"inf-{zlib.crc32(self.name.encode()):08x}"

    @property
    def cgroup(self) -> str:
        """The control group that all of its pods are in."""
        return f"infisical-platform-{self.name}"

    @property
    def _network(self) -> IPv4Network:
        links = 2 ** (30 - _LINKS.prefixlen)
        slot = 0 if self.name == "dev" else 1 + zlib.crc32(self.name.encode()) % (links - 1)
        return IPv4Network((int(_LINKS.network_address) + 4 * slot, 30))

    @property
    def host_address(self) -> IPv4Address:
        """The host, as the node sees it."""
        return self._network[1]

    @property
    def node_address(self) -> IPv4Address:
        """The node, as the host sees it: API server on 6443, ingress on 80 and 443."""
        return self._network[2]
