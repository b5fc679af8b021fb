"""PlatformKv: Redis under Sentinel, whose configuration can't hold the one mistake that ends it."""

from __future__ import annotations

import json
import re
from functools import cache
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi import ResourceHookArgs
from pulumi_kubernetes import core

from components.platform_kv import PlatformKv, PlatformKvArgs, RedisConfig, _refuse_another_password
from tests.unit.harness import Graph, everything, platform, run, settings_of

NAMESPACE = "platform-kv-redis-cluster"
IDENTITY: Any = SimpleNamespace(annotations={"infisical-platform/stack-id": "id"})


def redis(**keys: Any) -> Graph:
    """Return the component alone, of stack dev with changed keys."""
    args = PlatformKvArgs.of(settings_of(**keys), IDENTITY)
    return run(lambda options: PlatformKv("platform-kv", args, options))


@cache
def unchanged() -> Graph:
    return redis()


def triggers_in(graph: Graph, gate: str = "gate") -> object:
    return graph[f"Job/platform-kv-{gate}"]["spec", "template", "metadata", "annotations"]


def test_what_it_creates() -> None:
    made = {f"{r}": r.inputs.get("metadata", {}).get("name") for r in platform().made_by("platform-kv")}
    scripts = [f"ConfigMap/platform-kv-{gate}-scripts" for gate in ("handover", "servers", "gate")]
    for named_by_content in ("ConfigMap/platform-kv-config", *scripts):
        assert re.fullmatch(named_by_content.removeprefix("ConfigMap/") + "-[0-9a-f]{12}", made.pop(named_by_content))
    assert made == {
        "Namespace/platform-kv-namespace": NAMESPACE,
        "RandomPassword/platform-kv-password": None,
        "Secret/platform-kv-auth": "platform-kv-auth",
        "RedisReplication/platform-kv-replication": "platform-kv",
        "RedisSentinel/platform-kv-sentinel": "platform-kv-sentinel",
        "Secret/platform-kv-gate-login": None,
        **{
            f"{kind}/platform-kv-{gate}": f"platform-kv-{gate}"
            for gate in ("handover", "servers", "gate")
            for kind in ("ServiceAccount", "Role", "RoleBinding", "Job")
        },
        "NetworkPolicy/platform-kv-policies-redis": "redis",
        "NetworkPolicy/platform-kv-policies-sentinel": "sentinel",
        "NetworkPolicy/platform-kv-policies-platform-kv-handover": "platform-kv-handover",
        "NetworkPolicy/platform-kv-policies-platform-kv-servers": "platform-kv-servers",
        "NetworkPolicy/platform-kv-policies-platform-kv-gate": "platform-kv-gate",
        "NetworkPolicy/platform-kv-policies-platform-kv-rotation": "platform-kv-rotation",
        "NetworkPolicy/platform-kv-policies-others": "others",
    }


def test_everything_is_in_its_namespace_and_waits_for_it() -> None:
    graph = platform()
    inside = [r for r in graph.made_by("platform-kv") if "metadata" in r.inputs and r.kind != "Namespace"]
    assert {r["metadata", "namespace"] for r in inside} == {NAMESPACE}
    for resource in inside:
        assert graph.waits(str(resource), for_="platform-kv-namespace")


@pytest.mark.parametrize(
    ("later", "earlier"),
    [
        ("platform-kv-replication", "platform-kv-auth"),
        ("platform-kv-replication", "platform-kv-config"),
        ("Job/platform-kv-handover", "platform-kv-auth"),
        ("platform-kv-replication", "Job/platform-kv-handover"),
        ("Job/platform-kv-servers", "platform-kv-replication"),
        ("RedisSentinel/platform-kv-sentinel", "Job/platform-kv-servers"),
        ("Job/platform-kv-gate", "RedisSentinel/platform-kv-sentinel"),
    ],
)
def test_waits(later: str, earlier: str) -> None:
    assert platform().waits(later, for_=earlier)


# --- redis.conf ------------------------------------------------------------------------------------------------------


@given(
    config=st.builds(
        RedisConfig, max_memory_mib=st.integers(1, 10**9), append_fsync=st.sampled_from(["always", "everysec"])
    )
)
def test_every_line_of_the_configuration_is_a_directive_and_a_value(config: RedisConfig) -> None:
    """A comment behind a directive is a wrong number of arguments: the server ends at its next start."""
    lines = config.render().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z-]+ [a-z0-9]+", line)] == []
    names = [line.split()[0] for line in lines]
    assert len(names) == len(set(names))
    assert f"maxmemory {config.max_memory_mib}mb" in lines
    assert "maxmemory-policy noeviction" in lines
    assert "appendonly yes" in lines


