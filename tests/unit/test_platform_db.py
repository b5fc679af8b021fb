"""PlatformDb: a database whose certificate is verified, with the password that Infisical uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.base.references import Endpoint
from components.platform_db import PlatformDb, PlatformDbArgs
from tests.unit.harness import Graph, everything, platform, run, settings_of

NAMESPACE = "platform-db-pg"
CREDENTIALS = "infisical-user.platform-db-cluster.credentials.postgresql.acid.zalan.do"
IDENTITY: Any = SimpleNamespace(annotations={"infisical-platform/stack-id": "id"})


def database(**keys: Any) -> Graph:
    """Return the component alone, of stack dev with changed keys."""
    args = PlatformDbArgs.of(settings_of(**keys), IDENTITY)
    return run(lambda options: PlatformDb("platform-db", args, options))


def test_a_given_password_is_as_secret_as_a_generated_one() -> None:
    def make(opts: pulumi.ResourceOptions) -> None:
        args = PlatformDbArgs.of(settings_of(databasePassword="GivenByTheStack1"), IDENTITY)
        pulumi.export("password", PlatformDb("platform-db", args, opts).password)

    assert run(make).exports["password"].secret


@cache
def unchanged() -> Graph:
    return database()


def test_what_it_creates() -> None:
    made = {f"{r}": r.inputs.get("metadata", {}).get("name") for r in platform().made_by("platform-db")}
    scripts = made.pop("ConfigMap/platform-db-gate-scripts")
    assert scripts is not None
    assert scripts.startswith("platform-db-gate-scripts-")
    assert made == {
        "Namespace/platform-db-namespace": NAMESPACE,
        "Issuer/platform-db-self-signed": "platform-db-self-signed",
        "Certificate/platform-db-authority": "platform-db-ca",
        "Issuer/platform-db-issuer": "platform-db-ca",
        "Certificate/platform-db-leaf": "platform-db-tls",
        "RandomPassword/platform-db-password": None,
        "Secret/platform-db-credentials": CREDENTIALS,
        "postgresql/platform-db-cluster": "platform-db-cluster",
        "PodDisruptionBudget/platform-db-pooler-budget": "platform-db-cluster-pooler",
        "Secret/platform-db-gate-login": None,
        "ServiceAccount/platform-db-gate-operator": "platform-db-gate-operator",
        "Role/platform-db-gate-operator": "platform-db-gate-operator",
        "RoleBinding/platform-db-gate-operator": "platform-db-gate-operator",
        "Job/platform-db-gate-operator": "platform-db-gate-operator",
        "Job/platform-db-gate-login": "platform-db-gate-login",
        "NetworkPolicy/platform-db-policies-database": "database",
        "NetworkPolicy/platform-db-policies-pooler": "pooler",
        "NetworkPolicy/platform-db-policies-platform-db-gate-operator": "platform-db-gate-operator",
        "NetworkPolicy/platform-db-policies-platform-db-gate-login": "platform-db-gate-login",
        "NetworkPolicy/platform-db-policies-cert-sync": "cert-sync",
        "NetworkPolicy/platform-db-policies-others": "others",
    }


def test_everything_is_in_its_namespace_and_waits_for_it() -> None:
    graph = platform()
    inside = [r for r in graph.made_by("platform-db") if "metadata" in r.inputs and r.kind != "Namespace"]
    assert {r["metadata", "namespace"] for r in inside} == {NAMESPACE}
    for resource in inside:
        assert graph.waits(str(resource), for_="platform-db-namespace")


@pytest.mark.parametrize(
    ("later", "earlier"),
    [
        ("platform-db-authority", "platform-db-self-signed"),
        ("platform-db-issuer", "platform-db-authority"),
        ("platform-db-leaf", "platform-db-issuer"),
        ("postgresql/platform-db-cluster", "platform-db-leaf"),
        ("postgresql/platform-db-cluster", "platform-db-credentials"),
        ("postgresql/platform-db-cluster", "platform-db-policies"),
        ("Job/platform-db-gate-operator", "postgresql/platform-db-cluster"),
    ],
)
def test_waits(later: str, earlier: str) -> None:
    assert platform().waits(later, for_=earlier)


# --- the cluster -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("graph", [platform, everything])
def test_rules_of_the_cluster(graph: Any) -> None:
    cluster = graph()["platform-db-cluster"]
    balancers = [f"enable{which}LoadBalancer" for which in ("Master", "Replica", "MasterPooler", "ReplicaPooler")]
    assert [cluster["spec", flag] for flag in balancers] == [False] * 4, "unset is the operator's choice"
    assert cluster["spec", "spiloFSGroup"] == 103, "without it the key can't be read"
    assert cluster["spec", "tls"] == {"secretName": "platform-db-tls", "caFile": "ca.crt"}
    assert cluster["spec", "postgresql"] == {"version": "15"}
    assert cluster["spec", "users"] == {"infisical_user": []}, "null is refused by operator 2.0"
    assert cluster["spec", "databases"] == {"infisical": "infisical_user"}
    assert cluster["spec", "enableConnectionPooler"] is True
    assert "annotations" not in cluster["metadata"], "the operator copies them into pods"


def test_the_primary_stays_while_the_api_server_is_away() -> None:
    assert platform()["platform-db-cluster"]["spec", "patroni"] == {"failsafe_mode": True}


def test_a_commit_waits_for_a_replica_where_the_stack_says_so() -> None:
    spec = database(database={"instances": 3, "synchronous": True})["platform-db-cluster"]["spec"]
    assert spec["patroni"] == {"failsafe_mode": True, "synchronous_mode": True}


def test_size_comes_from_the_stack() -> None:
    spec = everything()["platform-db-cluster"]["spec"]
    assert spec["numberOfInstances"] == 3
    assert spec["connectionPooler"] == {"numberOfInstances": 3, "mode": "session"}
    assert spec["volume"] == {"size": "10Gi", "storageClass": "large"}
    assert "storageClass" not in platform()["platform-db-cluster"]["spec", "volume"], "absent, not null"
    assert platform()["platform-db-cluster"]["spec", "resources"] == {
        "requests": {"cpu": "50m", "memory": "128Mi"},
        "limits": {"cpu": "1", "memory": "512Mi"},
    }
    assert spec["postgresql"] == {"version": "15"}, "a string: the operator refuses a number"


# --- certificates ----------------------------------------------------------------------------------------------------


def test_the_leaf_names_every_service_in_every_form() -> None:
    services = [f"platform-db-cluster{suffix}" for suffix in ("", "-repl", "-pooler", "-pooler-repl")]
    domains = ["", f".{NAMESPACE}", f".{NAMESPACE}.svc", f".{NAMESPACE}.svc.cluster.local"]
    names = platform()["platform-db-leaf"]["spec", "dnsNames"]
    assert sorted(names) == sorted(service + domain for service in services for domain in domains)


def test_the_authority_keeps_its_key_and_the_leaf_does_not() -> None:
    authority, leaf = platform()["platform-db-authority"], platform()["platform-db-leaf"]
    assert authority["spec", "isCA"] is True
    assert authority["spec", "privateKey", "rotationPolicy"] == "Never"
    assert leaf["spec", "privateKey", "rotationPolicy"] == "Always"
    assert leaf["spec", "issuerRef"] == {"kind": "Issuer", "name": "platform-db-ca"}
    assert platform()["platform-db-issuer"]["spec"] == {"ca": {"secretName": authority["spec", "secretName"]}}
    assert int(leaf["spec", "renewBefore"][:-1]) < int(leaf["spec", "duration"][:-1])


@pytest.mark.parametrize(
    "name", ["platform-db-self-signed", "platform-db-authority", "platform-db-issuer", "platform-db-leaf"]
)
def test_certificates_are_awaited(name: str) -> None:
    resource = platform()[name]
    assert resource["metadata", "annotations"] == {"pulumi.com/waitFor": "condition=Ready"}
    assert resource.create_timeout == "1m"


# --- credentials -----------------------------------------------------------------------------------------------------


def test_the_operator_adopts_the_stacks_password() -> None:
    graph = platform()
    secret = graph["platform-db-credentials"]
    assert secret["stringData", "username"] == "infisical_user"
    assert secret["stringData", "password"] in graph.generated
    assert graph.secret("platform-db-credentials", "stringData", "password")


def test_the_gate_logs_in_with_the_password_that_infisical_uses() -> None:
    graph = platform()
    login = graph["Secret/platform-db-gate-login"]
    uri = urlsplit(graph["Secret/infisical-secrets"]["stringData", "DB_CONNECTION_URI"])
    assert login["stringData"] == {"password": uri.password}
    assert login["immutable"] is True, "another password is another Secret, so another run"
    assert "name" not in login["metadata"]
    environment = {v["name"]: v for v in container_of(graph, "login")["env"]}
    reference = environment["PGPASSWORD"]["valueFrom"]["secretKeyRef"]
    assert reference["key"] == "password"
    assert reference["name"].startswith("platform-db-gate-login-")


def test_another_password_is_generated_when_the_rotation_is_raised_and_only_then() -> None:
    first, third = (
        unchanged()["platform-db-password"],
        database(database={"passwordRotation": 3})["platform-db-password"],
    )
    assert "keepers" not in first.inputs, "a stack which has never rotated keeps what it has"
    assert third["keepers"] == {"rotation": "3"}
    assert first.inputs == {name: value for name, value in third.inputs.items() if name != "keepers"}
    assert not database(cluster={"protect": True})["platform-db-password"].protect, "it could not be replaced"


@pytest.mark.parametrize("rotation", [{"database": {"passwordRotation": 2}}, {"databasePassword": "GivenByTheStack1"}])
def test_another_password_is_published_once_postgresql_knows_it(rotation: dict[str, Any]) -> None:
    """A pod of Infisical that restarts while the gate fails would get one that nobody takes."""
    graph = platform(**rotation)
    for gate in ("Job/platform-db-gate-operator", "Job/platform-db-gate-login"):
        assert graph.waits("Secret/infisical-secrets", for_=gate)
        assert platform().free("Secret/infisical-secrets", of=gate), "the first one is made beside the database"


def test_a_given_password_is_used_instead_of_a_generated_one() -> None:
    graph = database(databasePassword="GivenByTheStack1")
    assert [str(r) for r in graph if r.kind == "RandomPassword"] == []
    for name in ("Secret/platform-db-credentials", "Secret/platform-db-gate-login"):
        assert graph[name]["stringData", "password"] == "GivenByTheStack1"
        assert graph.secret(name, "stringData", "password")


def test_the_gate_runs_again_for_another_credentials_secret() -> None:
    """Without one, the operator makes its own with another password, and takes it for the role's."""
    credentials = unchanged()["Secret/platform-db-credentials"]
    for job in ("Job/platform-db-gate-operator", "Job/platform-db-gate-login"):
        assert credentials.urn in unchanged()[job].property_dependencies["spec"], "its uid"


