"""Translate the variables of an Infisical into settings: the inverse of settings.environment_of."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin
from urllib.parse import unquote, urlsplit

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from components.base.names import DATABASE_CLUSTER
from operations.external_translation import outside
from settings import Settings
from settings.machinery.schema import fields
from settings.machinery.types import Password, VariableName
from settings.machinery.variable_forms import FORMS, why_secret
from settings.machinery.variables import OWNED, REFUSED, Variable
from settings.mail import IMPLICIT_TLS
from settings.names import Names

_REPLICAS = (f"{DATABASE_CLUSTER}-repl", f"{DATABASE_CLUSTER}-pooler-repl")  # Services of the platform's own database

# An unknown variable is taken for a secret unless both its name and its value are harmless.
_SECRET_NAME = re.compile(r"KEY|SECRET|PASS|PWD|TOKEN|CERT|UR[IL]|AUTH|CREDENTIAL|PRIVATE|SALT|SEED|DSN|PIN|CODE|HASH")
_HARMLESS_VALUE = re.compile(r"true|false|[0-9]{1,5}", re.ASCII)
_TELLING_NAME = re.compile(r".*_(ENABLED|TYPE|LEVEL|MODE|REGION|ENV|DAYS|INTERVAL)", re.ASCII)
_WORD = re.compile(r"[a-z0-9-]{1,20}", re.ASCII)


@dataclass(kw_only=True, slots=True)
class Imported:
    """What a Secret says, in terms of settings."""

    values: dict[str, Any] = field(default_factory=dict)  # "mail.host" to its value
    sources: dict[str, str] = field(default_factory=dict)  # "mail.host" to the variables that it comes from
    left_out: dict[str, str] = field(default_factory=dict)  # variable to the reason
    remarks: list[str] = field(default_factory=list)


def translate(variables: Mapping[str, str], existing: Mapping[str, Any]) -> Imported:
    """Translate variables into settings. Values that no setting takes are passed on, for settings.load to refuse.

    `existing` is what the stack has already.
    """
    imported = Imported(left_out=_needless(variables, existing))
    given = {name: value for name, value in variables.items() if name not in imported.left_out}
    mail = "SMTP_HOST" in given or "mail" in existing
    external = outside(given, existing)
    for name in sorted(given):
        if name in _MAIL and not mail:
            imported.left_out[name] = "without SMTP_HOST no mail is sent"
        elif name in external:
            for key, value in external[name].items():
                _take(imported, name, key, value)
        elif name in _SPECIAL:
            _SPECIAL[name](imported, given)
        elif name in _HOMES:
            path, info, variable = _HOMES[name]
            _take(imported, name, path, _value(name, given[name], info, variable, imported))
        elif name in OWNED or name in REFUSED:
            imported.left_out[name] = OWNED.get(name) or REFUSED[name]
        elif not _fits(VariableName, name):
            imported.left_out[name] = "Infisical reads no variable of such a name"
        else:
            _extra(imported, name, given[name], existing)
    return imported


_HOMES = {variable.name: (".".join(path), info, variable) for path, info, variable in fields(Settings) if variable}
_INTERNAL = "ALLOW_INTERNAL_IP_CONNECTIONS"
_TLS = ("SMTP_REQUIRE_TLS", "SMTP_IGNORE_TLS")
_SAML = ("DEFAULT_SAML_ORG_SLUG", "NEXT_PUBLIC_SAML_ORG_SLUG")  # the newer name first
_MAIL = {name for name, (path, _, _) in _HOMES.items() if path == "smtpPassword" or path.startswith("mail.")} | {*_TLS}


def _needless(variables: Mapping[str, str], existing: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables that the stack needs no setting for, each with the reason."""
    found = {name: "it is empty, which counts as unset" for name, value in variables.items() if not value.strip()}
    if _INTERNAL in variables and _asks_the_cluster_alone(existing):
        found[_INTERNAL] = (
            "section organization brings it. If members' app connections go to private addresses, set "
            "infisical.allowInternalIpConnections, which opens the network to them too"
        )
    return found


