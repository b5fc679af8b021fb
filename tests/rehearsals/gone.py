"""Lose the node of PostgreSQL's primary for good, in a moment in which its replicas are behind."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from embedded.__main__ import Progress, start
from tests.e2e.steps import configure
from tests.rehearsals.platforms import DATABASE, PRIMARY, REDIS, REPLICA, Platform

KINDS: Mapping[str, str] = {"asynchronous": "asynchronous, the default", "synchronous": "`database.synchronous: true`"}
SERVERS = 3
LAG_SECONDS = 2.0
SERVER = "application=spilo"
_TAINT = "rehearsal=elsewhere"


@dataclass(frozen=True, kw_only=True, slots=True)
class Gone:
    """What clients saw of it."""

    rate: float  # acknowledgements a second before
    acknowledged: int
    longest_gap: float


def deploy(platform: Platform, kind: str) -> None:
    """Bring three servers up, and everything else on the first node; the primary is alone on the second."""
    first, second = platform.instance.node.name, platform.instance.second_node.name
    _keep_off(platform, second)
    if names := _on(platform, "kube-system", second):  # an earlier fault may have moved the cluster's only DNS there
        platform.kubectl("delete", "pod", *names, "-n", "kube-system")
    if _on(platform, REDIS, second):  # volumes are tied to their node, so nothing else moves them
        platform.stack.run("destroy", "--yes", "--skip-preview", quiet=True)
    configure(platform.stack, database={"instances": SERVERS, "synchronous": kind == "synchronous"})
    platform.stack.run("up", "--yes", "--skip-preview", quiet=True)
    platform.await_streaming(SERVERS - 1)
    there = _on(platform, DATABASE, second, SERVER)
    if not there:
        there = platform.pods(DATABASE, REPLICA)[:1]
        _let_on(platform, second)
        _keep_off(platform, first)
        try:
            _on_an_empty_disk(platform, there[0])
            platform.await_streaming(SERVERS - 1)
        finally:
            _let_on(platform, first)
    _let_on(platform, second)
    _switch_over(platform, there[0])
    assert _on(platform, DATABASE, second, PRIMARY) == there


def _on(platform: Platform, namespace: str, node: str, selector: str = "") -> list[str]:
    """Return the pods that are on a node."""
    where = ("--field-selector", f"spec.nodeName={node}", *(("-l", selector) if selector else ()))
    found = platform.kubectl("get", "pods", "-n", namespace, *where, "-o", "name").split()
    return [name.removeprefix("pod/") for name in found]


def _keep_off(platform: Platform, node: str) -> None:
    # A cordon would have the operator move the primary away from the node.
    platform.kubectl("taint", "node", node, f"{_TAINT}:NoSchedule", "--overwrite")


def _let_on(platform: Platform, node: str) -> None:
    platform.kubectl("taint", "node", node, f"{_TAINT}:NoSchedule-", check=False)


def _on_an_empty_disk(platform: Platform, pod: str) -> None:
    platform.kubectl("delete", "pvc", f"pgdata-{pod}", "-n", DATABASE, "--wait=false")
    platform.kubectl("delete", "pod", pod, "-n", DATABASE, "--grace-period=0", "--force")


def _switch_over(platform: Platform, candidate: str) -> None:
    # While the others are away, the candidate is the synchronous replica, and no other may take over.
    for pod in platform.pods(DATABASE, REPLICA):
        if pod != candidate:
            platform.kubectl("delete", "pod", pod, "-n", DATABASE, "--grace-period=0", "--force")
    platform.switch_over(candidate)
    platform.await_streaming(SERVERS - 1)


@contextlib.contextmanager
def replicas_behind(platform: Platform) -> Iterator[None]:
    """Let nothing pass between the primary and its replicas, while clients and Kubernetes reach all of them."""
    primary, *others = [_address(platform, pod) for role in (PRIMARY, REPLICA) for pod in platform.pods(DATABASE, role)]
    assert len(others) == SERVERS - 1, others
    ways = [way for other in others for way in ((primary, other), (other, primary))]
    inside = ("ip", "netns", "exec", platform.instance.node.network_namespace, "iptables")

    def each(action: str) -> None:
        for source, target in ways:
            subprocess.run([*inside, action, "FORWARD", "-s", source, "-d", target, "-j", "DROP"], check=True)

    each("-I")
    try:
        time.sleep(LAG_SECONDS)
        yield
    finally:
        each("-D")


def _address(platform: Platform, pod: str) -> str:
    return platform.kubectl("get", "pod", pod, "-n", DATABASE, "-o", "jsonpath={.status.podIP}")


def lose_second_node(platform: Platform) -> None:
    """End the second node and delete what it had."""
    second = platform.instance.second_node
    volumes = json.loads(platform.kubectl("get", "pv", "-o", "json"))["items"]
    platform.cluster.kill_second()
    shutil.rmtree(second.folder, ignore_errors=True)
    for volume in volumes:
        if second.name in json.dumps(volume["spec"].get("nodeAffinity", {})):
            shutil.rmtree((volume["spec"].get("hostPath") or volume["spec"]["local"])["path"], ignore_errors=True)


def replace_node(platform: Platform, lost: str) -> None:
    """Do what docs/runbooks/node-lost.md says of a node that does not come back, and give the cluster another one."""
    platform.kubectl("delete", "node", platform.instance.second_node.name)
    _on_an_empty_disk(platform, lost)
    start(platform.instance, Progress(), nodes=2)
    platform.await_streaming(SERVERS - 1)
