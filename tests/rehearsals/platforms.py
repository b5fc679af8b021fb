"""What a fault is done to: the running platform, with its pods, its nodes' daemons and its disks."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from embedded.cluster import Cluster
from embedded.instance import Instance, NodePlace
from embedded.stack import Stack
from tests.e2e.views import Kubectl
from tests.e2e.waits import RESTART, eventually

DATABASE, REDIS, RELEASE = "platform-db-pg", "platform-kv-redis-cluster", "infisical"
NAMESPACES = (DATABASE, REDIS, RELEASE, "ingress")
PRIMARY, REPLICA = (f"application=spilo,spilo-role={role}" for role in ("master", "replica"))
AWAY_SECONDS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """What a fault is done to."""

    instance: Instance
    cluster: Cluster
    kubectl: Kubectl
    stack: Stack

    def servers(self) -> dict[str, bool]:
        """Return each pod that is to stay, and whether it is ready."""
        found: dict[str, bool] = {}
        for namespace in NAMESPACES:
            pods = json.loads(self.kubectl("get", "pods", "-n", namespace, "-o", "json"))["items"]
            for pod in pods:
                if not any(owner["kind"] == "Job" for owner in pod["metadata"].get("ownerReferences", [])):
                    conditions = pod["status"].get("conditions", [])
                    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
                    found[f"{namespace}/{pod['metadata']['name']}"] = (
                        ready and "deletionTimestamp" not in pod["metadata"]
                    )
        return found

    def is_whole(self, count: int) -> bool:
        """Return whether so many pods are there, and all of them ready."""
        ready = self.servers()
        return len(ready) >= count and all(ready.values())

    def pods(self, namespace: str, selector: str) -> list[str]:
        """Return the names of pods."""
        found = self.kubectl("get", "pods", "-n", namespace, "-l", selector, "-o", "name").split()
        return [name.removeprefix("pod/") for name in found]

    def kill(self, namespace: str, selector: str, count: int | None = None) -> None:
        """Delete pods, the first `count` of them, as if their node had taken them along: without a farewell."""
        found = self.pods(namespace, selector)
        assert found, f"no pod of {namespace} has {selector}"
        self.kubectl("delete", "pod", *found[:count], "-n", namespace, "--grace-period=0", "--force")

    def primary(self) -> str:
        """Return the pod of PostgreSQL's primary."""
        [pod] = self.pods(DATABASE, PRIMARY)
        return pod

    def sql(self, pod: str, statement: str, *, check: bool = True) -> str:
        """Return what a statement answers to a superuser, in the database's own pod."""
        inside = ("exec", "-i", pod, "-n", DATABASE, "--", "psql", "-U", "postgres", "-d", "infisical", "-XwAtq")
        return self.kubectl(*inside, "-f", "-", stdin=statement, check=check).strip()

    def await_streaming(self, count: int) -> None:
        """Wait until so many replicas have all that the primary has.

        One that begins anew waits for the primary's next checkpoint, which may take minutes, so it is asked for.
        """
        behind = "select count(*) from pg_stat_replication where state = 'streaming' and replay_lsn >= sent_lsn"

        def seen() -> bool:
            primaries = self.pods(DATABASE, PRIMARY)
            asked = f"checkpoint; {behind}"
            return len(primaries) == 1 and self.sql(primaries[0], asked, check=False) == f"{count}"

        eventually(seen, f"{count} replicas stream", 2 * RESTART)

    def switch_over(self, candidate: str) -> None:
        """Make a replica the primary. A killed primary is often back before anybody takes its place."""

        def done() -> bool:
            leader = self.pods(DATABASE, PRIMARY)
            if leader and leader != [candidate]:
                command = ("patronictl", "switchover", "--leader", leader[0], "--candidate", candidate, "--force")
                self.kubectl("exec", leader[0], "-n", DATABASE, "--", *command, check=False)
            return leader == [candidate]

        eventually(done, f"{candidate} is primary", 2 * RESTART)

    def daemons(self, place: NodePlace, name: str) -> list[int]:
        """Return the processes of a node that are called so."""
        namespace = ["ip", "netns", "pids", place.network_namespace]
        inside = subprocess.run(namespace, check=True, capture_output=True, text=True)
        found = []
        for pid in map(int, inside.stdout.split()):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].endswith(name.encode()):
                    found.append(pid)
        return found

    def on_node(self, place: NodePlace, *command: str, check: bool = True) -> None:
        """Run a command where the node has its mounts."""
        [kubelet] = self.daemons(place, "kubelet")
        inside = [
            "nsenter",
            f"--target={kubelet}",
            "--mount",
            "--pid",
        ]  # its /proc knows the processes of the node alone
        done = subprocess.run([*inside, *command], capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stderr

    def place(self, node: str) -> NodePlace:
        """Return where a node of this name runs."""
        return self.instance.node if node == self.instance.node.name else self.instance.second_node


def _nothing_before(_: Platform) -> AbstractContextManager[None]:
    return contextlib.nullcontext()


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Something that breaks."""

    says: str  # what happens, for the report
    happens: Callable[[Platform], None]
    limit: float = 180  # seconds until every pod is back and ready
    around: Callable[[Platform], AbstractContextManager[None]] = _nothing_before  # prepares it, and takes it back
