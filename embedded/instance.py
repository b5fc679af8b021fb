"""Derive folders, addresses and names on the host from the name of an instance of the embedded cluster."""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from embedded.errors import EmbeddedError
from embedded.ranges import IPV4, IPV6, Address, Ranges


def cache_folder() -> Path:
    """Return the folder that every instance shares, with built programs and images."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "infisical-platform"


def state_folder() -> Path:
    """Return the folder of what each cluster has for itself."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "infisical-platform"


DOMAIN = "cluster.local"
KINDS = (PLAIN, HOSTILE, IPV6_ALONE) = ("plain", "hostile", "ipv6")


@dataclass(frozen=True, kw_only=True, slots=True)
class NodePlace:
    """Where a node of an instance runs, and what it is called there."""

    name: str  # in Kubernetes, and of the files with its certificate
    address: Address
    pods: str  # the part of the pods' network that its bridge hands out
    folder: Path  # what the node alone writes
    logs: Path
    network_namespace: str  # as `ip netns` lists it
    cgroup: str  # holds all of its pods

    @property
    def containerd_socket(self) -> Path:
        """Return where `ctr` reaches the node's container runtime."""
        return self.folder / "containerd.sock"


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
    def domain(self) -> str:
        """Return the domain of the cluster's Services, which the first start has written."""
        written = self.folder / "domain"
        return written.read_text() if written.exists() else DOMAIN

    def began(self, what: str) -> bool:
        """Return whether the cluster's start has noted this."""
        return (self.folder / what).exists()

    @property
    def bare(self) -> bool:
        """Return whether the cluster began without operators, so that the stack installs them."""
        return self.began("bare")

    @property
    def hostile(self) -> bool:
        """Return whether the cluster asks much of pods and namespaces: embedded/hostile.py."""
        return self.began(HOSTILE)

    @property
    def ranges(self) -> Ranges:
        """Return the cluster's networks: of IPv6 alone, if its first start said so."""
        return IPV6 if self.began(IPV6_ALONE) else IPV4

    @property
    def sample(self) -> bool:
        """Return whether stack dev has its sample application."""
        return self.began("sample")

    @property
    def logs(self) -> Path:
        """Return the folder of the logs, one file a daemon."""
        return self.folder / "logs"

    @property
    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig."""
        return self.folder / "admin.conf"

    @property
    def node(self) -> NodePlace:
        """Return the place of the node with the control plane."""
        return NodePlace(
            name="node",
            address=self.node_address,
            pods=self.ranges.node_pods[0],
            folder=self.folder,
            logs=self.logs,
            network_namespace=f"infisical-{self.name}",
            cgroup=f"infisical-platform-{self.name}",
        )

    @property
    def second_node(self) -> NodePlace:
        """Return the place of a node that joins. A dot, which no instance has in its name, tells its names apart."""
        return NodePlace(
            name="node2",
            address=self.ranges.ends[1],
            pods=self.ranges.node_pods[1],
            folder=self.folder / "node2",
            logs=self.logs / "node2",
            network_namespace=f"infisical-{self.name}.2",
            cgroup=f"infisical-platform-{self.name}.2",
        )

    @property
    def cable_address(self) -> Address:
        """Return the address of the first node, as the second one sees it."""
        return self.ranges.ends[0]

    @property
    def link(self) -> str:
        """Return the host's end of the cable into the instance (an interface name has at most 15 characters)."""
        return f"inf-{zlib.crc32(self.name.encode()):08x}"

    @property
    def _slot(self) -> int:
        return 0 if self.name == "dev" else 1 + zlib.crc32(self.name.encode()) % (self.ranges.slots - 1)

    @property
    def host_address(self) -> Address:
        """Return the host's address, as the node sees it."""
        return self.ranges.link(self._slot)[0]

    @property
    def node_address(self) -> Address:
        """Return the node's address, as the host sees it, with the API server on 6443 and the ingress on 80 and 443."""
        return self.ranges.link(self._slot)[1]
