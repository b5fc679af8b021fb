"""Whole stack configurations that are sound.

Hypothesis chooses which keys there are, and a number from which the contents follow: two choices a stack instead of two
hundred, so that ten thousand of them take seconds. It still finds the smallest set of keys that fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from random import Random

from hypothesis import strategies as st

from settings.secrets import SECRETS
from tests.contract.stacks.sections import (
    BELONGS,
    OPTIONAL,
    backups,
    bucket_targets,
    classes,
    external_databases,
    external_redises,
    gateways,
    infisicals,
    issuers,
    lets_encrypts,
    other_servers,
    proxies,
    signing_keys,
)
from tests.contract.stacks.values import Config, armours, keys_of, named_hosts, one_of, public_hosts, secret_lines
from tests.unit.harness import PROJECT


def handed_over(
    config: Config, plain: Iterable[str] = (), encrypted: Iterable[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """As the engine does: values, and the keys that are encrypted. Not of `plain` secrets, but of `encrypted`."""
    values = {
        f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in config.items()
    }
    secret = (config.keys() & SECRETS) - {*plain} | {*encrypted}
    return values, [f"{PROJECT}:{key}" for key in sorted(secret)]


@st.composite
def stacks(draw: st.DrawFn, *, outside: bool = False) -> Config:
    """Every section and every secret now and then; what belongs together, together.

    With `outside`, somebody else runs the databases of some.
    """
    chosen, seed = draw(st.integers(0, 2 ** len(OPTIONAL) - 1)), draw(st.integers(0, 2**32))
    config: Config = {}
    for index, (key, make) in enumerate(OPTIONAL.items()):
        if chosen >> index & 1:
            r = Random(f"{seed} {key}")  # of its own, so that a key fewer changes no other
            section, _, part = key.partition(".")
            if part:
                config.setdefault(section, {})[part] = make(r)
            else:
                config[key] = make(r)
            config |= {secret: make(r) for secret, make in BELONGS.get(key, {}).items()}
    r = Random(seed)
    site = f"https://{named_hosts(r)}"
    config["ingress"] = {"issuer": issuers(r)} | keys_of({}, route=one_of(classes, gateways), trustedProxies=proxies)(r)
    if r.random() < 0.25:
        site = f"https://{public_hosts(r)}"
        config["ingress"] = {"issuer": lets_encrypts(r)} | keys_of({}, route=classes)(r)
    elif Random(f"{seed} names").random() < 0.5:
        config["ingress"]["issuer"]["names"] = _names_of(site.removeprefix("https://"))
    config["infisical"] = infisicals(r) | {"siteUrl": site + r.choice(["", "", ":8443"])}
    _connect(config)
    _back_up(Random(f"{seed} backup"), config)
    _reconcile(r, config)
    if outside:
        _move_out(Random(f"{seed} outside"), config)
    return config


def _names_of(host: str) -> list[str]:
    """Return names of a certificate that is for this host, a wildcard where it can be one."""
    host = host.lower()
    _, dot, parent = host.partition(".")
    return [f"*.{parent}", "other.example.org"] if dot else [host]


def _move_out(r: Random, config: Config) -> None:
    """Have somebody else run a database, now and then, or bring one along, with the password that it has."""
    if "restore" in config and r.random() < 0.25:
        del config["restore"]["from"]
        config.pop("restoreIdentity", None)
        config["restore"]["server"] = other_servers(r)
        config["restorePassword"] = secret_lines(r)
    if r.random() < 0.25:
        config |= {"database": external_databases(r), "databasePassword": secret_lines(r)}
        config["infisical"].pop("readReplicas", None)
        config.get("backup", {}).get("target", {}).pop("pointInTime", None)
    if r.random() < 0.25:
        config |= {"redis": external_redises(r), "redisPassword": secret_lines(r)}
        if "sentinelHosts" in config["redis"] and r.random() < 0.5:
            config["redisSentinelPassword"] = secret_lines(r)


def _connect(config: Config) -> None:
    """Enough connections, and enough replicas to read from."""
    database = config.get("database", {})
    if config["infisical"].get("readReplicas") == "cluster":
        config.pop("databaseReadReplicas", None)
        if database.get("instances", 2) < 3:
            config.setdefault("database", {})["instances"] = 3
    if database.get("pooler", {}).get("mode") == "session":
        config["infisical"]["replicas"] = min(config["infisical"].get("replicas", 2), 3)


def _back_up(r: Random, config: Config) -> None:
    """A restore has a target, a bucket its credentials."""
    if "restore" in config:
        config.setdefault("backup", backups(r))
        if r.random() < 0.5:
            config["restoreIdentity"] = armours("PRIVATE")(r)
    if "backup" in config and r.random() < 0.5:
        config["backupPassphrase"] = signing_keys(r)
    if "backup" in config and r.random() < 0.5:
        config["backup"]["target"] = bucket_targets(r)
        config |= {"backupAccessKey": secret_lines(r), "backupSecretKey": secret_lines(r)}


def _reconcile(r: Random, config: Config) -> None:
    """What two keys may not both say, and what one needs of the other."""
    if config.get("signOn", {}).get("saml", {}).get("configured"):
        config.setdefault("extraSecrets", {})["LICENSE_KEY"] = secret_lines(r)
    if (own := config.get("databaseReadReplicas")) and r.random() < 0.5:  # known to the platform's own certificate
        del own[0]["authority"]
        host = own[0]["uri"].rpartition("@")[2].partition("/")[0].partition(":")[0]
        config.setdefault("certificates", {}).setdefault("extraNames", []).append(host)
    if mail := config.get("mail"):
        if mail.get("port") == 465:
            mail.pop("tls", None)
        if mail.get("tls") == "off":
            mail.pop("username", None)
        if "authority" in mail:
            mail.pop("verify", None)
        if "username" in mail:
            config["smtpPassword"] = secret_lines(r)


def secret_values(config: Config) -> set[str]:
    """What no message may repeat: of every encrypted key, each text of it that could be recognised."""
    found: set[str] = set()
    for key in config.keys() & SECRETS:
        pending = [config[key]]
        while pending:
            match pending.pop():
                case dict() as value:
                    pending += [item for name, item in value.items() if name != "authority"]  # certificates are public
                case list() as value:
                    pending += value
                case value:
                    found |= {line for line in str(value).splitlines() if len(line) > 5 and "-----" not in line}
    return found