def test_the_gate_runs_again_for_another_password() -> None:
    """Both steps: the first one makes the operator read it."""
    login = next(r for r in unchanged() if str(r) == "Secret/platform-db-gate-login")
    for job in ("Job/platform-db-gate-operator", "Job/platform-db-gate-login"):
        assert login.urn in unchanged()[job].property_dependencies["spec"], "its name, which another password changes"
        assert unchanged().waits(job, for_=str(login))
        assert unchanged().waits(job, for_="Secret/platform-db-credentials")


# '/', '?', '#' and '@' end a URI's user information; '%' begins an escape.
PASSWORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1) | st.text(
    "/?#@:%+ &=", min_size=1
)
HOSTS = st.sampled_from(["platform-db-cluster.platform-db-pg.svc", "h"])


@dataclass(frozen=True)
class Known:
    """An Output whose value is there already."""

    value: str

    def apply(self, function: Callable[[str], str]) -> str:
        return function(self.value)


@dataclass(frozen=True)
class Database:
    """What PlatformDb.uri needs of one."""

    password: Known


@given(password=PASSWORDS, host=HOSTS, port=st.integers(1, 65535))
def test_a_uri_gives_back_every_password(password: str, host: str, port: int) -> None:
    database: Any = Database(Known(password))
    uri: Any = PlatformDb.uri(database, Endpoint(host=host, role="primary", port=port))
    parts = urlsplit(uri)
    assert unquote(parts.password or "") == password
    assert (parts.scheme, parts.username, parts.hostname, parts.port) == ("postgresql", "infisical_user", host, port)
    assert (parts.path, parts.query, parts.fragment) == ("/infisical", "", ""), "sslmode would stop verification"


def container_of(graph: Graph, name: str) -> dict[str, Any]:
    [container] = graph[f"Job/platform-db-gate-{name}"]["spec", "template", "spec", "containers"]
    return container
