"""InfisicalSecrets: the environment of Infisical, in exactly the forms that it parses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pulumi
import pytest
from pydantic import SecretStr

from components.infisical_secrets import InfisicalSecrets, InfisicalSecretsArgs
from settings import Environment, key_label
from settings.names import Names
from tests.unit.harness import Computed, Graph, everything, platform, run

SECRET = "Secret/infisical-secrets"


def environment(graph: Graph) -> dict[str, str]:
    return graph[SECRET]["stringData"]


HEADERS = ("IDENTITY_TLS_CERT_AUTH_CLIENT_CERTIFICATE_HEADER_KEY", "SSL_CLIENT_CERTIFICATE_HEADER_KEY")


def test_the_keys_label_is_told_in_plain_so_that_an_escrow_can_be_judged() -> None:
    [outputs] = platform(encryptionKey="e" * 32)["InfisicalSecrets/infisical-secrets"].outputs
    assert outputs["keyLabel"] == key_label("ENCRYPTION_KEY", "e" * 32)


def test_what_it_creates() -> None:
    graph = platform()
    assert {str(r) for r in graph.made_by("infisical-secrets")} == {
        "Namespace/infisical-secrets-namespace",
        "RandomPassword/infisical-secrets-encryption-key",
        "RandomPassword/infisical-secrets-auth-secret",
        "RandomPassword/infisical-secrets-cookie-secret",
        "RandomPassword/infisical-secrets-fingerprint-key",
        "RandomPassword/infisical-secrets-header",
        SECRET,
        "NetworkPolicy/infisical-secrets-policies-infisical",
        "NetworkPolicy/infisical-secrets-policies-acme-solver",
        "NetworkPolicy/infisical-secrets-policies-infisical-gate",
        "NetworkPolicy/infisical-secrets-policies-infisical-migration",
        "NetworkPolicy/infisical-secrets-policies-ingress-issued",
        "NetworkPolicy/infisical-secrets-policies-ingress-moved",
        "NetworkPolicy/infisical-secrets-policies-ingress-gate",
        "NetworkPolicy/infisical-secrets-policies-others",
    }
    assert graph[SECRET]["metadata"] == {"name": "infisical-secrets", "namespace": "infisical"}
    assert graph["infisical-secrets-namespace"]["metadata", "name"] == "infisical"
    assert graph.waits(SECRET, for_="infisical-secrets-namespace")


def test_the_environment_of_the_smallest_stack() -> None:
    graph = platform()
    variables = environment(graph)
    assert {name: value for name, value in variables.items() if not graph.reveals(value)} == {
        "SITE_URL": "https://secrets.infisical.test",
        "HTTPS_ENABLED": "true",
        "NODE_OPTIONS": "--max-old-space-size=384",
        "TELEMETRY_ENABLED": "false",
        "ALLOW_INTERNAL_IP_CONNECTIONS": "false",
        "REDIS_SENTINEL_HOSTS": "platform-kv-sentinel-sentinel.platform-kv-redis-cluster.svc:26379",
        "REDIS_SENTINEL_MASTER_NAME": "platform-kv-master",
    }
    assert {name for name, value in variables.items() if graph.reveals(value)} == {
        "ENCRYPTION_KEY",
        "AUTH_SECRET",
        "COOKIE_SECRET_SIGN_KEY",
        *HEADERS,
        "DB_CONNECTION_URI",
        "REDIS_PASSWORD",
    }


@pytest.mark.parametrize(
    ("infisical", "given", "told"),
    [
        ({"memoryLimit": "1Gi"}, "", "--max-old-space-size=768"),
        ({"memoryLimit": "1000M"}, "", "--max-old-space-size=715"),
        (
            {"memoryLimit": "1Gi"},
            "--dns-result-order=ipv4first",
            "--dns-result-order=ipv4first --max-old-space-size=768",
        ),
        (
            {"memoryLimit": "1Gi", "image": "infisical/infisical-fips:v0.165.8"},
            "",
            "--max-old-space-size=768 --force-fips",
        ),
        ({"memoryLimit": "1Gi", "image": "fips.example.org/fips/infisical:v0.165.8"}, "", "--max-old-space-size=768"),
    ],
)
def test_the_heap_has_room_in_the_memory_and_other_options_stay(infisical: Any, given: str, told: str) -> None:
    """The image's own heap is larger than most limits, and the option for FIPS 140 is in the same variable."""
    extra: dict[str, Any] = {"extraEnvironment": {"NODE_OPTIONS": given}} if given else {}
    graph = platform(infisical={**infisical, "memoryRequest": "256Mi"}, encryptionKey="0" * 32, **extra)
    assert environment(graph)["NODE_OPTIONS"] == told


