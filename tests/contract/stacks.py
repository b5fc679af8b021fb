"""Whole stack configurations, sound ones and broken ones, written down from the documentation and not from the models.

Hypothesis chooses which keys there are, which faults, and a number from which the contents follow: two choices a stack
instead of two hundred, so that ten thousand of them take seconds. It still finds the smallest set of keys that fails.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import strategies as st

from settings.secrets import SECRETS
from tests.unit.harness import PROJECT

Config = dict[str, Any]  # key to its content, as in the stack file without "project:"; secrets as they are decrypted
Make = Callable[[Random], Any]


def handed_over(
    config: Config, plain: Iterable[str] = (), encrypted: Iterable[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """As the engine does: values, and the keys that are encrypted. Not of `plain` secrets, but of `encrypted`."""
    values = {f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value)
              for key, value in config.items()}  # fmt: skip
    secret = (config.keys() & SECRETS) - {*plain} | {*encrypted}
    return values, [f"{PROJECT}:{key}" for key in sorted(secret)]


# --- sound values ----------------------------------------------------------------------------------------------------


def pem(label: str, body: bytes) -> str:
    """Lines of 64 characters."""
    text = base64.b64encode(body).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"]) + "\n"


def _text(alphabet: str, low: int, high: int) -> Make:
    return lambda r: "".join(r.choices(alphabet, k=r.randint(low, high)))


def _one(*values: Any) -> Make:
    """One of the values, or what one of the functions makes."""
    return lambda r: value(r) if callable(value := r.choice(values)) else copy.deepcopy(value)


def _list(make: Make, low: int, high: int) -> Make:
    return lambda r: [make(r) for _ in range(r.randint(low, high))]


def _keys(always: Mapping[str, Make], **now_and_then: Make) -> Make:
    def make(r: Random) -> Config:
        some = {key: make for key, make in now_and_then.items() if r.random() < 0.5}
        return {key: make(r) for key, make in {**always, **some}.items()}

    return make


def _together(*sections: Make) -> Make:
    """One section of several parts, each of which is sound with all of the others."""
    return lambda r: {key: value for section in sections for key, value in section(r).items()}


PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
# Each secret begins as no text of a message does: finding one there means that it was repeated.
SECRET = "zQ9~"


def _secret(make: Make, end: str = "") -> Make:
    return lambda r: f"{SECRET}{make(r)}{end}"


secret_lines = _one(_secret(_text(PRINTABLE, 3, 30)), _secret(_text(PRINTABLE + " ", 3, 20), "$"))
signing_keys = _secret(_text(PRINTABLE, 28, 40))
hex_keys = _text("0123456789abcdef", 32, 32)


def passwords(r: Random) -> str:
    return "zQ9" + _text("aZ09", 13, 125)(r)


def base64_keys(r: Random) -> str:
    return base64.b64encode(r.randbytes(32)).decode()


def _pems(r: Random, *labels: str, blocks: int = 1) -> str:
    text = "".join(pem(r.choice(labels), r.randbytes(r.randint(24, 120))) for _ in range(blocks))
    return text.replace("\n", r.choice(["\n", "\r\n"]))


def certificates(r: Random) -> str:
    return _pems(r, "CERTIFICATE", blocks=r.randint(1, 2))


def private_keys(r: Random) -> str:
    return _pems(r, "PRIVATE KEY", "RSA PRIVATE KEY")


labels = _text("abcxyz", 1, 8)


def names(r: Random) -> str:
    return ".".join(f"{labels(r)}-{r.randint(0, 9)}" for _ in range(r.randint(1, 3)))


def public_hosts(r: Random) -> str:
    return f"{labels(r)}.example.org"


hosts = _one("secrets.example.org", "Secrets.Example.ORG", "s", "10.0.0.1", "a-b.c.d", names, public_hosts)


def ports(r: Random) -> int:
    return r.choice([1, 25, 443, 8443, 65535, r.randint(1, 65535)])


def origins(r: Random) -> str:
    return f"{r.choice(['https', 'http'])}://{hosts(r)}{r.choice(['', f':{ports(r)}'])}"


def emails(r: Random) -> str:
    return f"{_text('a.+-_Z0', 1, 10)(r)}@{labels(r)}.org"


def images(r: Random) -> str:
    version = r.choice([":1", ":v7.0.15", ":3.13-slim", f"@sha256:{'0' * 64}", f":v1@sha256:{'a1' * 32}"])
    return f"{r.choice(['', 'quay.io/', 'r.example.org:5000/a/'])}{_text('abc-_', 1, 8)(r)}{version}"


def infisical_images(r: Random) -> str:
    name = r.choice(["infisical/infisical:", "r.example.org:5000/infisical:"])
    return name + r.choice(["v0.151.0", "0.165.8", "v1.0.0", "v0.151.0-postgres", "nightly"])


def crons(r: Random) -> str:
    fields = (("*", "*/15", "0", "1,31,59", "0-30/10"), ("*", "3", "0-23"), ("*", "1", "31"), ("*", "12"), ("*", "0-7"))
    return " ".join(map(r.choice, fields))


lines = _one(_text(PRINTABLE, 1, 20), "Infisical (prod)", "Caf\u00e9 \u2014 Z\u00fcrich", "a b", "0", "true")
booleans = _one(True, False)
rotations = _one(1, 2, 7)


# --- sound sections --------------------------------------------------------------------------------------------------

clusters = _keys({}, context=lines, kubeconfig=lines, protect=booleans)
databases = _together(
    _keys(
        {},
        version=_one("14", "15", "16", "17", 14, 16),
        instances=_one(1, 2, 3, 9),
        storage=_one("1Gi", "10.5G", "2Ti"),
        storageClass=names,
        pooler=_keys({}, instances=_one(1, 2, 10), mode=_one("transaction", "session")),
        passwordRotation=rotations,
    ),
    _one({}, {"cpuRequest": "50m"}, {"cpuLimit": "1"}, {"cpuLimit": 4}, {"cpuLimit": "0.25"},
         {"cpuRequest": "1.5", "cpuLimit": "1500m"}),
    _one({}, {"memoryRequest": "128Mi"}, {"memoryLimit": "512Mi"}, {"memoryLimit": "1.5G"},
         {"memoryRequest": "4Gi", "memoryLimit": "4Gi"}),
)  # fmt: skip
redises = _together(
    _keys(
        {},
        instances=_one(2, 3, 9),
        image=images,
        sentinelImage=images,
        storage=_one("1Gi", "500M"),
        storageClass=names,
        cpuRequest=_one("20m", "1", 1, "0.125"),
        passwordRotation=rotations,
    ),
    _one({}, {"sentinels": 5}, {"quorum": 3}, {"sentinels": 9, "quorum": 9}, {"sentinels": 7, "quorum": 4}),
    _one({}, {"memoryLimit": "128Mi", "maxMemoryMib": 96}, {"memoryLimit": "1Gi", "maxMemoryMib": 819},
         {"memoryLimit": "1G"}, {"maxMemoryMib": 32}),
)  # fmt: skip
certificate_sections = _together(
    _keys({}, extraNames=_list(names, 0, 2), syncSchedule=crons),
    _one({}, {"authorityDuration": "2161h"}, {"leafDuration": "721h"}, {"leafRenewBefore": "1h"},
         {"authorityDuration": "3h", "leafDuration": "2h", "leafRenewBefore": "1h"}),
)  # fmt: skip
charts = _together(
    _one({}, {"version": "1.8.0"}, {"flavour": "infisical-standalone"}, {"flavour": "infisical", "version": "0.4.2"}),
    _keys(
        {},
        digest=_one(f"sha256:{'0a' * 32}"),
        repository=_one("https://charts.example.org/a/", "oci://r.example.org/charts"),
        path=_one("../chart"),
    ),
)
pools = _one({}, {"min": 0}, {"max": 1}, {"min": 10}, {"min": 5, "max": 5, "replicaMin": 0, "replicaMax": 9},
             {"auditLogsMin": 0, "auditLogsMax": 2})  # fmt: skip
infisicals = _keys(
    {},
    image=infisical_images,
    replicas=_one(1, 2, 20),
    chart=charts,
    corsAllowedOrigins=_list(origins, 0, 3),
    readReplicas=_one("none", "cluster"),
    pools=pools,
    telemetry=booleans,
    allowInternalIpConnections=booleans,
    replaceEncryptionKey=_text("0123456789abcdef", 12, 12),
)
issuers = _keys({"kind": _one("existing"), "name": names})
lets_encrypts = _keys({"kind": _one("letsEncrypt"), "email": emails}, staging=booleans)
classes = _keys({"kind": _one("ingress")}, className=names)
gateways = _keys({"kind": _one("gateway"), "name": names, "namespace": labels}, listener=names)
mails = _keys(
    {"host": hosts, "fromAddress": emails},
    fromName=lines,
    port=_one(25, 465, 587, 2525),
    username=lines,
    verify=booleans,
    authority=certificates,
    tls=_one("required", "opportunistic", "off"),
)
samls = _keys({"defaultOrganization": _one("acme", "acme-x1y", "0-1")}, configured=booleans)
jobs = _keys({}, pythonImage=images, postgresImage=images)
_values = _one(lines, "a\nb", "{}", 7, 1.5)
extras = _keys({}, CLIENT_ID_GOOGLE_LOGIN=lines, SALT=_values, _X=_values, A1=_values, OTEL_EXPORT_TYPE=_one("otlp"),
               DISABLE_SECRET_SCANNING=_one("true", "false"), SALT_ROUNDS=_one(12, "12"))  # fmt: skip
extra_secrets = _keys({}, CLIENT_SECRET_GOOGLE_LOGIN=secret_lines, HSM_PIN=_one(9**9, secret_lines), _Y=secret_lines)


def replicas(r: Random) -> Config:
    password = "".join(r.choices(["a", "Z", "-", "%2F", "%23", "%C3%A9", "!", "*"], k=r.randint(2, 8)))
    host = f"{names(r)}{r.choice(['', f':{ports(r)}'])}"
    uri = f"{r.choice(['postgresql', 'postgres'])}://{_text('ab_', 1, 6)(r)}:{SECRET}{password}@{host}/infisical"
    return {"uri": uri, "authority": certificates(r)}


OPTIONAL: Mapping[str, Make] = {
    "cluster": clusters, "database": databases, "redis": redises, "certificates": certificate_sections, "mail": mails,
    "jobs": jobs, "extraEnvironment": extras, "extraSecrets": extra_secrets, "authSecret": signing_keys,
    "cookieSecret": signing_keys, "databasePassword": passwords, "redisPassword": passwords,
    "encryptionKey": hex_keys, "rootEncryptionKey": base64_keys, "databaseReadReplicas": _list(replicas, 0, 2),
    "signOn.github": _keys({"clientId": lines}), "signOn.saml": samls,
    "integrations.githubApp": _keys({"clientId": lines, "slug": lines, "id": _one(1, 7, 10**9)}),
    "integrations.aws": _keys({"accessKeyId": _text("AZ09", 16, 20)}),
}  # fmt: skip
BELONGS = {
    "signOn.github": {"githubLoginClientSecret": secret_lines},
    "integrations.githubApp": {"githubAppClientSecret": secret_lines, "githubAppPrivateKey": private_keys},
    "integrations.aws": {"awsSecretAccessKey": secret_lines},
}


@st.composite
def stacks(draw: st.DrawFn) -> Config:
    """Every section and every secret now and then; what belongs together, together."""
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
    site = f"https://{hosts(r)}"
    config["ingress"] = {"issuer": issuers(r)} | _keys({}, route=_one(classes, gateways))(r)
    if r.random() < 0.25:
        site = f"https://{public_hosts(r)}"
        config["ingress"] = {"issuer": lets_encrypts(r)} | _keys({}, route=classes)(r)
    config["infisical"] = infisicals(r) | {"siteUrl": site + r.choice(["", "", ":8443"])}
    _reconcile(r, config)
    return config


def _reconcile(r: Random, config: Config) -> None:
    """What two keys may not both say."""
    if "encryptionKey" in config:
        config.pop("rootEncryptionKey", None)
    if config["infisical"].get("readReplicas") == "cluster":
        config.pop("databaseReadReplicas", None)
        if config.get("database", {}).get("instances") == 1:
            del config["database"]["instances"]
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


# --- faults ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a stack."""

    key: str  # which the error names
    do: Callable[[Config], None]
    over: frozenset[str] = frozenset()  # keys at the top which a rule compares: it speaks when each is right by itself
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
        one, two = sorted((self.key, other.key), key=len)
        return two != one and not two.startswith((f"{one}.", f"{one}["))


