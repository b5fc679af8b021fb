"""The part of Infisical's environment that follows from settings alone."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import cast

from pydantic import SecretStr

from settings.infisical import node_options
from settings.machinery.schema import variable_of
from settings.machinery.types import Section
from settings.machinery.variable_forms import PROXIES
from settings.machinery.variables import Variable
from settings.settings import Settings

_TLS = {"required": ("true", "false"), "opportunistic": ("false", "false"), "off": ("false", "true")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """Variables by name, with values in the form that Infisical reads."""

    plain: Mapping[str, str]
    secret: Mapping[str, SecretStr]


def environment_of(stack: Settings) -> Environment:
    """Return the variables that follow from settings. Connections and generated keys are not among them."""
    plain: dict[str, str] = {"HTTPS_ENABLED": "true"}  # only marks cookies as secure
    secret: dict[str, SecretStr] = {}
    for variable, value in _values(stack):
        if isinstance(value, SecretStr):
            secret[variable.name] = value
        else:
            plain[variable.name] = _text(variable, value)
    plain["NODE_OPTIONS"] = node_options(stack.infisical.memory_limit, stack.infisical.image)
    if more := stack.extra_environment.get("NODE_OPTIONS"):
        plain["NODE_OPTIONS"] = f"{more} {plain['NODE_OPTIONS']}"
    if stack.infisical.ipv6:
        plain["HOST"] = "::"
    if proxied(stack.extra_environment.keys() | stack.extra_secrets.keys()):
        plain["NO_PROXY"] = _no_proxy(stack)
    if stack.mail:
        plain["SMTP_REQUIRE_TLS"], plain["SMTP_IGNORE_TLS"] = _TLS[stack.mail.tls]
    if stack.organization and stack.organization.machine_auth == "kubernetes":
        plain["ALLOW_INTERNAL_IP_CONNECTIONS"] = "true"  # its API server has a private address
    if (saml := stack.sign_on.saml) and saml.configured:
        plain["DEFAULT_SAML_ORG_SLUG"] = saml.default_organization
    if stack.database_read_replicas:
        replicas = [
            {"DB_CONNECTION_URI": replica.uri.get_secret_value()}
            | ({"DB_ROOT_CERT": _base64(replica.authority)} if replica.authority else {})
            for replica in stack.database_read_replicas
        ]
        secret["DB_READ_REPLICAS"] = SecretStr(json.dumps(replicas))
    return Environment(plain={**stack.extra_environment, **plain}, secret=secret | stack.extra_secrets)


def proxied(variables: Set[str]) -> bool:
    """Return whether Infisical's requests go through a proxy."""
    return not variables.isdisjoint(PROXIES)


def _no_proxy(stack: Settings) -> str:
    """Return what no proxy is asked for: the cluster's own names and addresses, and what the stack adds.

    A proxy outside of the cluster knows neither, so Infisical would fail to ask the API server who a pod is.
    """
    own = [
        "localhost",
        "127.0.0.1",
        "[::1]",
        ".svc",
        ".cluster.local",
        "kubernetes.default",
        *_addresses(stack.network_policies.api_server.cidrs),
    ]
    said = re.split(r"[,\s]+", stack.extra_environment.get("NO_PROXY", ""))
    return ",".join(dict.fromkeys([*own, *map(_bracketed, filter(None, said))]))


def _bracketed(host: str) -> str:
    """Return an IPv6 address as a URL has it. Of a bare one Infisical's HTTP client takes the last part for a port."""
    try:
        return f"[{ipaddress.IPv6Address(host)}]"
    except ValueError:
        return host


def _addresses(ranges: Sequence[str]) -> Iterator[str]:
    """Yield the ranges that are one address, as a URL has it: Infisical's HTTP client compares texts, never ranges."""
    for network in map(ipaddress.ip_network, ranges):
        if network.num_addresses == 1:
            yield _bracketed(str(network.network_address))


def _values(section: Section) -> Iterator[tuple[Variable, object]]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _values(value)
        elif (variable := variable_of(field)) and value not in (None, ()):
            yield variable, value


def _text(variable: Variable, value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case tuple() if variable.form == "commas":
            return ",".join(cast("tuple[str, ...]", value))
        case tuple():
            return json.dumps(value)
        case _ if variable.form == "base64":
            return _base64(str(value))
        case _:
            return str(value)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