def test_the_migration_has_a_heap_of_its_own() -> None:
    """It gets the servers' whole environment, and another limit."""
    graph = platform(infisical={"migration": {"memoryLimit": "4Gi"}})
    [container] = graph["Job/infisical-migration"]["spec", "template", "spec", "containers"]
    assert {"name": "NODE_OPTIONS", "value": "--max-old-space-size=3072"} in container["env"]


@pytest.mark.parametrize("graph", [platform, everything])
def test_what_is_never_set(graph: Any) -> None:
    names = set(environment(graph()))
    assert "REDIS_URL" not in names, "it would win over Sentinel"
    assert "DB_ROOT_CERT" not in names, "CertSync's own"
    assert "ROOT_ENCRYPTION_KEY" not in names, "it would win over ENCRYPTION_KEY"


@pytest.mark.parametrize("graph", [platform, everything])
def test_every_variable_is_a_secret_string(graph: Any) -> None:
    assert {type(value) for value in environment(graph()).values()} == {str}
    assert graph().secret(SECRET, "stringData")


@pytest.mark.parametrize(
    ("name", "variable", "length"),
    [
        ("encryption-key", "ENCRYPTION_KEY", 32),
        ("auth-secret", "AUTH_SECRET", 64),
        ("cookie-secret", "COOKIE_SECRET_SIGN_KEY", 64),
    ],
)
def test_keys_are_hexadecimal_digits(name: str, variable: str, length: int) -> None:
    """Infisical takes the 32 characters of ENCRYPTION_KEY, undecoded, as the bytes of an AES-256 key."""
    key = platform()[f"infisical-secrets-{name}"]
    assert key["length"] == length
    assert sorted(key["overrideSpecial"]) == list("0123456789abcdef")
    assert [key[classes] for classes in ("lower", "upper", "numeric", "special")] == [False, False, False, True]
    assert re.fullmatch(rf"[0-9a-f]{{{length}}}", environment(platform())[variable])


@pytest.mark.parametrize("variable", HEADERS)
def test_nobody_guesses_the_header_in_which_a_client_certificate_is_believed(variable: str) -> None:
    """It is no key of data: nothing is lost with it, and a stack whose proxy sets it gives the name."""
    name = environment(platform())[variable]
    assert re.fullmatch(r"x-client-certificate-[0-9a-f]{32}", name), "lower case, as Node looks headers up"
    given = platform(extraEnvironment={variable: "x-of-our-proxy"})
    assert environment(given)[variable] == "x-of-our-proxy"


def test_the_database_is_reached_through_the_pooler() -> None:
    uri = urlsplit(environment(platform())["DB_CONNECTION_URI"])
    assert uri.hostname == "platform-db-cluster-pooler.platform-db-pg.svc"
    assert (uri.scheme, uri.username, uri.port, uri.path) == ("postgresql", "infisical_user", 5432, "/infisical")
    assert uri.query == "", "sslmode beside DB_ROOT_CERT stops verification in current images"


def test_lists_are_json() -> None:
    variables = environment(everything())
    assert json.loads(variables["CORS_ALLOWED_ORIGINS"]) == [
        "https://app.example.org",
        "https://admin.example.org:8443",
    ]
    [replica] = json.loads(variables["DB_READ_REPLICAS"])
    assert set(replica) == {"DB_CONNECTION_URI"}
    assert urlsplit(replica["DB_CONNECTION_URI"]).hostname == "platform-db-cluster-repl.platform-db-pg.svc"


GIVEN = {"ENCRYPTION_KEY": "0" * 32, "AUTH_SECRET": "a" * 32, "COOKIE_SECRET_SIGN_KEY": "c" * 32}


@pytest.mark.parametrize("variable", GIVEN)
def test_a_given_key_takes_the_place_of_the_generated_one(variable: str) -> None:
    generated = environment(secrets().graph)
    graph = secrets(environment=given({variable: GIVEN[variable]})).graph
    assert environment(graph) == generated | {variable: GIVEN[variable]}
    assert graph.secret(SECRET, "stringData")


def test_a_root_key_leaves_no_other_beside_it() -> None:
    """Infisical would encrypt with one, and its older images with the other."""
    graph = secrets(environment=given({"ROOT_ENCRYPTION_KEY": "cm9vdA=="})).graph
    assert set(environment(graph)) & {"ENCRYPTION_KEY", "ROOT_ENCRYPTION_KEY"} == {"ROOT_ENCRYPTION_KEY"}


