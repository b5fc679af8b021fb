"""The faults that are rehearsed. Each is done to the running platform, and ends healed or with a reason."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from embedded.__main__ import Progress, start
from embedded.cluster import Cluster
from embedded.errors import EmbeddedError
from embedded.instance import Instance
from embedded.stack import Stack
from tests.e2e.steps import configure, kill_up_after
from tests.e2e.views import Kubectl
from tests.e2e.waits import ROLLOUT, eventually, kubectl_timeout

DATABASE, REDIS, RELEASE = "platform-db-pg", "platform-kv-redis-cluster", "infisical"
NAMESPACES = (DATABASE, REDIS, RELEASE, "ingress")
SECOND = "node2"
AWAY_SECONDS = 60
KILLS = 10


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

    def kill(self, namespace: str, selector: str, count: int | None = None) -> None:
        """Delete pods, the first `count` of them, as if their node had taken them along: without a farewell."""
        found = self.kubectl("get", "pods", "-n", namespace, "-l", selector, "-o", "name").split()
        assert found, f"no pod of {namespace} has {selector}"
        self.kubectl("delete", *found[:count], "-n", namespace, "--grace-period=0", "--force")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Something that breaks."""

    says: str  # what happens, for the report
    happens: Callable[[Platform], None]
    limit: float = 180  # seconds until every write is acknowledged again


def _master_of_redis(platform: Platform) -> str:
    """Return the pod that a Sentinel names."""
    question = ("redis-cli", "-p", "26379", "sentinel", "get-master-addr-by-name", "platform-kv-master")
    address = platform.kubectl("exec", "platform-kv-sentinel-sentinel-0", "-n", REDIS, "--", *question).split()[0]
    field = f"status.podIP={address}"
    return platform.kubectl("get", "pods", "-n", REDIS, "--field-selector", field, "-o", "name").strip()


def _redis_master(platform: Platform) -> None:
    platform.kubectl("delete", _master_of_redis(platform), "-n", REDIS, "--grace-period=0", "--force")


def _nodes(platform: Platform) -> None:
    platform.cluster.kill()
    start(platform.instance, Progress(), nodes=2)


def _second_node(platform: Platform) -> None:
    """Take the second node's power for as long as Kubernetes needs to notice, and give it back."""
    platform.cluster.kill_second()
    gone = ("wait", f"node/{SECOND}", "--for=condition=Ready=Unknown", kubectl_timeout(ROLLOUT))
    platform.kubectl(*gone)
    time.sleep(AWAY_SECONDS)
    start(platform.instance, Progress(), nodes=2)


def _drain(platform: Platform) -> None:
    """Drain the second node as far as its volumes let pods leave, and let it take pods again.

    A volume of one node ties its pods there, so PostgreSQL and Redis stay.
    """
    drain = ("drain", SECOND, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=180s")
    movable = "--pod-selector=application!=spilo,redis_setup_type!=replication,redis_setup_type!=sentinel"
    try:
        platform.kubectl(*drain, movable)
    finally:
        platform.kubectl("uncordon", SECOND)


def _api_server(platform: Platform) -> None:
    [pid] = _daemons(platform.instance, "kube-apiserver")
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(AWAY_SECONDS)
    finally:
        os.kill(pid, signal.SIGCONT)


def _daemons(instance: Instance, name: str) -> list[int]:
    inside = subprocess.run(
        ["ip", "netns", "pids", instance.node.network_namespace], check=True, capture_output=True, text=True
    )
    found = []
    for pid in map(int, inside.stdout.split()):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].endswith(name.encode()):
                found.append(pid)
    return found


def _dns(platform: Platform) -> None:
    deployment = ("deployment/coredns", "-n", "kube-system")
    platform.kubectl("scale", *deployment, "--replicas=0")
    time.sleep(AWAY_SECONDS)
    platform.kubectl("scale", *deployment, "--replicas=1")
    platform.kubectl("rollout", "status", *deployment, kubectl_timeout(ROLLOUT))


def _redis_full(platform: Platform) -> None:
    """Leave the master no memory for a while. It refuses writes and evicts nothing."""
    password = base64.b64decode(platform.kubectl.secret(REDIS, "platform-kv-auth")["password"]).decode()
    pod = _master_of_redis(platform)

    def ask(*command: str) -> str:
        script = f"read -r REDISCLI_AUTH; export REDISCLI_AUTH; redis-cli {' '.join(command)}"
        inside = ("exec", "-i", pod, "-n", REDIS, "-c", "platform-kv", "--", "sh", "-c", script)
        return platform.kubectl(*inside, stdin=f"{password}\n")

    limit = ask("config", "get", "maxmemory").split()[1]
    ask("config", "set", "maxmemory", "1mb")
    try:
        time.sleep(AWAY_SECONDS / 2)
    finally:
        ask("config", "set", "maxmemory", limit)


def _leaf(platform: Platform) -> None:
    """Have cert-manager issue the database's certificate anew."""
    platform.kubectl("delete", "secret", "platform-db-tls", "-n", DATABASE)
    platform.kubectl("wait", "--for=create", "secret/platform-db-tls", "-n", DATABASE, kubectl_timeout(ROLLOUT))
    _cert_sync(platform)


def _cert_sync(platform: Platform) -> str:
    """Have CertSync look now, and return what it says at its end."""
    job = "cert-sync-rehearsal"
    platform.kubectl("delete", "job", job, "-n", DATABASE, "--ignore-not-found")
    platform.kubectl("create", "job", job, "-n", DATABASE, "--from=cronjob/cert-sync")
    platform.kubectl("wait", "--for=condition=Complete", f"job/{job}", "-n", DATABASE, kubectl_timeout(5 * ROLLOUT))
    return platform.kubectl("logs", f"job/{job}", "-n", DATABASE).strip().splitlines()[-1]


