"""What becomes of a variable, one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from operations.translation import Imported, is_harmless, translate
from tests.tools.fake_stack import FakeStack
from tests.tools.importing.known import (
    KEY_PEM,
    OWN_REPLICAS,
    PEM,
    SITE,
    encoded,
    refusal,
)


def translated(**variables: str) -> Imported:
    return translate(variables, {})


@pytest.mark.parametrize(
    ("require", "ignore", "port", "tls"),
    [
        ("true", "false", "587", "required"),
        ("false", "false", "587", "opportunistic"),
        ("false", "true", "587", "off"),
        ("true", "true", "587", "off"),
        ("True", "false", "587", "opportunistic"),
        ("false", "true", "465", "required"),
    ],
)
def test_two_switches_make_one_tls(require: str, ignore: str, port: str, tls: str) -> None:
    mail = {"SMTP_HOST": "smtp", "SMTP_PORT": port, "SMTP_REQUIRE_TLS": require, "SMTP_IGNORE_TLS": ignore}
    assert translated(**mail).values["mail.tls"] == tls


@pytest.mark.parametrize(
    ("existing", "taken"),
    [
        ({}, True),
        ({"organization": {"name": "dev", "admin": "ops@example.org"}}, False),
        ({"organization": {"name": "dev", "machineAuth": "universal"}}, True),
        ({"organization": {"name": "dev"}, "infisical": {"allowInternalIpConnections": True}}, True),
    ],
)
def test_what_the_organization_brings_opens_no_network_for_everybody(existing: dict[str, Any], taken: bool) -> None:
    """As a setting it lets members' connections reach private addresses, through the NetworkPolicies too."""
    imported = translate({"ALLOW_INTERNAL_IP_CONNECTIONS": "true"}, existing)
    assert ("infisical.allowInternalIpConnections" in imported.values) == taken
    assert ("ALLOW_INTERNAL_IP_CONNECTIONS" in imported.left_out) != taken


def test_mail_without_a_server_is_left_out() -> None:
    imported = translated(SMTP_PORT="587", SMTP_PASSWORD="x", SMTP_REQUIRE_TLS="true")
    assert not imported.values
    assert imported.left_out.keys() == {"SMTP_PORT", "SMTP_PASSWORD", "SMTP_REQUIRE_TLS"}


@pytest.mark.parametrize("password", ["short", "has-a-dash-and-is-long-enough", "p%40ssp%40ssp%40ssp%40ss", ""])
def test_a_password_that_the_platform_does_not_take_is_generated_anew(password: str) -> None:
    imported = translated(DB_CONNECTION_URI=f"postgresql://u:{password}@h/i", REDIS_PASSWORD=password or "-")
    assert not imported.values
    assert "databasePassword" in imported.left_out["DB_CONNECTION_URI"]
    assert "redisPassword" in imported.left_out["REDIS_PASSWORD"]


@pytest.mark.parametrize("uri", ["postgresql://u:a[b]c@h/i", "not a uri", "postgresql://h/i"])
def test_an_odd_connection_uri_is_left_out(uri: str) -> None:
    assert translated(DB_CONNECTION_URI=uri).left_out.keys() == {"DB_CONNECTION_URI"}


def test_the_older_name_of_the_auth_secret_counts_where_there_is_no_newer() -> None:
    assert translated(JWT_AUTH_SECRET="j" * 32).values == {"authSecret": "j" * 32}
    both = translated(JWT_AUTH_SECRET="j" * 32, AUTH_SECRET="a" * 32)
    assert both.values == {"authSecret": "a" * 32}
    assert translated(JWT_AUTH_SECRET="j" * 32, AUTH_SECRET=" ").values == {"authSecret": "j" * 32}


def test_the_older_name_of_the_organization_counts_too() -> None:
    older = {"NEXT_PUBLIC_SAML_ORG_SLUG": "older"}
    saml = {"signOn.saml.defaultOrganization": "older", "signOn.saml.configured": True}
    assert translated(**older).values == saml
    both = translated(**older, DEFAULT_SAML_ORG_SLUG="newer")
    assert both.values["signOn.saml.defaultOrganization"] == "newer"
    assert not both.left_out


@pytest.mark.parametrize(
    "host",
    [
        OWN_REPLICAS,
        "platform-db-cluster-repl",
        "platform-db-cluster-repl.platform-db-pg",
        "platform-db-cluster-repl.platform-db-pg.svc",
        "platform-db-cluster-repl.platform-db-pg.svc.corp.internal",
    ],
)
def test_the_platforms_own_replicas_are_a_switch(host: str) -> None:
    replicas = json.dumps([{"DB_CONNECTION_URI": f"postgresql://u:p@{host}:5432/i"}])
    assert translated(DB_READ_REPLICAS=replicas).values == {"infisical.readReplicas": "cluster"}


def test_other_replicas_bring_their_authority() -> None:
    uri = "postgresql://u:p@platform-db-cluster-repl.elsewhere:5432/i"
    replicas = json.dumps([{"DB_CONNECTION_URI": uri, "DB_ROOT_CERT": encoded(PEM)}])
    values = translated(DB_READ_REPLICAS=replicas, DB_ROOT_CERT=encoded(KEY_PEM)).values
    assert values == {"databaseReadReplicas": [{"uri": uri, "authority": PEM}]}


@pytest.mark.parametrize("replicas", ["[1]", '[{"db_connection_uri": "x"}]', "7", '{"DB_CONNECTION_URI": "x"}'])
def test_replicas_of_another_shape_are_refused(stack: FakeStack, replicas: str) -> None:
    assert "databaseReadReplicas" in refusal(stack, {"SITE_URL": SITE, "DB_READ_REPLICAS": replicas})


def test_no_replicas_are_left_out() -> None:
    assert translated(DB_READ_REPLICAS="[]").left_out == {"DB_READ_REPLICAS": "it names none"}


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ('["https://a.org", "https://b.org"]', ["https://a.org", "https://b.org"]),
        ("https://a.org,https://b.org", ["https://a.org", "https://b.org"]),
        ('"https://a.org"', ["https://a.org"]),
        ("https://a.org", ["https://a.org"]),
    ],
)
def test_origins_become_a_list(text: str, origins: list[str]) -> None:
    assert translated(CORS_ALLOWED_ORIGINS=text).values == {"infisical.corsAllowedOrigins": origins}


@pytest.mark.parametrize(
    ("name", "value", "harmless"),
    [
        ("OTEL_EXPORT_TYPE", "otlp", True),
        ("SALT_ROUNDS", "10", True),
        ("LICENSE_OFFLINE", "true", True),
        ("AUDIT_LOG_STREAM_LIMIT", "500", True),
        ("LICENSE_KEY", "true", False),
        ("ADMIN_PIN", "1234", False),
        ("SOMETHING", "word", False),
        ("SOME_TYPE", "gXc8lAqP0wEr5TzU", False),
        ("SOME_TYPE", "a" * 21, False),
        ("POSTHOG_HOST", "https://u:p@h", False),
        ("SOME_LIMIT", "123456", False),
    ],
)
def test_in_doubt_a_variable_is_secret(name: str, value: str, harmless: bool) -> None:
    assert is_harmless(name, value) is harmless
