"""Rules over the variables of Infisical that have no setting."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import unquote

from pydantic import SecretStr, ValidationError

from settings.cluster import ClusterSettings
from settings.external import Database
from settings.machinery.finding import Finding
from settings.machinery.schema import setting_by_variable
from settings.machinery.variable_forms import FORMS, why_secret
from settings.machinery.variables import OWNED, REFUSED
from settings.secrets import AUDIT_LOGS, ReadReplica

Findings = Iterator[Finding]


def extra_variables_are_free(extra_environment: Mapping[str, str], extra_secrets: Mapping[str, SecretStr]) -> Findings:
    """Refuse variables that have a setting, that do harm, or whose value Infisical can't read."""
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
                    "it is empty, which Infisical takes for unset in some variables and refuses in others",
                    "remove",
                )
            elif "\0" in value:
                yield Finding(
                    f"{section}.{name}", "it contains NUL, and no process can start with that in its environment"
                )
            elif section == "extraEnvironment" and (reason := why_secret(name, value)):
                yield Finding(f"{section}.{name}", f"{reason}, and it stands in plain text", "encrypt")
            elif name == "NODE_OPTIONS" and (section == "extraSecrets" or "max-old-space-size" in value):
                reason = "the heap follows infisical.memoryLimit. Write other options of Node in extraEnvironment"
                yield Finding(f"{section}.{name}", reason, "remove")
            elif name in FORMS and not FORMS[name].accepts(value):
                yield Finding(f"{section}.{name}", f"Infisical accepts nothing but {FORMS[name].words}")
    for name in extra_environment.keys() & extra_secrets.keys():
        yield Finding(f"extraEnvironment.{name}", "it is in extraSecrets too", "remove")


def _why_not(name: str) -> str:
    if home := setting_by_variable().get(name):
        return f"it has a setting of its own. Set {home}"
    if name in OWNED:
        return f"the program sets it. {OWNED[name]}"
    return REFUSED.get(name, "")


def telemetry_is_whole(extra_environment: Mapping[str, str], extra_secrets: Mapping[str, SecretStr]) -> Findings:
    """Require the kind of export with metrics, and the address with otlp.

    Upstream ends without the kind. Without the address it ends too, or older releases send to the pod itself.
    """
    secret = {name: value.get_secret_value() for name, value in extra_secrets.items()}
    given = {**extra_environment, **secret}
    if given.get("OTEL_TELEMETRY_COLLECTION_ENABLED") != "true":
        return
    if "OTEL_EXPORT_TYPE" not in given:
        reason = (
            "required, but not set. OTEL_TELEMETRY_COLLECTION_ENABLED is true, and Infisical doesn't start without it"
        )
        yield Finding("extraEnvironment.OTEL_EXPORT_TYPE", reason, "set")
    elif given["OTEL_EXPORT_TYPE"] == "otlp" and "OTEL_EXPORT_OTLP_ENDPOINT" not in given:
        reason = "required, but not set. OTEL_EXPORT_TYPE is otlp, which sends to this address"
        yield Finding("extraEnvironment.OTEL_EXPORT_OTLP_ENDPOINT", reason, "set")


def no_proxy_is_plain(extra_secrets: Mapping[str, SecretStr]) -> Findings:
    """Refuse NO_PROXY among the secrets, because the program adds the cluster's own names to it."""
    if "NO_PROXY" in extra_secrets:
        reason = "the program adds the cluster's own names to it. Write it in extraEnvironment"
        yield Finding("extraSecrets.NO_PROXY", reason, "remove")


def audit_database_verifies(extra_environment: Mapping[str, str], extra_secrets: Mapping[str, SecretStr]) -> Findings:
    """Require of the audit log's own database what databaseReadReplicas require."""
    name, authority = AUDIT_LOGS, "AUDIT_LOGS_DB_ROOT_CERT"
    if name in extra_environment and not why_secret(name, extra_environment[name]):
        reason = "it is the address of a database, which contains a password"
        yield Finding(f"extraEnvironment.{name}", reason, "encrypt")
    elif name in extra_secrets:
        try:
            ReadReplica(uri=extra_secrets[name])
        except ValidationError as error:
            yield Finding(f"extraSecrets.{name}", error.errors()[0]["msg"].removeprefix("Value error, "))
        if authority not in extra_environment.keys() | extra_secrets.keys():
            reason = (
                f"required, but not set. Without it, the connection of {name} is not encrypted. Write the PEM in base64"
            )
            yield Finding(f"extraEnvironment.{authority}", reason, "set")


def audit_database_is_apart(
    extra_secrets: Mapping[str, SecretStr], database: Database, cluster: ClusterSettings
) -> Findings:
    """Refuse Infisical's own database for the audit log: a migration locks each, and would wait for itself."""
    try:
        audit = ReadReplica(uri=extra_secrets[AUDIT_LOGS])
    except (KeyError, ValidationError):  # `audit_database_verifies` says what is wrong with it
        return
    host, name = audit.host.lower().rstrip("."), unquote(audit.address.rpartition("/")[2])
    if database.kind == "external":
        same = (host, audit.port, name) == (database.host.lower().rstrip("."), database.port, database.name)
    else:
        same = name == "infisical" and bool(_own_server(cluster.names.database).fullmatch(host))
    if same:
        reason = (
            "this is the database that Infisical has already. Its migration would wait for a lock of its own until its "
            "deadline. Name a database of the audit log's own. Without one, the audit log is in Infisical's"
        )
        yield Finding(f"extraSecrets.{AUDIT_LOGS}", reason, "remove")


def _own_server(namespace: str) -> re.Pattern[str]:
    """Return the names of the Services that the Zalando operator makes, and of the pods behind them."""
    return re.compile(rf"([^.]+\.)?platform-db-cluster(-pooler)?(-repl)?\.{re.escape(namespace)}(\.svc(\..+)?)?")


EXTRA_RULES: tuple[Callable[..., Findings], ...] = (
    extra_variables_are_free,
    telemetry_is_whole,
    no_proxy_is_plain,
    audit_database_verifies,
    audit_database_is_apart,
)
