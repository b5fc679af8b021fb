"""A stack's configuration as the engine hands it over, what is said about it, and the printed commands, followed."""

from __future__ import annotations

import copy
import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

import pytest

import settings
from tests.unit.harness import COMMANDS, PROJECT, configuration, encrypted

Config = dict[str, Any]  # section to its content, as in the stack file without "project:"
ISSUER = {"kind": "existing", "name": "ca"}
SITE = "https://secrets.example.org"
SMALLEST: Config = {"infisical": {"siteUrl": SITE}, "ingress": {"issuer": ISSUER}}
MAIL = {"host": "smtp.example.org", "fromAddress": "secrets@example.org"}
PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
HEADING = "this stack's configuration can't be used:"


def load(config: Mapping[str, Any]) -> settings.Settings:
    """As the engine hands it over."""
    values = {f"{PROJECT}:{k}": v if isinstance(v, str) else json.dumps(v) for k, v in config.items()}
    return settings.load(COMMANDS, values, encrypted(values))


def load_stack(stack: str) -> settings.Settings:
    """As its file has it."""
    values = configuration(stack)
    return settings.load(COMMANDS, values, encrypted(values))


def errors(config: Mapping[str, Any]) -> list[str]:
    """One line a key, without the heading."""
    with pytest.raises(settings.SettingsError) as caught:
        load(config)
    heading, *lines = str(caught.value).splitlines()
    assert heading == HEADING
    assert lines
    return lines


def with_(*changes: tuple[str, Any]) -> Config:
    """The smallest stack with changes: `with_(("database.pooler.mode", "session"))`."""
    config = copy.deepcopy(SMALLEST)
    for path, value in changes:
        *parents, last = path.split(".")
        section = config
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
    return config


def complaint(config: Config) -> str:
    """What is said about a configuration; nothing when it loads."""
    try:
        load(config)
    except settings.SettingsError as error:
        return str(error)
    return ""


# What to put in the place of VALUE, by key.
REPAIRS = {
    "infisical": json.dumps(SMALLEST["infisical"]),
    "infisical.siteUrl": SITE,
    "ingress": json.dumps(SMALLEST["ingress"]),
    "ingress.issuer": "existing",
    "ingress.issuer.kind": "existing",
    "ingress.issuer.name": "ca",
    "ingress.issuer.email": "ops@example.org",
    "ingress.issuer.names[0]": "secrets.example.org",
    "ingress.route": "ingress",
    "ingress.route.kind": "ingress",
    "ingress.route.redirectListener": "web",
    "infisical.chart.version": "1.10.0",
    "infisical.chart.repository": "https://charts.example.org",
    "infisical.corsAllowedOrigins[0]": "https://app.example.org",
    "infisical.readReplicas": "none",
    "infisical.replicas": "2",
    "infisical.image": "infisical/infisical:v1",
    "operators.redisImage": "quay.io/opstree/redis-operator:v0.23.0",
    "redis.sentinels": "3",
    "redis.quorum": "2",
    "database": "{}",
    "database.version": "16",
    "database.cpuLimit": "2",
    "database.storage": "10Gi",
    "database.pooler.mode": "session",
    "jobs.pythonImage": "python:3.13",
    "certificates.leafDuration": "2160h",
    "certificates.leafRenewBefore": "24h",
    "certificates.syncSchedule": "0 * * * *",
    "infisical.pools.max": "20",
    "infisical.chart.digest": f"sha256:{'0' * 64}",
    "mail": json.dumps(MAIL),
    "mail.host": "smtp.example.org",
    "mail.fromAddress": "secrets@example.org",
    "mail.port": "587",
    "mail.tls": "required",
    "mail.verify": "true",
    "mail.authority": PEM,
    "mail.username": "infisical",
    "signOn.github.clientId": "Iv1",
    "signOn.saml.defaultOrganization": "acme-x1y",
    "integrations.githubApp.clientId": "Iv2",
    "integrations.githubApp.slug": "acme",
    "integrations.githubApp.id": "7",
    "integrations.aws.accessKeyId": "AKIAIOSFODNN7EXAMPLE",
    "database.cpuRequest": "100m",
    "database.memoryRequest": "256Mi",
    "redis.maxMemoryMib": "64",
    "encryptionKey": "0123456789abcdef" * 2,
    "rootEncryptionKey": "A" * 43 + "=",
    "authSecret": "a" * 32,
    "databasePassword": "a1" * 16,
    "smtpPassword": "correct horse",
    "githubLoginClientSecret": "g" * 40,
    "githubAppClientSecret": "g" * 40,
    "githubAppPrivateKey": PEM.replace("CERTIFICATE", "PRIVATE KEY"),
    "awsSecretAccessKey": "w" * 40,
    "databaseReadReplicas[0].uri": "postgresql://u:p@10.0.0.7/infisical",
    "databaseReadReplicas[0].authority": PEM,
}


def repaired(config: Config) -> Config:
    """Follows the printed commands, one error after the other, until nothing is wrong.

    As `pulumi config set --path` does: true, false and integers become what they look like, unless `--type string`.
    """
    config = copy.deepcopy(config)
    for _ in range(5):
        if not (said := complaint(config)):
            return config
        line = said.splitlines()[1]
        _run(shlex.split(line[line.rindex("pulumi config") :]), config)
    pytest.fail(f"the printed commands do not help: {complaint(config)}")


def _run(command: list[str], config: Config) -> None:
    assert command[:2] == ["pulumi", "config"], command
    verb, *rest = command[2:]
    keep_text = "--type" in rest and rest[rest.index("--type") + 1] == "string"
    key = next(word for word in rest if word.startswith(f"{PROJECT}:")).removeprefix(f"{PROJECT}:")
    path = [part for part in re.split(r"[.\[\]]", key) if part] if "--path" in rest else [key]
    steps: list[Any] = [int(part) if part.isdigit() and f"[{part}]" in key else part for part in path]
    *parents, last = steps
    section: Any = config
    for parent in parents:
        section = section[parent] if isinstance(section, list) else section.setdefault(parent, {})
        if not isinstance(section, dict | list):
            pytest.fail(f"{shlex.join(command)}: {parent} is no section")
    if verb == "rm":
        del section[last]
    elif isinstance(section, list) != isinstance(last, int):
        pytest.fail(f"{shlex.join(command)}: {last} is no place in a {type(section).__name__}")
    else:
        assert (rest[-1] == "VALUE") != ("--secret" in rest), command
        value = REPAIRS[key]
        typed = {"true": True, "false": False}.get(value, int(value) if re.fullmatch(r"0|-?[1-9]\d*", value) else value)
        section[last] = value if keep_text or "--path" not in rest else typed
