"""Rules over several keys at the top. Each takes those that it speaks of, by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from pydantic import SecretStr, ValidationError

from settings.certificates import CertificateSettings
from settings.database import DatabaseSettings
from settings.infisical import InfisicalSettings
from settings.ingress import IngressSettings, LetsEncrypt
from settings.integrations import IntegrationSettings
from settings.machinery.environment import setting_by_variable
from settings.machinery.finding import Finding
from settings.machinery.variables import FORMS, OWNED, REFUSED
from settings.mail import MailSettings
from settings.secrets import ReadReplica
from settings.sign_on import SignOnSettings

Findings = Iterator[Finding]

_POOL_MAX = 10  # of one Infisical, where pools.max says nothing
# Names without a dot, or below these, are in no public DNS: Let's Encrypt can't prove them.
_PRIVATE = ("local", "internal", "test", "example", "invalid", "localhost", "lan", "home.arpa")


def replicas_exist(infisical: InfisicalSettings, database: DatabaseSettings) -> Findings:
    """Infisical never sends a read to the primary instead, so one replica has to be left when a pod goes.

    In a failover the only replica becomes the primary: what was to spread reads would turn each one into an outage.
    """
    if infisical.read_replicas == "cluster" and database.instances < 3:
        yield Finding(
            "infisical.readReplicas",
            f"database.instances is {database.instances}, and with fewer than 3 no replica is left to read from when "
            "one pod goes: set 3, or read from the primary",
        )


def session_pool_has_room(infisical: InfisicalSettings, database: DatabaseSettings) -> Findings:
    """In session mode a connection of Infisical keeps one to the server for as long as it lasts."""
    pooler = database.pooler
    wanted = infisical.replicas * (infisical.pools.max or _POOL_MAX)
    if pooler.mode == "session" and wanted > pooler.connections:
        yield Finding(
            "database.pooler.mode",
            f"in session mode Infisical wants {wanted} connections (replicas times pools.max, which is {_POOL_MAX} "
            f"unless set), and PgBouncer has {pooler.connections}: the others would wait for ever; use transaction",
        )


def one_kind_of_replica(infisical: InfisicalSettings, database_read_replicas: tuple[ReadReplica, ...]) -> Findings:
    """Infisical picks one at random for each query."""
    if infisical.read_replicas == "cluster" and database_read_replicas:
        yield Finding("infisical.readReplicas", "databaseReadReplicas names others: choose one of the two")


def replicas_verify(database_read_replicas: tuple[ReadReplica, ...], certificates: CertificateSettings) -> Findings:
    """A server without an authority of its own is verified against the platform's, for the name in its URI."""
    for index, replica in enumerate(database_read_replicas):
        if not replica.authority and replica.host not in certificates.extra_names:
            yield Finding(
                f"databaseReadReplicas[{index}].authority",
                "required, but not set: the host is no name of the platform's certificate (certificates.extraNames)",
                "set",
            )


def issuer_can_prove(ingress: IngressSettings, infisical: InfisicalSettings) -> Findings:
    """Let's Encrypt asks for a file over HTTP, at the site's public name."""
    if not isinstance(ingress.issuer, LetsEncrypt):
        return
    if ingress.route.kind == "gateway":
        yield Finding("ingress.issuer.kind", "HTTP-01 is answered through an Ingress; take an existing issuer")
    host = infisical.host
    if "." not in host or host.endswith(tuple(f".{name}" for name in _PRIVATE)):
        yield Finding("ingress.issuer.kind", "Let's Encrypt only certifies public DNS names; take an existing issuer")


def mail_is_a_pair(mail: MailSettings | None, smtp_password: SecretStr | None) -> Findings:
    """Upstream logs in only if it has both, and says nothing otherwise."""
    username = mail.username if mail else None
    yield from _pair(bool(username), "mail.username", smtp_password, "smtpPassword")


def github_sign_on_is_a_pair(sign_on: SignOnSettings, github_login_client_secret: SecretStr | None) -> Findings:
    """Client id and secret."""
    yield from _pair(
        bool(sign_on.github), "signOn.github.clientId", github_login_client_secret, "githubLoginClientSecret"
    )


