"""The faults that are rehearsed. Each is done to the running platform, and ends healed or with a reason."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping

from embedded.__main__ import Progress, start
from tests.e2e.waits import ROLLOUT, eventually, kubectl_timeout
from tests.rehearsals import changes, clocks, disks, redis_faults
from tests.rehearsals.platforms import AWAY_SECONDS, DATABASE, PRIMARY, REDIS, RELEASE, REPLICA, Fault, Platform

SECOND = "node2"


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
    [pid] = platform.daemons(platform.instance.node, "kube-apiserver")
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(AWAY_SECONDS)
    finally:
        os.kill(pid, signal.SIGCONT)


def _dns(platform: Platform) -> None:
    deployment = ("deployment/coredns", "-n", "kube-system")
    platform.kubectl("scale", *deployment, "--replicas=0")
    time.sleep(AWAY_SECONDS)
    platform.kubectl("scale", *deployment, "--replicas=1")
    platform.kubectl("rollout", "status", *deployment, kubectl_timeout(ROLLOUT))


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


FAULTS: Mapping[str, Fault] = {
    "primary": Fault(
        says="the primary's pod is killed",
        happens=lambda platform: platform.kill(DATABASE, PRIMARY),
    ),
    "replica": Fault(
        says="the replica's pod is killed",
        happens=lambda platform: platform.kill(DATABASE, REPLICA),
    ),
    "poolers": Fault(
        says="all poolers are killed",
        happens=lambda platform: platform.kill(DATABASE, "connection-pooler=platform-db-cluster-pooler"),
    ),
    "redis-master": Fault(says="the Redis master's pod is killed", happens=redis_faults.kill_master),
    "sentinel": Fault(
        says="one Sentinel is killed",
        happens=lambda platform: platform.kill(REDIS, "redis_setup_type=sentinel", 1),
    ),
    "sentinels": Fault(
        says="two of three Sentinels are killed",
        happens=lambda platform: platform.kill(REDIS, "redis_setup_type=sentinel", 2),
    ),
    "redis-majority": Fault(
        says="the Redis master, another server and two Sentinels are killed at once",
        happens=redis_faults.kill_majority,
        limit=400,
    ),
    "backend": Fault(
        says="one of Infisical's pods is killed",
        happens=lambda platform: platform.kill(RELEASE, "release=infisical", 1),
    ),
    "ingress": Fault(
        says="the ingress controller's pod is killed", happens=lambda platform: platform.kill("ingress", "app=traefik")
    ),
    "redis-full": Fault(says=f"Redis is full for {AWAY_SECONDS // 2} s", happens=redis_faults.fill),
    "dns": Fault(says=f"the cluster's DNS is away for {AWAY_SECONDS} s", happens=_dns),
    "api-server": Fault(says=f"the API server is frozen for {AWAY_SECONDS} s", happens=_api_server),
    "leaf": Fault(says="the database's certificate is issued anew and CertSync follows", happens=_leaf),
    "authority": Fault(
        says="the database's authority is rotated from end to end, and the old one is no longer trusted",
        happens=_authority,
    ),
    "redis-settings": Fault(
        says="a setting of Redis rolls its servers, the master first, and is set back",
        happens=changes.settings(redis={"memoryLimit": "144Mi"}),
        around=redis_faults.roll_begins_with_master,
    ),
    "postgres-settings": Fault(
        says="a setting of PostgreSQL rolls its servers, and is set back",
        happens=changes.settings(database={"memoryLimit": "576Mi"}),
    ),
    "image": Fault(
        says="a newer image, with a migration that takes a minute, and the older image again", happens=changes.image
    ),
    "chart": Fault(says="a newer version of the chart, and the older one again", happens=changes.chart),
    "kills": Fault(
        says=f"`pulumi up` is killed {changes.KILLS} times while it changes things, and repaired", happens=changes.kills
    ),
    "two-ups": Fault(says="`pulumi up` runs twice at once, with a change", happens=changes.two_ups),
    "disk-full": Fault(
        says=f"the primary's disk is full for {AWAY_SECONDS} s",
        happens=disks.fill,
        around=disks.primary_on_a_small_disk,
        limit=300,
    ),
    "clock": Fault(
        says=f"pods of the second node have a clock that is {clocks.BEHIND_SECONDS} s late, and the primary is killed",
        happens=clocks.behind,
        around=clocks.second_node_behind,
    ),
    "drain": Fault(
        says="the second node is drained of all that isn't tied to it by a volume, and the primary leaves it",
        happens=_drain,
    ),
    "second-node": Fault(
        says="the second node loses its power, and has it again a minute after Kubernetes has noticed",
        happens=_second_node,
        limit=400,
    ),
    "nodes": Fault(says="both nodes lose their power: every daemon and pod is killed", happens=_nodes, limit=400),
}
