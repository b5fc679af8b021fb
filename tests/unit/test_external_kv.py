"""A Redis that somebody else runs: its address, its Sentinels and its authority, where each of them is needed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from pulumi import ResourceOptions, export

from components.external_db import ExternalDb, ExternalDbArgs
from components.external_kv import ExternalKv, ExternalKvArgs
from components.stack_identity import StackIdentity
from safeguards import Refusal, check
from safeguards.state import LastState
from tests.unit.harness import (
    AUTHORITY,
    COMMANDS,
    EXTERNAL_DATABASE,
    EXTERNAL_REDIS,
    EXTERNAL_SENTINELS,
    Graph,
    external,
    platform,
    run,
    settings_of,
    with_sentinels,
)
from tests.unit.test_external_db import env_of

GATE = "Job/platform-kv-login"


def told(graph: Graph) -> dict[str, str]:
    variables = graph["Secret/infisical-secrets"]["stringData"]
    return {name: value for name, value in variables.items() if name.startswith("REDIS_")}


def config(graph: Graph, job: str) -> dict[str, Any]:
    return json.loads(env_of(graph[job])["CONFIG"])


@pytest.mark.parametrize(
    ("redis", "url"),
    [
        ({}, "rediss://:throw-away%2Fred%7Cs@redis.example.org:6379"),
        ({"port": 6390, "username": "a b"}, "rediss://a%20b:throw-away%2Fred%7Cs@redis.example.org:6390"),
        ({"tls": False, "authority": None}, "redis://:throw-away%2Fred%7Cs@redis.example.org:6379"),
    ],
)
def test_a_host_becomes_an_address(redis: dict[str, Any], url: str) -> None:
    wanted = {key: value for key, value in (EXTERNAL_REDIS | redis).items() if value is not None}
    graph = external(redis=wanted)
    assert told(graph) == {"REDIS_URL": url}
    assert graph.secret("Secret/infisical-secrets", "stringData", "REDIS_URL")


def test_sentinels_become_what_infisical_asks() -> None:
    graph = with_sentinels()
    assert told(graph) == {
        "REDIS_SENTINEL_HOSTS": "s-0.example.org:26379,s-1.example.org:26380",
        "REDIS_SENTINEL_MASTER_NAME": "main",
        "REDIS_USERNAME": "app",
        "REDIS_PASSWORD": "throw-away-redis",
        "REDIS_SENTINEL_PASSWORD": "throw-away-sentinel",
    }
    assert config(graph, GATE)["redis"] == {
        "port": 6379,
        "username": "app",
        "sentinels": ["s-0.example.org:26379", "s-1.example.org:26380"],
        "master_name": "main",
    }
    assert {"REDIS_PASSWORD", "SENTINEL_PASSWORD"} <= env_of(graph[GATE]).keys()
    ports = {
        port["port"]
        for rule in graph["NetworkPolicy/platform-kv-policies-platform-kv-login"]["spec", "egress"]
        for port in rule["ports"]
    }
    assert {6379, 26379, 26380} <= ports


def test_the_authority_reaches_infisical_the_gate_and_a_restore() -> None:
    graph = external()
    assert graph["ConfigMap/infisical-authorities"]["data"] == {"authorities.pem": AUTHORITY}
    for job, folder, where in (
        (GATE, "/authority", config(graph, GATE)["redis"]),
        ("Job/restore", "/redis", config(graph, "Job/restore")["queues"]["external"]),
    ):
        assert where == {"host": "redis.example.org", "port": 6379, "trust": f"{folder}/ca.crt"}
        [container] = graph[job]["spec", "template", "spec", "containers"]
        assert folder in {mount["mountPath"] for mount in container["volumeMounts"]}
        assert env_of(graph[job])["REDIS_PASSWORD"]["secretKeyRef"]["key"] == "password"


def test_a_public_authority_is_the_images_own() -> None:
    graph = external(redis={"kind": "external", "host": "redis.example.org"})
    assert config(graph, GATE)["redis"]["trust"] == "public"
    assert "ConfigMap/infisical-authorities" not in {str(resource) for resource in graph}
    [container] = graph[GATE]["spec", "template", "spec", "containers"]
    assert "/authority" not in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_the_gate_waits_for_its_policy_and_tries_a_new_password() -> None:
    graph = external()
    assert graph.waits(GATE, for_="NetworkPolicy/platform-kv-policies-others")
    assert graph["Secret/platform-kv-login-secret"]["stringData"]["password"] == "throw-away/red|s"
    assert graph.secret("Secret/platform-kv-login-secret", "stringData", "password")
    assert graph.secret("Secret/restore-redis", "stringData", "password")


def test_a_database_of_its_own_stays_as_it_is() -> None:
    """A Redis outside changes nothing of PostgreSQL."""
    mine, other = platform("minimal"), with_sentinels()
    for name in ("postgresql/platform-db-cluster", "Job/platform-db-gate-login", "Certificate/platform-db-leaf"):
        assert mine[name].inputs == other[name].inputs


@pytest.mark.parametrize(
    ("redis", "passwords", "secret"),
    [
        (EXTERNAL_REDIS, ["redisPassword"], {"uri", "REDIS_URL", "password"}),
        (
            EXTERNAL_SENTINELS,
            ["redisPassword", "redisSentinelPassword"],
            {"uri", "REDIS_PASSWORD", "REDIS_SENTINEL_PASSWORD", "password", "sentinel-password"},
        ),
    ],
)
def test_what_leads_to_the_servers_is_secret_wherever_it_goes(
    redis: dict[str, Any], passwords: list[str], secret: set[str]
) -> None:
    """A Secret marks its content itself. An output, or a name with a digest, does not."""
    stack = {"database": EXTERNAL_DATABASE, "redis": redis, "databasePassword": "throw-away/d@tabase"}
    settings = settings_of("minimal", **stack, **dict.fromkeys(passwords, "throw-away/red|s"))

    def make(options: ResourceOptions) -> None:
        identity = StackIdentity("identity", None, options)
        kv = ExternalKv("platform-kv", ExternalKvArgs.of(settings, identity), options)
        db = ExternalDb("platform-db", ExternalDbArgs.of(settings, identity), options)
        for name, value in {"uri": db.uri(db.primary), **kv.variables, **kv.login}.items():
            export(name, value)

    assert {name for name, leaf in run(make).exports.items() if leaf.secret} == secret


# --- another address -------------------------------------------------------------------------------------------------


def led_to(**variables: str) -> LastState:
    data = {name: base64.b64encode(value.encode()).decode() for name, value in variables.items()}
    urn = "urn:pulumi:dev::infisical-platform::a$b::infisical-secrets"
    return LastState({urn: {"type": "kubernetes:core/v1:Secret", "outputs": {"data": data}}})


HOST = {"REDIS_URL": "rediss://:p%40ss@redis.example.org:6379"}
WATCHED = {
    "REDIS_SENTINEL_HOSTS": "s-0.example.org:26379,s-1.example.org:26380",
    "REDIS_SENTINEL_MASTER_NAME": "main",
    "REDIS_PASSWORD": "p@ss",
}
PLAIN = "redis.example.org:6379"
GROUP = "main@s-0.example.org:26379,s-1.example.org:26380"


def refused(before: dict[str, str], redis: dict[str, Any], **changed: Any) -> str:
    settings = settings_of("minimal", redis={**redis, **changed}, redisPassword="throw-away-redis")
    try:
        check(settings, led_to(**before), COMMANDS)
    except Refusal as refusal:
        return str(refusal)
    return ""


@pytest.mark.parametrize(
    ("before", "redis", "changed", "address"),
    [
        (HOST, EXTERNAL_REDIS, {"host": "other.example.org"}, PLAIN),
        (HOST, EXTERNAL_REDIS, {"port": 6390}, PLAIN),
        (HOST, EXTERNAL_SENTINELS, {}, PLAIN),
        (WATCHED, EXTERNAL_SENTINELS, {"masterName": "other"}, GROUP),
        (WATCHED, EXTERNAL_SENTINELS, {"sentinelHosts": ["s-2.example.org:26379"]}, GROUP),
        (WATCHED, EXTERNAL_REDIS, {}, GROUP),
    ],
)
def test_a_stack_is_led_to_another_redis_only_when_it_says_so(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, str], redis: dict[str, Any], changed: Any, address: str
) -> None:
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    said = refused(before, redis, **changed)
    assert f"this stack's queues are in {address}, and the settings lead to " in said
    assert said.endswith(f"'infisical-platform:redis.movedFrom' {address}")
    assert "ss@" not in said
    assert refused(before, redis, **changed, movedFrom="elsewhere.example.org:6379")
    assert refused(before, redis, **changed, movedFrom=address) == ""


@pytest.mark.parametrize(
    ("before", "redis"),
    [
        ({}, EXTERNAL_REDIS),
        (HOST, EXTERNAL_REDIS),
        (HOST, {**EXTERNAL_REDIS, "username": "somebody"}),
        (WATCHED, EXTERNAL_SENTINELS),
        (WATCHED, {**EXTERNAL_SENTINELS, "sentinelHosts": ["s-9.example.org:26379", "s-1.example.org:26380"]}),
    ],
)
def test_a_stack_that_stays_or_begins_is_let_through(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, str], redis: dict[str, Any]
) -> None:
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    assert refused(before, redis) == ""