def _asks_the_cluster_alone(existing: Mapping[str, Any]) -> bool:
    """Return whether Infisical may connect to private addresses only to ask the cluster who a pod is."""
    organization, infisical = existing.get("organization"), existing.get("infisical", {})
    kubernetes = isinstance(organization, dict) and organization.get("machineAuth", "kubernetes") == "kubernetes"
    return kubernetes and "allowInternalIpConnections" not in infisical


def _value(name: str, text: str, info: FieldInfo, variable: Variable, imported: Imported) -> Any:
    if text.startswith("-----BEGIN "):
        return text
    value = text.strip()  # as Infisical itself does
    kinds = list(_kinds(info.annotation))
    if variable.form == "base64":
        return _decoded(value)
    if bool in kinds:
        if value not in ("true", "false"):
            imported.remarks.append(f"{name} is neither true nor false, which Infisical takes for false")
        return value == "true"
    if int in kinds:
        return int(value) if re.fullmatch(r"[0-9]{1,18}", value, re.ASCII) else value
    if variable.form == "commas":
        return [part.strip() for part in value.split(",") if part.strip()]
    if any(get_origin(kind) is tuple for kind in kinds):
        return _list(name, value, imported)
    if name == "SITE_URL" and value.endswith("/"):
        imported.remarks.append("SITE_URL ends in /, which Infisical takes off")
        return value.rstrip("/")
    return value


