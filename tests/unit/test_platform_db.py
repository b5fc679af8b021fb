"""PlatformDb: a database whose certificate is verified, with the password that Infisical uses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
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
        "Secret/platform-db-gate-login": None,
        "ServiceAccount/platform-db-gate-operator": "platform-db-gate-operator",
        "Role/platform-db-gate-operator": "platform-db-gate-operator",
        "RoleBinding/platform-db-gate-operator": "platform-db-gate-operator",
        "Job/platform-db-gate-operator": "platform-db-gate-operator",
        "Job/platform-db-gate-login": "platform-db-gate-login",
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
    assert cluster["spec", "users"] == {"infisical_user": []}, "null is refused by operator 2.0"
    assert cluster["spec", "databases"] == {"infisical": "infisical_user"}
    assert cluster["spec", "enableConnectionPooler"] is True
    assert "annotations" not in cluster["metadata"], "the operator copies them into pods"


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
    environment = {v["name"]: v for v in _container(graph, "login")["env"]}
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


def test_a_given_password_is_used_instead_of_a_generated_one() -> None:
    graph = database(databasePassword="GivenByTheStack1")
    assert [str(r) for r in graph if r.kind == "RandomPassword"] == []
    for name in ("Secret/platform-db-credentials", "Secret/platform-db-gate-login"):
        assert graph[name]["stringData", "password"] == "GivenByTheStack1"
        assert graph.secret(name, "stringData", "password")


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
HOSTS = st.sampled_from(["platform-db-cluster.platform-db-pg.svc.cluster.local", "h"])


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


# --- the gate --------------------------------------------------------------------------------------------------------


def test_the_gate_asks_the_operator_then_logs_in_through_pooler_and_primary() -> None:
    graph = platform()
    assert graph.waits("Job/platform-db-gate-login", for_="Job/platform-db-gate-operator")
    assert graph.free("Job/platform-db-gate-operator", of="Job/platform-db-gate-login")
    pod = graph["Job/platform-db-gate-login"]["spec", "template", "spec"]
    assert pod["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod
    environment = {v["name"]: v.get("value") for v in _container(graph, "login")["env"]}
    assert environment["HOSTS"] == (
        f"platform-db-cluster-pooler.{NAMESPACE}.svc.cluster.local platform-db-cluster.{NAMESPACE}.svc.cluster.local"
    )
    assert (environment["PGUSER"], environment["PGDATABASE"]) == ("infisical_user", "infisical")
    assert environment["MAJOR_VERSION"] == graph["postgresql/platform-db-cluster"]["spec", "postgresql", "version"]


def test_the_gate_trusts_what_cert_sync_publishes() -> None:
    """After a rotation the authority's Secret holds the new one, and the leaf's the one that the leaf is of."""
    graph = platform()
    files = {m["mountPath"]: m["name"] for m in _container(graph, "login")["volumeMounts"]}
    volumes = {v["name"]: v for v in graph["Job/platform-db-gate-login"]["spec", "template", "spec", "volumes"]}
    authority, leaf = (volumes[files[folder]]["secret"] for folder in ("/authority", "/leaf"))
    only_certificates = [{"key": "ca.crt", "path": "ca.crt"}]  # their keys stay outside
    assert authority == {"secretName": "platform-db-ca", "items": only_certificates}
    assert leaf == {"secretName": "platform-db-tls", "items": only_certificates, "optional": True}
    environment = {v["name"]: v.get("value") for v in _container(graph, "login")["env"]}
    assert environment["CA_FILES"] == "/authority/ca.crt /leaf/ca.crt"


def test_nobody_logs_in_to_a_database_that_the_operator_has_not_brought_up() -> None:
    failing = "Job/platform-db-gate-operator"
    graph = run(
        lambda options: PlatformDb("platform-db", PlatformDbArgs.of(settings_of(), IDENTITY), options), failing=failing
    )
    assert graph["postgresql/platform-db-cluster"]
    assert [str(r) for r in graph if r.kind == "Job"] == []


def test_each_step_gives_up_before_its_job_does() -> None:
    args = replace(PlatformDbArgs.of(settings_of(), IDENTITY), deadline_seconds=100)
    graph = run(lambda options: PlatformDb("platform-db", args, options))
    said = {v["name"]: v.get("value") for name in ("operator", "login") for v in _container(graph, name)["env"]}
    assert json.loads(said["CONFIG"])["deadline_seconds"] == int(said["DEADLINE_SECONDS"]) == 100
    for name in ("operator", "login"):
        assert graph[f"Job/platform-db-gate-{name}"]["spec", "activeDeadlineSeconds"] == 160


@pytest.mark.parametrize(
    "change", [{"instances": 3}, {"pooler": {"instances": 3}}, {"cpuLimit": "3"}, {"memoryLimit": "3Gi"}]
)
def test_the_gate_runs_again_when_the_cluster_changes(change: dict[str, Any]) -> None:
    for job in ("Job/platform-db-gate-operator", "Job/platform-db-gate-login"):
        before, after = (g[job]["spec", "template", "metadata"] for g in (unchanged(), database(database=change)))
        assert before["annotations"] != after["annotations"]


def test_the_gates_rights() -> None:
    spec = platform()["Job/platform-db-gate-operator"]["spec", "template", "spec"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("platform-db-gate-operator", True)
    assert platform()["Role/platform-db-gate-operator"]["rules"] == [
        {
            "apiGroups": ["acid.zalan.do"],
            "resources": ["postgresqls"],
            "verbs": ["get", "patch"],
            "resourceNames": ["platform-db-cluster"],
        },
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
    ]


def _container(graph: Graph, name: str) -> dict[str, Any]:
    [container] = graph[f"Job/platform-db-gate-{name}"]["spec", "template", "spec", "containers"]
    return container