@pytest.mark.parametrize("keys", [{}, GIVEN, {"ROOT_ENCRYPTION_KEY": "cm9vdA=="}])
def test_generated_keys_stay_in_the_stack_whatever_is_given(keys: dict[str, str]) -> None:
    """They are protected: `up` could not take them out again."""
    graph = secrets(environment=given(keys), protect=True).graph
    kept = {r.name for r in graph.of_type("random:index/randomPassword:RandomPassword") if r.protect}
    assert kept == {f"infisical-secrets-{name}" for name in ("encryption-key", "auth-secret", "cookie-secret")}


def test_where_database_and_redis_are_is_nobody_elses_to_say() -> None:
    others = dict.fromkeys(("DB_CONNECTION_URI", "REDIS_PASSWORD", "REDIS_SENTINEL_HOSTS"), "elsewhere")
    plain = {**ARGS["environment"].plain, **others}
    changed = secrets(environment=Environment(plain=plain, secret={}))
    assert environment(changed.graph) == environment(secrets().graph)


# --- fingerprint -----------------------------------------------------------------------------------------------------


@dataclass
class Database:
    """As much of PlatformDb as an environment needs."""

    password: str = "p"
    pooler: str = "pooler"
    replicas: str = "repl"

    def uri(self, endpoint: str) -> pulumi.Output[str]:
        return pulumi.Output.secret(f"postgresql://infisical_user:{self.password}@{endpoint}:5432/infisical")


@dataclass
class Redis:
    """The same of PlatformKv."""

    password: str = "r"
    host: str = "sentinel"

    @property
    def variables(self) -> dict[str, str]:
        return {"REDIS_SENTINEL_HOSTS": f"{self.host}:26379", "REDIS_PASSWORD": self.password}


@dataclass
class Made:
    """An InfisicalSecrets of its own, and its fingerprint."""

    graph: Graph
    fingerprints: list[str] = field(default_factory=list)


def given(secret: Mapping[str, str]) -> Environment:
    """Return an environment with these secret variables."""
    values = {name: SecretStr(value) for name, value in secret.items()}
    return Environment(plain={"SITE_URL": "https://a.example.org"}, secret=values)


ARGS: dict[str, Any] = {
    "paths": (),
    "environment": given({}),
    "read_replicas": False,
    "database": Database(),
    "redis": Redis(),
    "identity": SimpleNamespace(annotations={}),
    "protect": False,
    "names": Names(),
}


def secrets(computed: Computed | None = None, **changes: Any) -> Made:
    seen: list[str] = []

    def make(options: pulumi.ResourceOptions) -> None:
        component = InfisicalSecrets("infisical-secrets", InfisicalSecretsArgs(**(ARGS | changes)), options)
        component.fingerprint.apply(seen.append)

    return Made(run(make, computed=computed), seen)


CHANGES: list[dict[str, Any]] = [
    {},
    {"environment": Environment(plain={"SITE_URL": "https://b.example.org"}, secret={})},
    {"environment": Environment(plain={}, secret={})},
    {"environment": given({"SMTP_PASSWORD": "s"})},
    {"read_replicas": True},
    {"database": Database(password="another")},
    {"database": Database(pooler="another")},
    {"redis": Redis(password="another")},
    {"redis": Redis(host="another")},
    {"computed": {"infisical-secrets-encryption-key": {"result": "0" * 32}}},
    {"computed": {"infisical-secrets-auth-secret": {"result": "another"}}},
    {"computed": {"infisical-secrets-cookie-secret": {"result": "another"}}},
    # The digest has a key: whoever guesses a value can't check it.
    {"computed": {"infisical-secrets-fingerprint-key": {"result": "another"}}},
]


def test_the_fingerprint_changes_with_every_value() -> None:
    fingerprints = [seen for change in CHANGES for seen in secrets(**change).fingerprints]
    assert len(set(fingerprints)) == len(fingerprints) == len(CHANGES)
    assert secrets(protect=True).fingerprints == fingerprints[:1], "nothing that Infisical is told"


def test_the_fingerprint_is_plain_and_short() -> None:
    path = ("values", "infisical", "podAnnotations", "infisical-platform/environment")
    release = platform()["Release/infisical"]
    assert re.fullmatch(r"[0-9a-f]{16}", release[path])
    assert not platform().secret(str(release), *path)