def _decoded(value: str) -> str:
    """Return the content of a base64 text, and any other text as it is."""
    try:
        return base64.b64decode("".join(value.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        return value


def _kinds(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _kinds(part)


def _list(name: str, value: str, imported: Imported) -> list[Any]:
    try:
        match json.loads(value):
            case list(items):
                return items
            case str(item):
                imported.remarks.append(f"{name} is text and no list: taken for a list of one")
                return [item]
            case _:
                pass
    except json.JSONDecodeError:
        pass
    imported.remarks.append(f"{name} is no JSON: its parts between commas are taken for the list")
    return [part.strip() for part in value.split(",") if part.strip()]


def _extra(imported: Imported, name: str, text: str, existing: Mapping[str, Any]) -> None:
    value = text.strip() if name in FORMS else text
    if name in existing.get("extraSecrets", {}):
        section = "extraSecrets"
    elif (name in existing.get("extraEnvironment", {}) and not why_secret(name, value)) or is_harmless(name, value):
        section = "extraEnvironment"
    else:
        section = "extraSecrets"
    _take(imported, name, f"{section}.{name}", value)


def is_harmless(name: str, value: str) -> bool:
    """Return whether a variable may stand in plain text. When in doubt, it may not."""
    if why_secret(name, value):
        return False
    if name in FORMS:
        return True  # numbers, switches, lists of headers
    if _SECRET_NAME.search(name):
        return False
    return bool(_HARMLESS_VALUE.fullmatch(value) or (_TELLING_NAME.fullmatch(name) and _WORD.fullmatch(value)))


def _take(imported: Imported, source: str, key: str, value: Any) -> None:
    imported.values[key] = value
    imported.sources[key] = source


def _mail_tls(imported: Imported, given: Mapping[str, str]) -> None:
    require, ignore = given.get("SMTP_REQUIRE_TLS", "true").strip(), given.get("SMTP_IGNORE_TLS", "false").strip()
    tls = "off" if ignore == "true" else "required" if require == "true" else "opportunistic"
    if given.get("SMTP_PORT", "").strip() == str(IMPLICIT_TLS) and tls != "required":
        imported.remarks.append(f"on SMTP_PORT {IMPLICIT_TLS} TLS comes first, whatever the other variables say")
        tls = "required"
    names = [name for name in _TLS if name in given]
    _take(imported, ", ".join(names), "mail.tls", tls)


def _saml(imported: Imported, given: Mapping[str, str]) -> None:
    names = [name for name in _SAML if name in given]
    _take(imported, ", ".join(names), "signOn.saml.defaultOrganization", given[names[0]].strip())
    _take(imported, ", ".join(names), "signOn.saml.configured", True)  # every login page led there


def _https(imported: Imported, given: Mapping[str, str]) -> None:
    name = "HTTPS_ENABLED"
    imported.left_out[name] = OWNED[name]
    if given[name].strip() != "true":
        imported.remarks.append(f"{name} was not true: cookies were sent over plain HTTP too, and will be no more")


def _node_options(imported: Imported, given: Mapping[str, str]) -> None:
    name, options = "NODE_OPTIONS", given["NODE_OPTIONS"].split()
    if others := [option for option in options if not option.startswith("--max-old-space-size")]:
        _take(imported, name, f"extraEnvironment.{name}", " ".join(others))
    if len(others) < len(options):
        imported.left_out[name] = "its heap follows infisical.memoryLimit"


def _jwt_auth_secret(imported: Imported, given: Mapping[str, str]) -> None:
    name = "JWT_AUTH_SECRET"
    if "AUTH_SECRET" in given:
        imported.left_out[name] = REFUSED[name]
    else:
        _take(imported, name, "authSecret", given[name].strip())


def _redis_password(imported: Imported, given: Mapping[str, str]) -> None:
    _password(imported, "REDIS_PASSWORD", given["REDIS_PASSWORD"].strip(), "redisPassword")


def _database_password(imported: Imported, given: Mapping[str, str]) -> None:
    name = "DB_CONNECTION_URI"
    try:
        password = unquote(urlsplit(given[name].strip()).password or "")
    except ValueError:
        password = ""
    _password(imported, name, password, "databasePassword")


def _password(imported: Imported, name: str, password: str, key: str) -> None:
    if _fits(Password, password):
        _take(imported, name, key, password)
    else:
        imported.left_out[name] = (
            f"its password is not 16 to 128 letters and digits: without {key} a new one is generated"
        )


def _read_replicas(imported: Imported, given: Mapping[str, str]) -> None:
    name = "DB_READ_REPLICAS"
    try:
        entries: Any = json.loads(given[name])
    except json.JSONDecodeError:
        entries = given[name]
    if not isinstance(entries, list):
        _take(imported, name, "databaseReadReplicas", entries)
        return
    if any(_is_own(entry) for entry in entries):
        _take(imported, name, "infisical.readReplicas", "cluster")
    # A replica without its own authority is verified against the database's.
    others = [_replica(entry, given.get("DB_ROOT_CERT", "")) for entry in entries if not _is_own(entry)]
    if others:
        _take(imported, name, "databaseReadReplicas", others)
    if not entries:
        imported.left_out[name] = "it names none"


def _is_own(entry: Any) -> bool:
    try:
        host = urlsplit(entry["DB_CONNECTION_URI"]).hostname or ""
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    service, _, rest = host.partition(".")
    namespace = rest.partition(".")[0]
    return service in _REPLICAS and (not namespace or f"-{namespace}".endswith(f"-{Names().database}"))  # any prefix


def _replica(entry: Any, authority: str) -> Any:
    if not isinstance(entry, dict):
        return entry
    replica = {"uri": entry["DB_CONNECTION_URI"]} if "DB_CONNECTION_URI" in entry else {}
    certificate = str(entry.get("DB_ROOT_CERT") or authority)
    return replica | ({"authority": _decoded(certificate)} if certificate else {})


_SPECIAL: Mapping[str, Callable[[Imported, Mapping[str, str]], None]] = {
    **dict.fromkeys(_TLS, _mail_tls),
    **dict.fromkeys(_SAML, _saml),
    "HTTPS_ENABLED": _https,
    "JWT_AUTH_SECRET": _jwt_auth_secret,
    "NODE_OPTIONS": _node_options,
    "REDIS_PASSWORD": _redis_password,
    "DB_CONNECTION_URI": _database_password,
    "DB_READ_REPLICAS": _read_replicas,
}


def _fits(constrained: Any, value: str) -> bool:
    try:
        TypeAdapter[Any](constrained).validate_python(value)
    except ValidationError:
        return False
    return True
