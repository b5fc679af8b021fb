"""PlatformKv's gate: what its script is told of what was asked for, and how long it waits."""

from __future__ import annotations

import json

import pytest

from tests.unit.harness import everything
from tests.unit.test_platform_kv import redis


def test_the_gate_compares_what_the_operator_has_made_with_the_custom_resources() -> None:
    graph = everything()
    [container] = graph["Job/platform-kv-gate"]["spec", "template", "spec", "containers"]
    environment = {variable["name"]: variable.get("value") for variable in container["env"]}
    redis_, sentinels = json.loads(environment["CONFIG"])["workloads"]
    for asked, resource in ((redis_, "platform-kv-replication"), (sentinels, "RedisSentinel/platform-kv-sentinel")):
        spec = graph[resource]["spec"]
        assert asked["replicas"] == spec["clusterSize"]
        assert asked["image"] == spec["kubernetesConfig"]["image"]
        resources = spec["kubernetesConfig"]["resources"]
        for what, kind in (("limit", "limits"), ("request", "requests")):
            for name in ("memory", "cpu"):
                assert asked.get(f"{name}_{what}") == resources.get(kind, {}).get(name)
        assert json.loads(asked.get("affinity", "null")) == spec.get("affinity")
    spec = graph["platform-kv-replication"]["spec"]
    claim = spec["storage"]["volumeClaimTemplate"]["spec"]
    assert redis_["storage"] == claim["resources"]["requests"]["storage"]
    assert environment["CONFIG_MAP"] == spec["redisConfig"]["additionalRedisConfig"]


@pytest.mark.parametrize(("instances", "minutes"), [(2, 5), (3, 5), (9, 11)])
def test_the_gate_has_time_for_a_roll_of_every_server(instances: int, minutes: int) -> None:
    job = redis(redis={"instances": instances})["Job/platform-kv-gate"]
    [container] = job["spec", "template", "spec", "containers"]
    [config] = [variable["value"] for variable in container["env"] if variable["name"] == "CONFIG"]
    assert json.loads(config)["deadline_seconds"] == minutes * 60