def _authority(platform: Platform) -> None:
    """Rotate the database's authority from end to end, as docs/runbooks/authority-rotated.md has it."""
    ready = ("wait", "--for=condition=Ready", "-n", DATABASE, kubectl_timeout(ROLLOUT))
    platform.kubectl("delete", "secret", "platform-db-ca", "-n", DATABASE)
    platform.kubectl("wait", "--for=create", "secret/platform-db-ca", "-n", DATABASE, kubectl_timeout(ROLLOUT))
    platform.kubectl(*ready, "certificate/platform-db-ca")
    said = _cert_sync(platform)
    assert "published 2 authorities" in said, said
    platform.kubectl("rollout", "status", f"deployment/{RELEASE}", "-n", RELEASE, kubectl_timeout(ROLLOUT))
    _leaf_anew(platform)
    eventually(lambda: "published 1 authorities" in _cert_sync(platform), "the old authority is gone", 7 * ROLLOUT)


def _leaf_anew(platform: Platform) -> None:
    condition = {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "rehearsed"}
    stamped = condition | {"lastTransitionTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    patch = json.dumps([{"op": "add", "path": "/status/conditions/-", "value": stamped}])
    leaf = ("certificate/platform-db-tls", "-n", DATABASE)
    platform.kubectl("patch", *leaf, "--subresource=status", "--type=json", "-p", patch)
    platform.kubectl("wait", *leaf, "--for=condition=Ready", kubectl_timeout(ROLLOUT))


def _kills(platform: Platform) -> None:
    """Kill `up` at ten moments of changes that roll pods, repair each time, and let the last one come to its end."""
    moments = random.Random(10)
    for number in range(KILLS):
        configure(platform.stack, infisical={"replicas": 2 + number % 2}, redis={"maxMemoryMib": 96 - number % 2})
        kill_up_after(platform.stack, moments.randrange(2, 150))
        platform.stack.repair(quiet=True)
    configure(platform.stack)
    platform.stack.run("up", "--yes", "--skip-preview", quiet=True)


def _two_ups(platform: Platform) -> None:
    """Run two at once: one does its work, and the other is refused by the stack's lock."""
    replicas = int(platform.kubectl("get", f"deployment/{RELEASE}", "-n", RELEASE, "-o", "jsonpath={.spec.replicas}"))
    configure(platform.stack, infisical={"replicas": 3 if replicas == 2 else 2})
    ended: list[str] = []

    def up() -> None:
        try:
            platform.stack.run("up", "--yes", "--skip-preview", quiet=True)
            ended.append("done")
        except EmbeddedError as error:
            ended.append("locked" if "currently locked" in str(error) else str(error))

    threads = [threading.Thread(target=up) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["done", "locked"], ended


FAULTS: Mapping[str, Fault] = {
    "primary": Fault(
        says="the primary's pod is killed",
        happens=lambda platform: platform.kill(DATABASE, "application=spilo,spilo-role=master"),
    ),
    "replica": Fault(
        says="the replica's pod is killed",
        happens=lambda platform: platform.kill(DATABASE, "application=spilo,spilo-role=replica"),
    ),
    "poolers": Fault(
        says="all poolers are killed",
        happens=lambda platform: platform.kill(DATABASE, "connection-pooler=platform-db-cluster-pooler"),
    ),
    "redis-master": Fault(says="the Redis master's pod is killed", happens=_redis_master),
    "sentinel": Fault(
        says="one Sentinel is killed",
        happens=lambda platform: platform.kill(REDIS, "redis_setup_type=sentinel", 1),
    ),
    "sentinels": Fault(
        says="two of three Sentinels are killed",
        happens=lambda platform: platform.kill(REDIS, "redis_setup_type=sentinel", 2),
    ),
    "backend": Fault(
        says="one of Infisical's pods is killed",
        happens=lambda platform: platform.kill(RELEASE, "release=infisical", 1),
    ),
    "ingress": Fault(
        says="the ingress controller's pod is killed", happens=lambda platform: platform.kill("ingress", "app=traefik")
    ),
    "redis-full": Fault(says=f"Redis is full for {AWAY_SECONDS // 2} s", happens=_redis_full),
    "dns": Fault(says=f"the cluster's DNS is away for {AWAY_SECONDS} s", happens=_dns),
    "api-server": Fault(says=f"the API server is frozen for {AWAY_SECONDS} s", happens=_api_server),
    "leaf": Fault(says="the database's certificate is issued anew and CertSync follows", happens=_leaf),
    "authority": Fault(
        says="the database's authority is rotated from end to end, and the old one is no longer trusted",
        happens=_authority,
    ),
    "kills": Fault(says=f"`pulumi up` is killed {KILLS} times while it changes things, and repaired", happens=_kills),
    "two-ups": Fault(says="`pulumi up` runs twice at once, with a change", happens=_two_ups),
    "drain": Fault(says="the second node is drained of all that isn't tied to it by a volume", happens=_drain),
    "second-node": Fault(
        says="the second node loses its power, and has it again a minute after Kubernetes has noticed",
        happens=_second_node,
        limit=400,
    ),
    "nodes": Fault(says="both nodes lose their power: every daemon and pod is killed", happens=_nodes, limit=400),
}
