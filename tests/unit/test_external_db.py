"""A database that somebody else runs: proven before Infisical is led there, backed up, and never exchanged."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from components.external_db import ExternalDbArgs
from safeguards import Refusal, check
from safeguards.state import LastState
from settings import Settings, SettingsError
from tests.unit.harness import (
    AUTHORITY,
    COMMANDS,
    EXTERNAL_DATABASE,
    EXTERNAL_REDIS,
    Graph,
    external,
    platform,
    settings_of,
    with_sentinels,
)
from tests.unit.harness.graph import Resource

LOGIN = "Job/platform-db-login"
PASSWORD = "throw-away/d@tabase"


@pytest.fixture(scope="module")
def graph() -> Graph:
    return external()


def test_an_operator_without_anything_to_run_is_not_installed() -> None:
    keys = {"redisPassword": "throw-away-redis", "databasePassword": "throw-away-database"}
    section = {"postgres": "install", "redis": "install", "certManager": "install"}
    with pytest.raises(SettingsError) as refused:
        settings_of("minimal", database=EXTERNAL_DATABASE, redis=EXTERNAL_REDIS, operators=section, **keys)
    said = str(refused.value).splitlines()[1:]
    assert [line.partition(":")[0] for line in said] == ["- operators.postgres", "- operators.redis"]
    assert "database.kind is external" in said[0]


def env_of(job: Resource) -> dict[str, Any]:
    [container] = job["spec", "template", "spec", "containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container.get("env", [])}


def test_nothing_is_asked_of_the_operators(graph: Graph) -> None:
    kinds = {resource.kind for resource in graph}
    assert kinds.isdisjoint({"postgresql", "RedisReplication", "RedisSentinel"})
    assert {str(r) for r in graph if r.kind in ("Issuer", "Certificate")} == {"Certificate/ingress-certificate"}
    assert not any("cert-sync" in str(resource) for resource in graph)
    assert not any("platform-db-password" in str(resource) for resource in graph)


def test_the_environment_leads_there_verified(graph: Graph) -> None:
    told = graph["Secret/infisical-secrets"]["stringData"]
    assert told["DB_CONNECTION_URI"] == (
        "postgresql://infisical_user:throw-away%2Fd%40tabase@db.example.org:6432/infisical"
    )
    assert base64.b64decode(told["DB_ROOT_CERT"]).decode() == AUTHORITY
    assert graph["Secret/infisical-migration-uri"]["stringData"] == {"DB_CONNECTION_URI": told["DB_CONNECTION_URI"]}


def test_the_gate_logs_in_as_infisical_will(graph: Graph) -> None:
    told = env_of(graph[LOGIN])
    assert (told["PGHOST"], told["PGPORT"], told["PGUSER"], told["PGDATABASE"]) == (
        "db.example.org",
        "6432",
        "infisical_user",
        "infisical",
    )
    secret = graph["Secret/platform-db-login-secret"]
    assert secret["stringData"] == {"password": PASSWORD, "ca.crt": AUTHORITY}
    assert graph.secret("Secret/platform-db-login-secret", "stringData", "password")
    assert told["PGPASSWORD"]["secretKeyRef"]["key"] == "password"
    [volume] = [v for v in graph[LOGIN]["spec", "template", "spec", "volumes"] if "secret" in v]
    assert [item["key"] for item in volume["secret"]["items"]] == ["ca.crt"], "the password is no file"
    assert graph.waits(LOGIN, for_="NetworkPolicy/platform-db-policies-others")


@pytest.mark.parametrize("name", ["Secret/infisical-secrets", "Job/infisical-migration", "Release/infisical"])
def test_nobody_is_led_to_a_server_that_has_not_taken_the_password(graph: Graph, name: str) -> None:
    assert graph.waits(name, for_=LOGIN)
    assert graph.waits(name, for_="Job/platform-kv-login")


def test_backups_are_given_no_password_that_the_server_has_not_taken(graph: Graph) -> None:
    assert graph.waits("Secret/platform-db-external", for_=LOGIN)


def test_another_password_is_proven_anew(graph: Graph) -> None:
    other = external(databasePassword="another")
    secret = "Secret/platform-db-external"
    assert graph[secret]["stringData"]["password"] == PASSWORD
    assert other[secret]["stringData"]["password"] == "another"
    assert graph.secret(secret, "stringData", "password")


def test_backups_read_the_login_at_each_run_and_ask_no_operator(graph: Graph) -> None:
    for job in ("backup-before", "backup", "restore"):
        told = json.loads(env_of(graph[f"Job/{job}"])["CONFIG"])["database"]
        assert told == {
            "namespace": "platform-db-pg",
            "credentials": "external-database",
            "host": "db.example.org",
            "port": 6432,
            "name": "infisical",
            "ca_files": ["/authority/ca.crt"],
        }
    rules = graph["Role/backup"]["rules"]
    assert [rule["resources"] for rule in rules] == [["secrets"], ["configmaps"]]
    assert rules[0]["resourceNames"] == ["external-database"]
    assert graph.waits("Job/backup-before", for_="Secret/platform-db-external")
    assert graph.waits("Job/backup-before", for_="NetworkPolicy/platform-db-policies-others")
    assert graph["Secret/platform-db-external"]["stringData"]["username"] == "infisical_user"


def test_the_outputs_say_where_the_servers_are(graph: Graph) -> None:
    told: dict[str, Any] = {leaf.where: leaf.value for leaf in graph.exports.values()}
    address = "db.example.org:6432"
    assert told["database"] == {"pooler": address, "primary": address, "authority": "platform-db-pg/external-database"}
    assert told["redis"] == {"host": "redis.example.org:6379"}
    assert (told["versions"]["postgresql"], told["versions"]["redis"]) == ("external", "external")
    watched = {leaf.where: leaf.value for leaf in with_sentinels().exports.values()}
    assert watched["redis"] == {"sentinels": "s-0.example.org:26379,s-1.example.org:26380", "masterName": "main"}


def test_whoever_pulls_has_no_pods_of_the_operator() -> None:
    credentials = '{"auths": {"registry.example.org": {"auth": "dTpw"}}}'
    made = {str(resource) for resource in external(registryCredentials=credentials)}
    assert "Secret/pull-secrets-platform-db" in made
    assert "ServiceAccountPatch/pull-secrets-postgres-pod" not in made


@pytest.mark.parametrize("protect", [True, False])
def test_what_holds_data_is_protected(protect: bool) -> None:
    graph = external(cluster={"protect": protect})
    assert graph["Namespace/platform-db-namespace"].protect is protect
    assert graph["Namespace/platform-kv-namespace"].protect is protect
    assert graph["Secret/infisical-secrets"].protect is protect


def test_all_that_is_made_is_below_its_part(graph: Graph) -> None:
    for name in ("platform-db", "platform-kv"):
        parts = {"namespace": "Namespace", "policies": "NetworkPolicies", "login": "Gate"}
        below = {f"{kind}/{name}-{part}" for part, kind in parts.items()}
        below |= {"Secret/platform-db-external"} if name == "platform-db" else set()
        assert below <= set(map(str, graph.children(name)))


def test_no_secret_stands_in_the_plain() -> None:
    for graph in (external(), with_sentinels()):
        plain = [
            f"{resource}: {leaf.path}"
            for resource in graph
            for leaf in resource.leaves()
            if graph.reveals(leaf.value) and not leaf.secret
        ]
        assert plain == []


def policy(graph: Graph, name: str) -> list[tuple[int, ...]]:
    """The ports that pods may open to anybody."""
    rules = graph[name]["spec"].get("egress", [])
    return [tuple(port["port"] for port in rule["ports"]) for rule in rules if not rule.get("to")]


def test_the_policies_open_the_servers_port_to_those_that_go_there(graph: Graph) -> None:
    for name in (
        "NetworkPolicy/platform-db-policies-platform-db-login",
        "NetworkPolicy/platform-db-policies-backup-before",
        "NetworkPolicy/platform-db-policies-backup",
        "NetworkPolicy/platform-db-policies-restore",
        "NetworkPolicy/infisical-secrets-policies-infisical",
        "NetworkPolicy/infisical-secrets-policies-infisical-migration",
    ):
        assert any(6432 in ports for ports in policy(graph, name)), name
    for name in (
        "NetworkPolicy/platform-kv-policies-platform-kv-login",
        "NetworkPolicy/platform-db-policies-restore",
        "NetworkPolicy/infisical-secrets-policies-infisical",
    ):
        assert any(6379 in ports for ports in policy(graph, name)), name
    assert not any(6432 in ports for ports in policy(graph, "NetworkPolicy/platform-db-policies-backup-rehearsal"))
    named = {r["metadata", "name"] for r in graph if r.kind == "NetworkPolicy"}
    assert named.isdisjoint({"database", "pooler", "redis", "sentinel", "cert-sync"})


MADE = {
    "database": {
        "operator": ("kubernetes:acid.zalan.do/v1:postgresql", "platform-db-cluster"),
        "external": ("kubernetes:core/v1:Secret", "platform-db-external"),
    },
    "redis": {
        "operator": ("kubernetes:redis.redis.opstreelabs.in/v1beta2:RedisReplication", "platform-kv-replication"),
        "external": ("kubernetes:core/v1:Secret", "platform-kv-login-secret"),
    },
}
OUTSIDE = {
    "database": {"database": EXTERNAL_DATABASE, "databasePassword": "p"},
    "redis": {"redis": EXTERNAL_REDIS, "redisPassword": "p"},
}


def state(section: str, kind: str) -> LastState:
    type_, name = MADE[section][kind]
    urn = f"urn:pulumi:dev::infisical-platform::{type_}::{name}"
    return LastState({urn: {"type": type_, "outputs": {"metadata": {"name": name}}}})


@pytest.mark.parametrize("section", MADE)
@pytest.mark.parametrize(("before", "after"), [("operator", "external"), ("external", "operator")])
def test_a_kind_is_never_exchanged_where_there_is_data(section: str, before: str, after: str) -> None:
    wanted = settings_of("minimal", **(OUTSIDE[section] if after == "external" else {}))
    with pytest.raises(Refusal) as refused:
        check(wanted, state(section, before), COMMANDS)
    said = str(refused.value)
    assert said.startswith(f"{section}.kind: this stack has {before}, and {after} is asked for: ")
    assert f"pulumi config set --stack dev --path 'infisical-platform:{section}.kind' {before}" in said
    assert "docs/external.md" in said


def test_what_is_made_is_what_the_safeguard_looks_for(graph: Graph) -> None:
    own = platform()
    for section in MADE.values():
        for kind, (type_, name) in section.items():
            made = [r for r in (own if kind == "operator" else graph) if str(r).rpartition("/")[2] == name]
            assert [r.kind for r in made] == [type_.rpartition(":")[2]]


BEFORE = "db.example.org:5432/infisical"


def led_to(address: str) -> LastState:
    uri = base64.b64encode(f"postgresql://infisical_user:p%40ss@{address}".encode()).decode()
    urn = "urn:pulumi:dev::infisical-platform::a$b::infisical-secrets"
    return LastState({urn: {"type": "kubernetes:core/v1:Secret", "outputs": {"data": {"DB_CONNECTION_URI": uri}}}})


def hosted(**changed: object) -> Settings:
    """A stack on the database of BEFORE, with what is given changed."""
    return settings_of("minimal", database={**EXTERNAL_DATABASE, "port": 5432, **changed}, databasePassword="p")


@pytest.mark.parametrize(
    ("changed", "key", "back"),
    [
        ({"host": "new.example.org"}, "host", "db.example.org"),
        ({"port": 6543}, "port", "5432"),
        ({"name": "another"}, "name", "infisical"),
    ],
)
@pytest.mark.parametrize("moved", [{}, {"movedFrom": "elsewhere.example.org:5432/infisical"}])
def test_a_stack_with_data_is_not_led_to_another_database(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, object], key: str, back: str, moved: dict[str, str]
) -> None:
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    with pytest.raises(Refusal) as refused:
        check(hosted(**changed, **moved), led_to(BEFORE), COMMANDS)
    said = str(refused.value)
    assert said.startswith(f"database.{key}: this stack's data is in {BEFORE}, and the settings lead to ")
    assert f"pulumi config set --stack dev --path 'infisical-platform:database.{key}' {back}" in said
    assert f"'infisical-platform:database.movedFrom' {BEFORE}" in said
    assert "p%40ss" not in said


@pytest.mark.parametrize("address", [BEFORE, ""])
def test_a_stack_that_stays_or_begins_is_let_through(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    check(hosted(), led_to(address) if address else LastState({}), COMMANDS)


def test_whoever_has_copied_the_data_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    check(hosted(host="new.example.org", movedFrom=BEFORE), led_to(BEFORE), COMMANDS)


def test_data_that_was_moved_has_to_be_there_unless_a_restore_brings_it() -> None:
    database = {**EXTERNAL_DATABASE, "movedFrom": BEFORE}
    assert "MOVED_FROM" not in env_of(external(restore=None)[LOGIN])
    assert env_of(external(database=database, restore=None)[LOGIN])["MOVED_FROM"] == BEFORE
    assert "MOVED_FROM" not in env_of(external(database=database)[LOGIN])


def test_the_gate_waits_no_longer_than_a_minute() -> None:
    assert ExternalDbArgs.__dataclass_fields__["deadline_seconds"].default == 60
