"""What a fault in a stack is, and how one is made. Which faults there are: `catalogue`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.contract.stacks.values import SECRET, Config, pem


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a stack."""

    key: str  # which the error names
    do: Callable[[Config], None]
    over: frozenset[str] = frozenset()  # keys at the top which a rule compares: it speaks when each is right by itself
    absent: bool = False  # the key is taken away
    plain: bool = False  # the key at the top stands in plain text
    encrypted: bool = False  # the section at the top holds an encrypted value

    @property
    def top(self) -> str:
        return self.key.partition(".")[0].partition("[")[0]

    def __repr__(self) -> str:
        return f"{self.key}{' over ' + ', '.join(sorted(self.over)) if self.over else ''}"

    @property
    def touched(self) -> set[str]:
        """The keys at the top that it changes or needs."""
        return {self.top, *self.over, *_NEEDS.get(self.top, "").split()}

    def agrees(self, other: Fault) -> bool:
        """Whether both are named when both are there."""
        if self.over or other.over or self.top != other.top:
            return not self.touched & other.touched
        if self.plain or other.plain or self.encrypted or other.encrypted:
            return False
        for one, two in ((self.key, other.key), (other.key, self.key)):
            if one.endswith(".kind") and two.startswith(one.removesuffix("kind")):
                return False  # which keys there are depends on the kind
        if self.absent and other.absent:
            return False  # without either the section is empty, which counts as none
        one, two = sorted((self.key, other.key), key=len)
        return two != one and not two.startswith((f"{one}.", f"{one}["))


_NEEDS = {
    "databaseReadReplicas": "infisical",
    "smtpPassword": "mail",
    "githubLoginClientSecret": "signOn",
    "githubAppClientSecret": "integrations githubAppPrivateKey",
    "githubAppPrivateKey": "integrations githubAppClientSecret",
    "awsSecretAccessKey": "integrations",
    "backup": "backupAccessKey backupSecretKey backupPassphrase restore restoreIdentity",
    "restore": "backup restoreIdentity",
    "restoreIdentity": "backup restore",
    "backupAccessKey": "backup backupSecretKey",
    "backupSecretKey": "backup backupAccessKey",
    "backupPassphrase": "backup",
    "database": "backup backupAccessKey backupSecretKey",
}

_ARMOUR = pem("PGP PUBLIC KEY BLOCK", b"k" * 40).replace("-----\n", "-----\n\n", 1)