def github_app_is_whole(
    integrations: IntegrationSettings,
    github_app_client_secret: SecretStr | None,
    github_app_private_key: SecretStr | None,
) -> Findings:
    """All five, or connections fail when they are first used."""
    app = bool(integrations.github_app)
    secrets = {"githubAppClientSecret": github_app_client_secret, "githubAppPrivateKey": github_app_private_key}
    if not app and any(secrets.values()):
        for name in ("clientId", "slug", "id"):
            yield Finding(f"integrations.githubApp.{name}", "required, but not set: the app's secrets are", "set")
    for key, value in secrets.items():
        if not value and (app or any(secrets.values())):
            yield Finding(key, "required, but not set: it belongs to integrations.githubApp", "set")


def aws_is_a_pair(integrations: IntegrationSettings, aws_secret_access_key: SecretStr | None) -> Findings:
    """Key id and secret."""
    yield from _pair(
        bool(integrations.aws), "integrations.aws.accessKeyId", aws_secret_access_key, "awsSecretAccessKey"
    )


def extra_variables_are_free(extra_environment: Mapping[str, str], extra_secrets: Mapping[str, SecretStr]) -> Findings:
    """What has a setting is set there alone, and what does harm nowhere."""
    for section, names in (("extraEnvironment", extra_environment), ("extraSecrets", extra_secrets)):
        for name in names:
            if reason := _why_not(name):
                yield Finding(f"{section}.{name}", reason, "remove")
                continue
            given = names[name]
            value = given.get_secret_value() if isinstance(given, SecretStr) else given
            if not value.strip():
                yield Finding(
                    f"{section}.{name}",
                    "empty is unset for some variables and invalid for others: leave it out",
                    "remove",
                )
            elif "\0" in value:
                yield Finding(f"{section}.{name}", "no process can be started with NUL in its environment")
            elif name in FORMS and not re.fullmatch(FORMS[name][0], value, re.ASCII):
                yield Finding(f"{section}.{name}", f"Infisical takes nothing but {FORMS[name][1]}")
    for name in extra_environment.keys() & extra_secrets.keys():
        yield Finding(f"extraEnvironment.{name}", "extraSecrets has it too", "remove")


def _pair(plain: bool, plain_key: str, secret: SecretStr | None, secret_key: str) -> Findings:
    if plain and not secret:
        yield Finding(secret_key, f"required, but not set: it belongs to {plain_key}", "set")
    if secret and not plain:
        yield Finding(plain_key, f"required, but not set: it belongs to {secret_key}", "set")


def _why_not(name: str) -> str:
    if home := setting_by_variable().get(name):
        return f"use {home}"
    if name in OWNED:
        return f"the program sets it: {OWNED[name]}"
    return f"refused: {REFUSED[name]}" if name in REFUSED else ""


def telemetry_is_whole(extra_environment: Mapping[str, str], extra_secrets: Mapping[str, SecretStr]) -> Findings:
    """Require the kind of export with metrics. Upstream ends when it has the one without the other."""
    secret = {name: value.get_secret_value() for name, value in extra_secrets.items()}
    given = {**extra_environment, **secret}
    if given.get("OTEL_TELEMETRY_COLLECTION_ENABLED") == "true" and "OTEL_EXPORT_TYPE" not in given:
        reason = (
            "required, but not set. OTEL_TELEMETRY_COLLECTION_ENABLED is true, and Infisical doesn't start without it"
        )
        yield Finding("extraEnvironment.OTEL_EXPORT_TYPE", reason, "set")


def audit_database_verifies(extra_environment: Mapping[str, str], extra_secrets: Mapping[str, SecretStr]) -> Findings:
    """Hold the audit log's own database to what databaseReadReplicas are held to."""
    name, authority = "AUDIT_LOGS_DB_CONNECTION_URI", "AUDIT_LOGS_DB_ROOT_CERT"
    if name in extra_environment:
        yield Finding(f"extraEnvironment.{name}", "it has a password: set it in extraSecrets", "remove")
    elif name in extra_secrets:
        try:
            ReadReplica(uri=extra_secrets[name])
        except ValidationError as error:
            yield Finding(f"extraSecrets.{name}", error.errors()[0]["msg"].removeprefix("Value error, "))
        if authority not in extra_environment.keys() | extra_secrets.keys():
            reason = f"required, but not set: without it {name} is in plain text; the PEM in base64"
            yield Finding(f"extraEnvironment.{authority}", reason, "set")


RULES: tuple[Callable[..., Findings], ...] = (
    replicas_exist,
    session_pool_has_room,
    one_kind_of_replica,
    replicas_verify,
    issuer_can_prove,
    mail_is_a_pair,
    github_sign_on_is_a_pair,
    github_app_is_whole,
    aws_is_a_pair,
    extra_variables_are_free,
    telemetry_is_whole,
    audit_database_verifies,
)
