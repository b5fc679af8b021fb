"""Write what the redis-operator is asked for: the specs of a RedisReplication and of a RedisSentinel."""

from __future__ import annotations

import json

from pulumi import Input

from components import redis_probe, redis_start
from components.base.content import digest
from components.base.names import REDIS_REPLICATION, SENTINEL_STATEFUL_SET
from components.base.ports import REDIS_PORT, SENTINEL_PORT
from settings.affinity import Affinity
from settings.redis import RedisSettings, SentinelSettings
from settings.resources import Sized, resources_of

MASTER_GROUP = "platform-kv-master"
AUTH = "platform-kv-auth"
_START = redis_start.command(SENTINEL_STATEFUL_SET, SENTINEL_PORT, MASTER_GROUP)
_READY = redis_probe.command(SENTINEL_STATEFUL_SET, SENTINEL_PORT)
_POD_SECURITY = {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000}


def _kubernetes_config(image: Input[str], size: Sized) -> dict[str, Input[object]]:
    return {"image": image, "imagePullPolicy": "IfNotPresent", "resources": resources_of(size)}


def workloads(redis: RedisSettings) -> list[dict[str, object]]:
    """Return the StatefulSets that the operator is to make, in its order."""
    servers = {"statefulset": REDIS_REPLICATION, "replicas": redis.instances, "image": redis.image}
    sentinels = {"statefulset": SENTINEL_STATEFUL_SET, "replicas": redis.sentinels, "image": redis.sentinel_image}
    commands = digest([_START, _READY, redis_probe.ALIVE])
    return [
        {**servers, **_sized(redis), "storage": redis.storage, "commands": commands},
        {**sentinels, **_sized(redis.each_sentinel)},
    ]


def _sized(size: RedisSettings | SentinelSettings) -> dict[str, object]:
    """Return what a pod gets and where it goes, as the gate's script wants it."""
    names = ("memory_limit", "memory_request", "cpu_limit", "cpu_request")
    affinity = size.affinity.manifest if size.affinity else None
    sizes: dict[str, object] = {name: value for name in names if (value := getattr(size, name))}
    return sizes | ({"affinity": json.dumps(affinity, sort_keys=True)} if affinity else {})


def _budget(size: int) -> dict[str, object]:
    """Keep a majority, but let one pod leave: `kubectl drain` would wait for ever for one of two."""
    return {"enabled": True, "minAvailable": min(size // 2 + 1, size - 1)}


def _placed(affinity: Affinity | None) -> dict[str, Input[object]]:
    """Return the operator's field for it. An empty one would change what is deployed."""
    return {"affinity": affinity.manifest} if affinity and affinity.manifest else {}


def replication_spec(redis: RedisSettings, config_map: Input[str]) -> dict[str, Input[object]]:
    """Return Redis' servers, whose configuration is in a ConfigMap."""
    claim: dict[str, object] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": redis.storage}}}
    if redis.storage_class:
        claim["storageClassName"] = redis.storage_class
    secret = {"name": AUTH, "key": "password"}
    return {
        **_placed(redis.affinity),
        "clusterSize": redis.instances,
        "podSecurityContext": _POD_SECURITY,
        "kubernetesConfig": {**_kubernetes_config(redis.image, redis), "redisSecret": secret},
        "redisConfig": {"additionalRedisConfig": config_map},
        # keepAfterDelete: without it, deleting or replacing the resource deletes the volumes.
        "storage": {"keepAfterDelete": True, "volumeClaimTemplate": {"spec": claim}},
        "initContainer": {"enabled": True, **_kubernetes_config(redis.image, redis), "command": _START},
        "readinessProbe": redis_probe.attached(_READY),
        "livenessProbe": redis_probe.alive(),
        "pdb": _budget(redis.instances),
    }


def sentinel_spec(redis: RedisSettings) -> dict[str, Input[object]]:
    """Return the Sentinels that watch them."""
    return {
        **_placed(redis.each_sentinel.affinity),
        "clusterSize": redis.sentinels,
        "podSecurityContext": _POD_SECURITY,
        "kubernetesConfig": _kubernetes_config(redis.sentinel_image, redis.each_sentinel),
        # Numbers and switches are strings in this resource's schema.
        "redisSentinelConfig": {
            "redisReplicationName": REDIS_REPLICATION,
            "masterGroupName": MASTER_GROUP,
            "redisPort": str(REDIS_PORT),
            "quorum": str(redis.quorum),
            "parallelSyncs": "1",
            "failoverTimeout": "10000",
            "downAfterMilliseconds": "5000",
            # With names instead of addresses, the loss of the master's pod is no reason to fail over.
            "resolveHostnames": "no",
            "announceHostnames": "no",
            "redisReplicationPassword": {"secretKeyRef": {"name": AUTH, "key": "password"}},
        },
        **redis_probe.sentinel_probes(),
        "pdb": _budget(redis.sentinels),
    }