# What is put there where a stack has nothing, so that one thing is wrong and no other.
_HOMES: dict[str, Callable[[Config], object]] = {
    "ingress.route": lambda config: config.setdefault("ingress", {}).setdefault("route", {"kind": "ingress"}),
    "mail": lambda config: config.setdefault("mail", {"host": "smtp.example.org", "fromAddress": "a@example.org"}),
    "backup": lambda config: config.setdefault("backup", {"target": {"kind": "volume"}, "recipients": [_ARMOUR]}),
    "restore": lambda config: (
        _HOMES["backup"](config),
        config.setdefault("restore", {"id": "a", "from": "latest"}),
    ),
    "backupAccessKey": lambda config: (
        _HOMES["backup"](config),
        config["backup"].update(target={"kind": "bucket", "endpoint": "https://s3.example.org", "name": "dumps"}),
        config.setdefault("backupAccessKey", SECRET * 3),
        config.setdefault("backupSecretKey", SECRET * 3),
    ),
    "database.recover": lambda config: (
        _HOMES["backupAccessKey"](config),
        config["backup"]["target"].update(pointInTime=True),
        config.setdefault("database", {})
        .setdefault("recover", {"archive": "0123abcd", "time": "2026-11-26T11:20:00+00:00"}),
    ),
    "escrow": lambda config: config.setdefault("escrow", {"date": "2026-11-26", "keyLabel": "0" * 32}),
    "signOn.github": lambda config: (
        config.setdefault("signOn", {}).setdefault("github", {"clientId": "Iv1"}),
        config.setdefault("githubLoginClientSecret", SECRET * 4),
    ),
    "signOn.saml": lambda config: (
        config.setdefault("signOn", {}).setdefault("saml", {"defaultOrganization": "acme"}),
    ),
    "integrations.githubApp": lambda config: (
        config.setdefault("integrations", {}).setdefault("githubApp", {"clientId": "Iv2", "slug": "acme", "id": 7}),
        config.setdefault("githubAppClientSecret", SECRET * 4),
        config.setdefault("githubAppPrivateKey", pem("PRIVATE KEY", b"k" * 40)),
    ),
    "integrations.aws": lambda config: (
        config.setdefault("integrations", {}).setdefault("aws", {"accessKeyId": "A" * 20}),
        config.setdefault("awsSecretAccessKey", SECRET * 4),
    ),
    "databaseReadReplicas": lambda config: (
        config.setdefault("infisical", {}).pop("readReplicas", None),
        config.setdefault("databaseReadReplicas", [])
        or config.update(databaseReadReplicas=[{
            "uri": f"postgresql://u:{SECRET}{SECRET}@h.example.org/i", "authority": pem("CERTIFICATE", b"c" * 40)}]),
    ),
    "smtpPassword": lambda config: (_HOMES["mail"](config), config["mail"].update(username="u", tls="required")),
}  # fmt: skip
_HOMES |= {
    "restoreIdentity": _HOMES["restore"],
    "backupPassphrase": _HOMES["backup"],
    "backupSecretKey": _HOMES["backupAccessKey"],
    "githubLoginClientSecret": _HOMES["signOn.github"],
    "githubAppClientSecret": _HOMES["integrations.githubApp"],
    "githubAppPrivateKey": _HOMES["integrations.githubApp"],
    "awsSecretAccessKey": _HOMES["integrations.aws"],
}


def _home(key: str, config: Config) -> None:
    for home, furnish in _HOMES.items():
        if key == home or key.startswith((f"{home}.", f"{home}[")):
            furnish(config)


def _section(config: Config, parents: list[str]) -> Any:
    section: Any = config
    for parent in parents:
        section = section[int(parent)] if isinstance(section, list) else section.setdefault(parent, {})
    return section


def wrong(key: str, value: Any, **more: Any) -> Fault:
    """A value that its key does not take."""
    *parents, last = key.replace("[", ".").replace("]", "").split(".")

    def do(config: Config) -> None:
        _home(key, config)
        if key.endswith("]") and last == "0":
            _section(config, parents[:-1])[parents[-1]] = [value]
        else:
            _section(config, parents)[last] = copy.deepcopy(value)

    return Fault(key, do, **more)


def missing(key: str) -> Fault:
    """A key that has to be there."""
    *parents, last = key.split(".")

    def do(config: Config) -> None:
        _home(key, config)
        _section(config, parents).pop(last, None)

    return Fault(key, do, absent=True)


def rule(key: str, over: str, changes: Mapping[str, Any]) -> Fault:
    """Values each of which is right; None takes a key away. `over` are the other keys at the top which it compares."""

    def do(config: Config) -> None:
        for path, value in changes.items():
            *parents, last = path.replace("[", ".").replace("]", "").split(".")
            if parents:
                _home(path, config)
            section = _section(config, parents)
            if value is None:
                section.pop(last, None)
            else:
                section[last] = copy.deepcopy(value)

    return Fault(key, do, frozenset([key.partition(".")[0].partition("[")[0], *over.split()]))


def plain_text(key: str, value: Any) -> Fault:
    """A secret that nobody encrypted."""
    return wrong(key, value, plain=True)


def encrypted(key: str) -> Fault:
    """A section with an encrypted value in it."""
    return Fault(key, lambda config: config.update({key: config.get(key) or {"key": SECRET * 2}}), encrypted=True)
