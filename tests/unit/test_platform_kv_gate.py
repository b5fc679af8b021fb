"""PlatformKv's gates: what their scripts are told of what was asked for, when they run again, how long they wait."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.base.content import digest
from tests.unit.harness import everything, platform
from tests.unit.test_platform_kv import redis, triggers_in, unchanged


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
    [container] = graph["Job/platform-kv-servers"]["spec", "template", "spec", "containers"]
    of_servers = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert json.loads(of_servers["CONFIG"])["workloads"] == [redis_]
    assert of_servers["CONFIG_MAP"] == environment["CONFIG_MAP"]
    spec = graph["platform-kv-replication"]["spec"]
    probes = [spec[probe]["exec"]["command"] for probe in ("readinessProbe", "livenessProbe")]
    assert redis_["commands"] == digest([spec["initContainer"]["command"], *probes])
    claim = spec["storage"]["volumeClaimTemplate"]["spec"]
    assert redis_["storage"] == claim["resources"]["requests"]["storage"]
    assert environment["CONFIG_MAP"] == spec["redisConfig"]["additionalRedisConfig"]


@pytest.mark.parametrize(("instances", "minutes"), [(2, 5), (3, 5), (9, 11)])
def test_the_gate_has_time_for_a_roll_of_every_server(instances: int, minutes: int) -> None:
    job = redis(redis={"instances": instances})["Job/platform-kv-gate"]
    [container] = job["spec", "template", "spec", "containers"]
    [config] = [variable["value"] for variable in container["env"] if variable["name"] == "CONFIG"]
    assert json.loads(config)["deadline_seconds"] == minutes * 60


@pytest.mark.parametrize("change", [{"instances": 5}, {"sentinels": 5}, {"quorum": 3}, {"image": "redis:7.2"}])
def test_the_gate_runs_again_when_redis_changes(change: dict[str, Any]) -> None:
    assert triggers_in(unchanged()) != triggers_in(redis(redis=change))


@pytest.mark.parametrize("gate", ["handover", "servers"])
@pytest.mark.parametrize("setting", [{"instances": 5}, {"memoryLimit": "300Mi"}, {"image": "redis:7.2"}])
def test_a_change_of_the_servers_hands_redis_over_and_awaits_them(gate: str, setting: dict[str, Any]) -> None:
    assert triggers_in(unchanged(), gate) != triggers_in(redis(redis=setting), gate)
    assert triggers_in(unchanged(), gate) == triggers_in(redis(redis={"sentinels": 5}), gate)


def test_a_rotation_alone_is_no_reason_for_a_fail_over() -> None:
    for other in ({"passwordRotation": 2}, {"passwordRotation": 3}):
        assert redis(redis=other)["Job/platform-kv-handover"].inputs == unchanged()["Job/platform-kv-handover"].inputs


def test_what_the_handover_is_told_and_may_do() -> None:
    graph = unchanged()
    [container] = graph["Job/platform-kv-handover"]["spec", "template", "spec", "containers"]
    environment = {variable["name"]: variable for variable in container["env"]}
    told = json.loads(environment["CONFIG"]["value"])
    assert (told["replication"], told["redis_port"]) == ("platform-kv", 6379)
    assert (told["sentinel"], told["sentinel_port"]) == ("platform-kv-sentinel-sentinel", 26379)
    assert told["master_name"] == "platform-kv-master"
    reference = environment["REDIS_PASSWORD"]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": "platform-kv-auth", "key": "password"}
    assert graph["Role/platform-kv-handover"]["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}
    ]


@pytest.mark.parametrize(
    ("gate", "workloads"),
    [("servers", ["platform-kv"]), ("gate", ["platform-kv", "platform-kv-sentinel-sentinel"])],
)
def test_the_gates_rights(gate: str, workloads: list[str]) -> None:
    name = f"platform-kv-{gate}"
    assert platform()[f"Role/{name}"]["rules"] == [
        {"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": ["get"], "resourceNames": workloads},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["list"]},
    ]
    assert platform()[f"Job/{name}"]["spec", "template", "spec", "serviceAccountName"] == name