def test_redis_gets_the_configuration_under_the_key_that_the_operator_reads() -> None:
    config_map = platform()["platform-kv-config"]
    assert config_map["data"] == {"redis-additional.conf": RedisConfig(max_memory_mib=96).render()}
    assert config_map["immutable"] is True
    used = platform()["platform-kv-replication"]["spec", "redisConfig", "additionalRedisConfig"]
    assert used == config_map["metadata", "name"]


def test_a_changed_configuration_reaches_redis_and_runs_the_gate() -> None:
    """Neither the server nor the operator notices an edited ConfigMap."""
    before, after = unchanged(), redis(redis={"maxMemoryMib": 97})
    path = ("spec", "redisConfig", "additionalRedisConfig")
    assert before["platform-kv-replication"][path] != after["platform-kv-replication"][path]
    assert triggers_in(before) != triggers_in(after)


# --- custom resources ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("graph", [platform, everything])
def test_numbers_and_switches_of_the_sentinel_are_strings(graph: Any) -> None:
    """The resource's schema refuses a number, and YAML's yes and no."""
    config = dict(graph()["RedisSentinel/platform-kv-sentinel"]["spec", "redisSentinelConfig"])
    password = config.pop("redisReplicationPassword")
    assert password == {"secretKeyRef": {"name": "platform-kv-auth", "key": "password"}}
    assert {type(value) for value in config.values()} == {str}
    assert config["redisReplicationName"] == "platform-kv"
    assert config["masterGroupName"] == "platform-kv-master"
    assert (config["resolveHostnames"], config["announceHostnames"]) == ("no", "no"), "names hide a lost master"


def test_size_comes_from_the_stack() -> None:
    graph = everything()
    replication, sentinel = graph["platform-kv-replication"], graph["RedisSentinel/platform-kv-sentinel"]
    assert replication["spec", "clusterSize"] == 5
    assert sentinel["spec", "clusterSize"] == 5
    assert sentinel["spec", "redisSentinelConfig", "quorum"] == "3"
    assert replication["spec", "pdb"] == sentinel["spec", "pdb"] == {"enabled": True, "minAvailable": 3}
    claim = replication["spec", "storage", "volumeClaimTemplate", "spec"]
    assert claim["storageClassName"] == "fast"
    assert (
        "storageClassName"
        not in platform()["platform-kv-replication"]["spec", "storage", "volumeClaimTemplate", "spec"]
    )


@pytest.mark.parametrize("instances", range(2, 10))
def test_a_node_can_always_be_drained(instances: int) -> None:
    """With a budget of all pods, `kubectl drain` waits for ever."""
    budget = redis(redis={"instances": instances})["platform-kv-replication"]["spec", "pdb"]
    assert budget["enabled"] is True
    assert 1 <= budget["minAvailable"] < instances
    assert budget["minAvailable"] > instances // 2 or instances == 2, "a majority stays where it can"


def test_volumes_outlive_the_resource() -> None:
    assert platform()["platform-kv-replication"]["spec", "storage", "keepAfterDelete"] is True


@pytest.mark.parametrize("name", ["platform-kv-replication", "RedisSentinel/platform-kv-sentinel"])
def test_no_annotation_reaches_the_operator(name: str) -> None:
    """It copies them into the pods: a changed one would restart every Sentinel at once."""
    assert "annotations" not in platform()[name]["metadata"]


def test_redis_its_sentinels_and_the_gate_share_one_password() -> None:
    graph = platform()
    password = graph["Secret/infisical-secrets"]["stringData", "REDIS_PASSWORD"]
    assert password in graph.generated
    assert graph["platform-kv-auth"]["stringData"] == {"password": password}
    assert graph["platform-kv-gate-login"]["stringData"] == {"password": password}
    assert graph["platform-kv-gate-login"]["immutable"] is True
    assert graph.secret("platform-kv-auth", "stringData")
    reference = graph["platform-kv-replication"]["spec", "kubernetesConfig", "redisSecret"]
    assert reference == {"name": "platform-kv-auth", "key": "password"}


def test_passwords_survive_a_shell_and_a_uri() -> None:
    for name in ("platform-kv-password", "platform-db-password"):
        password = platform()[name]
        assert (password["length"], password["special"]) == (32, False)