_NEEDS = {
    "databaseReadReplicas": "infisical",
    "smtpPassword": "mail",
    "githubLoginClientSecret": "signOn",
    "githubAppClientSecret": "integrations githubAppPrivateKey",
    "githubAppPrivateKey": "integrations githubAppClientSecret",
    "awsSecretAccessKey": "integrations",
}

# What is put there where a stack has nothing, so that one thing is wrong and no other.
_HOMES: dict[str, Callable[[Config], object]] = {
    "ingress.route": lambda config: config.setdefault("ingress", {}).setdefault("route", {"kind": "ingress"}),
    "mail": lambda config: config.setdefault("mail", {"host": "smtp.example.org", "fromAddress": "a@example.org"}),
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

    return Fault(key, do)


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


_CERTIFICATE = pem("CERTIFICATE", b"c" * 40)
_KEY = pem("PRIVATE KEY", b"k" * 40)
_GATEWAY = {"kind": "gateway", "name": "public", "namespace": "edge"}
_ACME = {"kind": "letsEncrypt", "email": "ops@example.org"}
_URI = f"postgresql://u:{SECRET}{SECRET}@h.example.org/i"

FAULTS: tuple[Fault, ...] = (
    # no such key
    wrong("databse", {"instances": 3}), wrong("zzz", "x"), wrong("smtpPasword", SECRET * 3),
    wrong("database.instnaces", 3), wrong("database.pooler.sze", 1), wrong("infisical.siteURL", "https://a.example.org"),
    wrong("mail.smtpPassword", "x"), wrong("ingress.route.clas", "nginx"),
    wrong("integrations.githubApp.privateKey", "x"),
    # no section
    wrong("database", "big"), wrong("redis", [1]), wrong("certificates", "x"), wrong("jobs", 7), wrong("cluster", True),
    wrong("infisical.chart", "infisical"), wrong("infisical.pools", [5]), wrong("database.pooler", "session"),
    wrong("extraEnvironment", ["A=b"]), wrong("extraSecrets", SECRET * 2), wrong("databaseReadReplicas", _URI),
    # missing
    missing("infisical.siteUrl"), missing("mail.host"), missing("mail.fromAddress"), missing("ingress.issuer.kind"),
    missing("integrations.githubApp.slug"), missing("signOn.saml.defaultOrganization"),
    # values
    *(wrong("infisical.siteUrl", value) for value in ("secrets.example.org", "https://a.example.org/", "http://a.org",
      "https://a b", "https://u:p@a.org", "https://a.org\n", "https://a.org:0", "https://a.org?x", "", 7)),
    *(wrong("infisical.image", value) for value in ("infisical/infisical:latest", "infisical/infisical", "a b:1")),
    wrong("infisical.replicas", 0), wrong("infisical.replicas", "two"), wrong("infisical.replicas", 1.5),
    wrong("infisical.readReplicas", "perhaps"), wrong("infisical.telemetry", "perhaps"),
    wrong("infisical.allowInternalIpConnections", 2), wrong("infisical.replaceEncryptionKey", "0" * 13),
    wrong("infisical.corsAllowedOrigins[0]", "https://a.example.org/"), wrong("infisical.corsAllowedOrigins[0]", "*"),
    wrong("infisical.corsAllowedOrigins", "https://a.example.org"), wrong("infisical.corsAllowedOrigins", {}),
    wrong("infisical.chart.flavour", "infisical-ha"), wrong("infisical.chart.version", "^1.0"),
    wrong("infisical.chart.repository", "ftp://a"), wrong("infisical.chart.digest", "0" * 64),
    wrong("infisical.pools.min", -1), wrong("infisical.pools.replicaMax", 1001), wrong("infisical.pools.max", "many"),
    wrong("cluster.context", ""), wrong("cluster.protect", "perhaps"), wrong("cluster.kubeconfig", []),
    wrong("database.version", "13"), wrong("database.version", 9.6), wrong("database.instances", 0),
    wrong("database.storage", "10g"), wrong("database.storage", 10), wrong("database.storageClass", "Fast"),
    wrong("database.cpuLimit", "2 cores"), wrong("database.cpuRequest", -1), wrong("database.memoryLimit", "512k"),
    wrong("database.memoryRequest", "0.5 Gi"), wrong("database.pooler.mode", "statement"),
    wrong("database.pooler.instances", 11), wrong("database.passwordRotation", 0),
    wrong("redis.instances", 1), wrong("redis.sentinels", 2), wrong("redis.quorum", 1), wrong("redis.image", "redis"),
    wrong("redis.sentinelImage", "a:latest"), wrong("redis.storage", "lots"), wrong("redis.storageClass", "a_b"),
    wrong("redis.cpuRequest", "fast"), wrong("redis.memoryLimit", "512"), wrong("redis.maxMemoryMib", 31),
    wrong("certificates.leafDuration", "90d"), wrong("certificates.authorityDuration", 87600),
    wrong("certificates.leafRenewBefore", "0h"), wrong("certificates.extraNames[0]", "*.example.org"),
    *(wrong("certificates.syncSchedule", value) for value in ("60 * * * *", "* * * *", "@daily", "*/0 * * * *")),
    wrong("ingress.issuer.kind", "vault"), wrong("ingress.issuer.email", "x"),
    wrong("ingress.issuer", "ca"), wrong("ingress.route.kind", "nodePort"), wrong("ingress.route", 7),
    *(wrong("mail.host", value) for value in ("https://smtp.example.org", "a b", "smtp.example.org:25", "", ".")),
    wrong("mail.port", 0), wrong("mail.port", 65536), wrong("mail.port", "smtp"), wrong("mail.fromAddress", "nobody"),
    wrong("mail.fromName", "a\nBcc: b"), wrong("mail.tls", "starttls"), wrong("mail.verify", "perhaps"),
    wrong("mail.fromName", " "), wrong("mail.username", "a\0b"), wrong("mail.username", "\u00a0"),
    wrong("mail.authority", _CERTIFICATE.replace("\n", " ")), wrong("mail.authority", _KEY),
    wrong("mail.authority", ""),
    wrong("signOn.github.clientId", ""), wrong("signOn.github.clientId", " "),
    wrong("signOn.saml.configured", "perhaps"),
    wrong("signOn.saml.defaultOrganization", "Acme Inc"), wrong("integrations.githubApp.id", 0),
    wrong("integrations.githubApp.slug", "\t"), wrong("integrations.githubApp.clientId", "  "),
    wrong("integrations.aws.accessKeyId", "akia0000000000000000"),
    wrong("jobs.pythonImage", "python:latest"), wrong("jobs.postgresImage", "postgres"),
    # variables
    *(wrong(f"extraEnvironment.{name}", "x") for name in ("smtp_host", "A-B", "1A", "É")),
    wrong("extraEnvironment.A", True), wrong("extraEnvironment.A", ["a"]),
    rule("extraSecrets.B", "extraEnvironment", {"extraSecrets.B": f"{SECRET}\0{SECRET}"}),
    *(rule(f"extraEnvironment.{name}", "extraSecrets", {f"extraEnvironment.{name}": value}) for name, value in (
        ("REDIS_URL", "redis://cache"), ("SMTP_HOST", "smtp.example.org"), ("HTTPS_ENABLED", "false"),
        ("DB_ROOT_CERT", "x"), ("SMTP_SECURE", "true"), ("MONGO_URL", "x"), ("PORT", "80"), ("JWT_AUTH_SECRET", "x"),
        ("DEFAULT_SAML_ORG_SLUG", "acme"), ("NEXT_PUBLIC_SAML_ORG_SLUG", "acme"), ("OTEL_EXPORT_TYPE", ""), ("Z", " "),
        ("OTEL_EXPORT_TYPE", "grafana"), ("DISABLE_SECRET_SCANNING", "True"), ("CORS_ALLOWED_HEADERS", "a,b"),
        ("OTEL_TELEMETRY_COLLECTION_ENABLED", "1"), ("SALT_ROUNDS", "ten"), ("A", "a\0b"), ("NODE_ENV", "prod"),
    )),
    *(rule(f"extraSecrets.{name}", "extraEnvironment", {f"extraSecrets.{name}": SECRET * 2}) for name in (
        "DB_CONNECTION_URI", "SMTP_PASSWORD", "REDIS_PASSWORD", "ENCRYPTION_KEY")),
    rule("extraEnvironment.A", "extraSecrets", {"extraEnvironment.A": "x", "extraSecrets.A": SECRET * 2}),
    # secrets
    *(wrong("encryptionKey", value) for value in ("0" * 31, "+" * 32, "0" * 44, "0" * 64, "0" * 32 + "\n", SECRET * 8)),
    *(wrong("rootEncryptionKey", value) for value in ("A" * 42, "A" * 43, "A" * 64, SECRET * 8)),
    *(wrong(key, value) for key in ("authSecret", "cookieSecret") for value in (SECRET * 7, f"{SECRET} " * 8)),
    *(wrong(key, value) for key in ("databasePassword", "redisPassword") for value in (
        "zQ9zQ9zQ9", f"{SECRET * 5}", "zQ9" * 43)),
    *(wrong(key, value) for key in ("smtpPassword", "githubLoginClientSecret", "githubAppClientSecret",
      "awsSecretAccessKey") for value in (f" {SECRET * 3}", f"{SECRET * 3}\n", f"{SECRET}é{SECRET}")),
    *(wrong("githubAppPrivateKey", value) for value in (_KEY.replace("\n", "\\n"), _KEY.replace("\n", ""),
      _CERTIFICATE, _KEY[:-20], SECRET * 9)),
    *(wrong("databaseReadReplicas[0].uri", uri) for uri in (
        f"mysql://u:{SECRET}{SECRET}@h/i", f"{_URI}?sslmode=require", f"postgresql://u:{SECRET}#{SECRET}@h/i",
        f"postgresql://u:{SECRET}/{SECRET}@h/i", f"postgresql://u:{SECRET}@{SECRET}@h/i", f"{_URI}\n",
        f"postgresql://u:{SECRET}%{SECRET}@h/i", f"postgresql://u:{SECRET}{SECRET}@h:pg/i",
        f"postgresql://u:{SECRET}{SECRET}@h:99999/i", f"postgresql://u:{SECRET}%FF{SECRET}@h/i",
        f"postgresql://u:{SECRET}{SECRET}@h", "", SECRET * 3,
    )),
    wrong("databaseReadReplicas[0].authority", _CERTIFICATE.replace("\n", "")),
    wrong("databaseReadReplicas[0].sslmode", SECRET * 2),
    *(plain_text(key, value) for key, value in (
        ("encryptionKey", "0f" * 16), ("smtpPassword", SECRET * 4), ("databasePassword", "zQ9" * 8),
        ("githubAppClientSecret", SECRET * 4), ("githubAppPrivateKey", _KEY), ("extraSecrets", {"B": SECRET * 4}),
        ("databaseReadReplicas", [{"uri": _URI, "authority": _CERTIFICATE}]))),
    *map(encrypted, ("database", "mail", "infisical", "ingress", "signOn", "integrations", "extraEnvironment",
                     "cluster")),
    # rules of one section
    rule("database.cpuRequest", "", {"database.cpuRequest": "3", "database.cpuLimit": "2500m"}),
    rule("database.memoryRequest", "", {"database.cpuRequest": "1", "database.cpuLimit": "1",
                                        "database.memoryRequest": "1.1Gi", "database.memoryLimit": "1Gi"}),
    rule("redis.sentinels", "", {"redis.sentinels": 4, "redis.quorum": 2}),
    rule("redis.quorum", "", {"redis.sentinels": 3, "redis.quorum": 5}),
    rule("redis.maxMemoryMib", "", {"redis.sentinels": 3, "redis.quorum": 2, "redis.memoryLimit": "100Mi",
                                    "redis.maxMemoryMib": 81}),
    rule("certificates.leafDuration", "", {"certificates.authorityDuration": "9h", "certificates.leafDuration": "9h"}),
    rule("certificates.leafRenewBefore", "", {"certificates.authorityDuration": "9h", "certificates.leafDuration": "8h",
                                              "certificates.leafRenewBefore": "8h"}),
    rule("infisical.chart.version", "", {"infisical.chart": {"flavour": "infisical", "version": "1.10.0"}}),
    rule("infisical.chart.version", "", {"infisical.chart": {"flavour": "infisical"}}),
    rule("infisical.pools.max", "", {"infisical.pools": {"min": 11}}),
    rule("infisical.pools.replicaMax", "", {"infisical.pools": {"replicaMin": 5, "replicaMax": 4}}),
    rule("infisical.pools.auditLogsMax", "", {"infisical.pools": {"auditLogsMax": 0}}),
    rule("infisical.image", "", {"infisical.image": "infisical/infisical:v0.136.1-postgres"}),
    rule("infisical.image", "", {"infisical.image": f"infisical/infisical:v0.150.9@sha256:{'0' * 64}"}),
    rule("mail.tls", "smtpPassword", {"mail": {"host": "h", "fromAddress": "a@b.org", "port": 465, "tls": "off"},
                                      "smtpPassword": None}),
    rule("mail.tls", "smtpPassword", {"mail": {"host": "h", "fromAddress": "a@b.org", "username": "u", "tls": "off"},
                                      "smtpPassword": SECRET * 3}),
    rule("mail.verify", "smtpPassword", {"mail": {"host": "h", "fromAddress": "a@b.org", "verify": False,
                                                  "authority": _CERTIFICATE}, "smtpPassword": None}),
    # rules over several
    rule("infisical.readReplicas", "database databaseReadReplicas", {
        "infisical.readReplicas": "cluster", "database.instances": 1, "databaseReadReplicas": None}),
    rule("infisical.readReplicas", "database databaseReadReplicas certificates", {
        "databaseReadReplicas[0].uri": _URI, "databaseReadReplicas[0].authority": _CERTIFICATE,
        "database.instances": 2, "infisical.readReplicas": "cluster"}),
    rule("databaseReadReplicas[0].authority", "certificates infisical", {
        "databaseReadReplicas[0].uri": f"postgresql://u:{SECRET}{SECRET}@nowhere/i",
        "databaseReadReplicas[0].authority": None}),
    rule("ingress.issuer.kind", "infisical", {"ingress": {"issuer": _ACME, "route": _GATEWAY},
                                              "infisical.siteUrl": "https://a.example.org"}),
    *(rule("ingress.issuer.kind", "infisical", {"ingress": {"issuer": _ACME}, "infisical.siteUrl": f"https://{host}"})
      for host in ("secrets", "secrets.corp.internal", "10.0.0.1")),
    rule("rootEncryptionKey", "encryptionKey", {"encryptionKey": "0f" * 16, "rootEncryptionKey": f"{'A' * 43}="}),
    rule("smtpPassword", "mail", {"mail.username": "u", "mail.tls": "required", "smtpPassword": None}),
    rule("mail.username", "smtpPassword", {"mail": None, "smtpPassword": SECRET * 3}),
    rule("githubLoginClientSecret", "signOn", {"signOn.github.clientId": "Iv1", "githubLoginClientSecret": None}),
    rule("signOn.github.clientId", "githubLoginClientSecret", {
        "githubLoginClientSecret": SECRET * 3, "signOn.github": None}),
    rule("githubAppPrivateKey", "integrations githubAppClientSecret", {
        "integrations.githubApp.slug": "acme", "githubAppPrivateKey": None}),
    rule("awsSecretAccessKey", "integrations", {"integrations.aws.accessKeyId": "A" * 20, "awsSecretAccessKey": None}),
    rule("integrations.aws.accessKeyId", "awsSecretAccessKey", {
        "awsSecretAccessKey": SECRET * 3, "integrations.aws": None}),
)  # fmt: skip


@st.composite
def broken_stacks(draw: st.DrawFn) -> tuple[Config, list[Fault]]:
    """A sound stack with up to four faults, all of which are to be named."""
    config = draw(stacks())
    faults: list[Fault] = []
    for fault in draw(st.lists(st.sampled_from(FAULTS), min_size=1, max_size=4)):
        if all(map(fault.agrees, faults)):
            faults.append(fault)
    for fault in faults:
        fault.do(config)
    return config, faults
