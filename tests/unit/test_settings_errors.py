"""Every error names its key, and the command printed beside it really puts it right."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.configurations import (
    MAIL,
    PEM,
    SITE,
    errors,
    load,
    repaired,
    with_,
)

FAULTS: list[tuple[str, Any, str]] = [
    # key, value, the key which the error names
    ("infisical.siteUrl", None, "infisical.siteUrl"),
    ("infisical.siteUrl", f"{SITE}/", "infisical.siteUrl"),
    ("infisical.siteUrl", "secrets.example.org", "infisical.siteUrl"),
    ("infisical.replicas", 0, "infisical.replicas"),
    ("infisical.image", "infisical/infisical:latest", "infisical.image"),
    ("infisical.readReplicas", "perhaps", "infisical.readReplicas"),
    ("infisical.chart.version", "0.4.2", "infisical.chart.version"),
    ("infisical.chart.repository", "ftp://charts.example.org", "infisical.chart.repository"),
    ("infisical.corsAllowedOrigins", ["https://app.example.org/"], "infisical.corsAllowedOrigins[0]"),
    ("ingress.issuer", {"kind": "existing"}, "ingress.issuer.name"),
    ("ingress.issuer", {"kind": "letsEncrypt", "email": "nobody"}, "ingress.issuer.email"),
    ("ingress.issuer", {"name": "ca"}, "ingress.issuer.kind"),
    ("ingress.issuer", {"kind": "vault", "name": "ca"}, "ingress.issuer.kind"),
    ("ingress.issuer", {"kind": "existing", "name": "ca", "names": ["*"]}, "ingress.issuer.names[0]"),
    ("ingress.issuer", {"kind": "existing", "name": "ca", "names": ["other.example.org"]}, "ingress.issuer.names"),
    ("ingress.route", {"className": "nginx"}, "ingress.route.kind"),
    ("redis.sentinels", 4, "redis.sentinels"),
    ("redis.quorum", 5, "redis.quorum"),
    ("database.storage", "10g", "database.storage"),
    ("database.storage", "lots", "database.storage"),
    ("database.cpuLimit", "many", "database.cpuLimit"),
    ("database.version", "9.6", "database.version"),
    ("database.pooler.mode", "statement", "database.pooler.mode"),
    ("jobs.pythonImage", "python", "jobs.pythonImage"),
    ("database.cpuRequest", "3", "database.cpuRequest"),
    ("database.memoryRequest", "3Gi", "database.memoryRequest"),
    ("redis.maxMemoryMib", 500, "redis.maxMemoryMib"),
    ("certificates.leafDuration", "90d", "certificates.leafDuration"),
    ("certificates.leafDuration", "87600h", "certificates.leafDuration"),
    ("certificates.leafRenewBefore", "2160h", "certificates.leafRenewBefore"),
    ("certificates.syncSchedule", "*/15 * * *", "certificates.syncSchedule"),
    ("certificates.syncSchedule", "60 * * * *", "certificates.syncSchedule"),
    ("infisical.pools", {"min": 5, "max": 4}, "infisical.pools.max"),
    ("infisical.image", "infisical/infisical:v0.136.1-postgres", "infisical.image"),
    ("infisical.chart.digest", "0" * 64, "infisical.chart.digest"),
    ("mail", {"host": "smtp.example.org"}, "mail.fromAddress"),
    ("mail", MAIL | {"host": "https://smtp.example.org"}, "mail.host"),
    ("mail", MAIL | {"port": 465, "tls": "off"}, "mail.tls"),
    ("mail", MAIL | {"authority": PEM, "verify": False}, "mail.verify"),
    ("mail", MAIL | {"authority": PEM.replace("\n", " ")}, "mail.authority"),
    ("mail", MAIL | {"username": "infisical"}, "smtpPassword"),
    ("smtpPassword", "correct horse", "mail.username"),
    ("signOn.github.clientId", "Iv1", "githubLoginClientSecret"),
    ("githubLoginClientSecret", "g" * 40, "signOn.github.clientId"),
    ("signOn.saml.defaultOrganization", "Acme Inc", "signOn.saml.defaultOrganization"),
    ("integrations.aws.accessKeyId", "AKIAIOSFODNN7EXAMPLE", "awsSecretAccessKey"),
    ("awsSecretAccessKey", "w" * 40, "integrations.aws.accessKeyId"),
    ("encryptionKey", "0" * 31, "encryptionKey"),
    ("encryptionKey", "+" * 33, "encryptionKey"),
    ("encryptionKey", "+" * 31 + " ", "encryptionKey"),
    ("encryptionKey", "+" * 31 + "é", "encryptionKey"),
    ("rootEncryptionKey", "A" * 42, "rootEncryptionKey"),
    ("authSecret", "short", "authSecret"),
    ("smtpPassword", " spaced", "smtpPassword"),
    ("databaseReadReplicas", [{"uri": "postgresql://u:p@db.example.org/i"}], "databaseReadReplicas[0].authority"),
    ("databaseReadReplicas", [{"uri": "mysql://u:p@h/i", "authority": PEM}], "databaseReadReplicas[0].uri"),
    (
        "databaseReadReplicas",
        [{"uri": "postgres://h/i?sslmode=require", "authority": PEM}],
        "databaseReadReplicas[0].uri",
    ),
    ("extraEnvironment.REDIS_URL", "redis://cache", "extraEnvironment.REDIS_URL"),
    ("extraEnvironment.SMTP_HOST", "smtp.example.org", "extraEnvironment.SMTP_HOST"),
    ("extraEnvironment.smtp_host", "smtp.example.org", "extraEnvironment.smtp_host"),
    ("extraSecrets.DB_CONNECTION_URI", "postgres://u:p@h/i", "extraSecrets.DB_CONNECTION_URI"),
    ("extraEnvironment.OTEL_EXPORT_TYPE", "", "extraEnvironment.OTEL_EXPORT_TYPE"),
    ("databse", {"instances": 3}, "databse"),
    ("database.instnaces", 3, "database.instnaces"),
    ("database.pooler.sze", 3, "database.pooler.sze"),
]


@pytest.mark.parametrize(("path", "value", "named"), FAULTS, ids=[f"{path}={value}" for path, value, _ in FAULTS])
def test_an_error_names_its_key_and_the_command_that_puts_it_right(path: str, value: Any, named: str) -> None:
    config = with_((path, value))
    if value is None:
        del config["infisical"]["siteUrl"]
    [line] = errors(config)
    assert line.startswith(f"- {named}: "), line
    load(repaired(config))


# What `pulumi config set --path database.version 16` leaves in the stack file: a number.
@pytest.mark.parametrize(("path", "value"), [("database.version", 16), ("database.cpuLimit", 2)])
def test_a_number_where_a_string_belongs_is_taken_or_put_right_by_the_printed_command(path: str, value: int) -> None:
    load(repaired(with_((path, value))))


def test_the_app_of_github_is_whole() -> None:
    config = with_(("integrations.githubApp", {"clientId": "Iv2", "slug": "acme", "id": 7}))
    assert [line.split(":")[0] for line in errors(config)] == ["- githubAppClientSecret", "- githubAppPrivateKey"]
    load(repaired(config))
    config = with_(("githubAppClientSecret", "g" * 40))
    assert [line.split(":")[0] for line in errors(config)] == [
        "- githubAppPrivateKey",
        "- integrations.githubApp.clientId",
        "- integrations.githubApp.id",
        "- integrations.githubApp.slug",
    ]
    load(repaired(config))


@pytest.mark.parametrize("host", ["secrets", "secrets.corp.internal", "secrets.test"])
def test_lets_encrypt_certifies_public_names_alone(host: str) -> None:
    issuer = {"kind": "letsEncrypt", "email": "ops@example.org"}
    [line] = errors(with_(("ingress.issuer", issuer), ("infisical.siteUrl", f"https://{host}")))
    assert line.startswith("- ingress.issuer.kind: ")


@pytest.mark.parametrize("name", ["example.org", "*.org", "*.secrets.example.org", "secrets.example.org.uk"])
def test_the_certificate_covers_the_host(name: str) -> None:
    issuer = {"kind": "existing", "name": "dns", "names": [name]}
    site = ("infisical.siteUrl", "https://secrets.example.org")
    [line] = errors(with_(("ingress.issuer", issuer), site))
    assert line.startswith("- ingress.issuer.names: none of them is for secrets.example.org, the host of")
    load(with_(("ingress.issuer", issuer | {"names": [name, "*.example.org"]}), site))


def test_rules_over_sound_sections_speak_while_others_are_broken() -> None:
    lines = errors(with_(("redis.sentinels", "four"), ("smtpPassword", "correct horse"), ("databse", {})))
    assert [line.split(":")[0] for line in lines] == ["- databse", "- mail.username", "- redis.sentinels"]


def test_a_missing_section_says_what_it_needs() -> None:
    assert [line.split(":")[0] for line in errors({})] == ["- infisical.siteUrl", "- ingress.issuer.kind"]


def test_a_section_that_is_none_is_put_right_too() -> None:
    load(repaired(with_(("database", "big"))))


def test_rules_over_several_keys_name_the_one_to_change() -> None:
    gateway = {"kind": "gateway", "name": "public", "namespace": "edge", "listener": "https"}
    config = with_(("ingress.route", gateway), ("ingress.issuer", {"kind": "letsEncrypt", "email": "o@example.org"}))
    [line] = errors(config)
    assert line.startswith("- ingress.route.redirectListener: required")
    load(repaired(config))


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("databse", "database"),
        ("database.instnaces", "instances"),
        ("database.storage_class", "storageClass"),
        ("database.pooler.instance", "instances"),
        ("infisical.siteURL", "siteUrl"),
        ("redis.maxMemory", "maxMemoryMib"),
        ("smtpPasword", "smtpPassword"),
        ("replicas", "infisical.replicas"),
        ("database.siteUrl", "infisical.siteUrl"),
        ("mail.smtpPassword", "smtpPassword"),
    ],
)
def test_an_unknown_key_suggests_the_one_that_was_meant(path: str, meant: str) -> None:
    lines = [line for line in errors(with_((path, {}))) if line.startswith(f"- {path}: ")]
    assert len(lines) == 1
    assert f"did you mean {meant}?" in lines[0]
    assert "pulumi config rm" in lines[0]


def test_an_unknown_key_like_no_other_suggests_nothing() -> None:
    [line] = errors(with_(("zzz", 1)))
    assert "did you mean" not in line


INDEPENDENT = [(path, value) for path, value, named in FAULTS if value is not None and path == named]


@given(faults=st.lists(st.sampled_from(INDEPENDENT), min_size=1, unique_by=lambda fault: fault[0]))
def test_all_errors_come_at_once_and_sorted(faults: list[tuple[str, Any]]) -> None:
    lines = errors(with_(*faults))
    expected = {path for path, _ in faults}
    # Of one section, a rule over several keys speaks once each of them is right by itself.
    rules = {"redis.sentinels", "redis.quorum", "infisical.chart.version", "infisical.chart.repository"}
    rules |= {"certificates.leafDuration", "certificates.leafRenewBefore", "infisical.image", "redis.maxMemoryMib"}
    rules |= {"database.cpuRequest", "database.memoryRequest"}
    rules |= {path for path in expected if path.startswith("extra")} - {"extraEnvironment.smtp_host"}
    named = {re.match(r"- (\S+): ", line)[1] for line in lines}  # pyright: ignore[reportOptionalSubscript]
    assert expected - rules <= named <= expected
    assert lines == sorted(lines)