def test_what_the_gate_asks() -> None:
    [container] = everything()["Job/platform-kv-gate"]["spec", "template", "spec", "containers"]
    environment = {variable["name"]: variable for variable in container["env"]}
    asked = json.loads(environment["CONFIG"]["value"])
    assert asked["sentinels_host"] == f"platform-kv-sentinel-sentinel-headless.{NAMESPACE}.svc"
    assert (asked["sentinel_port"], asked["sentinels"], asked["replicas"]) == (26379, 5, 4)
    assert asked["master_name"] == "platform-kv-master"
    assert environment["REDIS_PASSWORD"]["valueFrom"]["secretKeyRef"]["key"] == "password"


# --- rotation --------------------------------------------------------------------------------------------------------


def rotated(**keys: Any) -> Graph:
    """A Redis with somebody who uses its password."""

    def make(options: pulumi.ResourceOptions) -> None:
        kv = PlatformKv("platform-kv", PlatformKvArgs.of(settings_of(**keys), IDENTITY), options)
        core.v1.Secret("user", metadata={"namespace": "user"}, string_data={"password": kv.password}, opts=options)

    return run(make)


ROTATIONS: list[dict[str, Any]] = [{"redis": {"passwordRotation": 2}}, {"redisPassword": "GivenByTheStack1"}]


def test_another_password_is_generated_when_the_rotation_is_raised_and_only_then() -> None:
    first, third = unchanged()["platform-kv-password"], redis(redis={"passwordRotation": 3})["platform-kv-password"]
    assert "keepers" not in first.inputs, "a stack which has never rotated keeps what it has"
    assert third["keepers"] == {"rotation": "3"}
    assert not redis(cluster={"protect": True})["platform-kv-password"].protect, "it could not be replaced"


def test_a_given_password_is_used_instead_of_a_generated_one() -> None:
    graph = rotated(redisPassword="GivenByTheStack1")
    assert [str(r) for r in graph if r.kind == "RandomPassword"] == []
    for name in ("platform-kv-auth", "platform-kv-gate-login", "user"):
        assert graph[name]["stringData", "password"] == "GivenByTheStack1"
        assert graph.secret(name, "stringData", "password")


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_redis_learns_a_password_before_anybody_uses_it(rotation: dict[str, Any]) -> None:
    graph = rotated(**rotation)
    for user in ("Secret/platform-kv-auth", "Secret/user", "platform-kv-replication", "Job/platform-kv-gate"):
        assert graph.waits(user, for_="Job/platform-kv-rotation")
    assert graph.free("Job/platform-kv-rotation", of="Secret/platform-kv-auth"), "it reads there what it was before"


def test_the_first_password_takes_no_step_of_its_own_and_its_users_wait_for_the_secret_alone() -> None:
    graph = rotated()
    made = {str(job) for job in graph.of_type("kubernetes:batch/v1:Job")}
    assert made == {"Job/platform-kv-handover", "Job/platform-kv-servers", "Job/platform-kv-gate"}
    assert graph.waits("Secret/user", for_="Secret/platform-kv-auth")
    assert graph.free("Secret/user", of="platform-kv-replication")


@pytest.mark.parametrize("key", ["data", "stringData"])
def test_the_first_generated_password_is_changed_by_no_update(key: str) -> None:
    """There is no step which would make it known to Redis."""

    def change(**new: object) -> ResourceHookArgs:
        old: dict[str, object] = {"metadata": {}, key: {"password": "one"}}
        return ResourceHookArgs("urn", "id", "platform-kv-auth", "Secret", old | new, old)

    _refuse_another_password(change(metadata={"labels": {"a": "b"}}))
    with pytest.raises(pulumi.RunError, match=r"redis\.passwordRotation: .*pulumi config set") as refusal:
        _refuse_another_password(change(**{key: {"password": "two"}}))
    assert "two" not in str(refusal.value)


def test_what_the_rotation_is_told_and_may_do() -> None:
    graph = redis(redis={"passwordRotation": 2})
    spec = graph["Job/platform-kv-rotation"]["spec", "template", "spec"]
    environment = {variable["name"]: variable for variable in spec["containers"][0]["env"]}
    told = json.loads(environment["CONFIG"]["value"])
    assert (told["secret"], told["master_name"]) == ("platform-kv-auth", "platform-kv-master")
    assert (told["replication"], told["redis_port"]) == ("platform-kv", 6379)
    assert (told["sentinel"], told["sentinel_port"]) == ("platform-kv-sentinel-sentinel", 26379)
    reference = environment["REDIS_PASSWORD"]["valueFrom"]["secretKeyRef"]
    assert reference["name"].startswith("platform-kv-gate-login-"), "another password is another Secret: another run"
    assert graph["Role/platform-kv-rotation"]["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["platform-kv-auth"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    ]
