"""Sound values of single keys, written down from the documentation. Each is made from a random number generator."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

Config = dict[str, Any]  # key to its content, as in the stack file without "project:"; secrets as they are decrypted
Make = Callable[[Random], Any]


def pem(label: str, body: bytes) -> str:
    """Lines of 64 characters."""
    text = base64.b64encode(body).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"]) + "\n"


def text_of(alphabet: str, low: int, high: int) -> Make:
    return lambda r: "".join(r.choices(alphabet, k=r.randint(low, high)))


def one_of(*values: Any) -> Make:
    """One of the values, or what one of the functions makes."""
    return lambda r: value(r) if callable(value := r.choice(values)) else copy.deepcopy(value)


def list_of(make: Make, low: int, high: int) -> Make:
    return lambda r: [make(r) for _ in range(r.randint(low, high))]


def keys_of(always: Mapping[str, Make], **now_and_then: Make) -> Make:
    def make(r: Random) -> Config:
        some = {key: make for key, make in now_and_then.items() if r.random() < 0.5}
        return {key: make(r) for key, make in {**always, **some}.items()}

    return make


def together(*sections: Make) -> Make:
    """One section of several parts, each of which is sound with all of the others."""
    return lambda r: {key: value for section in sections for key, value in section(r).items()}


PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
# Each secret begins as no text of a message does: finding one there means that it was repeated.
SECRET = "zQ9~"


def secretly(make: Make, end: str = "") -> Make:
    return lambda r: f"{SECRET}{make(r)}{end}"


secret_lines = one_of(secretly(text_of(PRINTABLE, 3, 30)), secretly(text_of(PRINTABLE + " ", 3, 20), "$"))
signing_keys = secretly(text_of(PRINTABLE, 28, 40))
encryption_keys = one_of(text_of("0123456789abcdef", 32, 32), text_of(PRINTABLE, 32, 32))


def passwords(r: Random) -> str:
    return "zQ9" + text_of("aZ09", 13, 125)(r)


def base64_keys(r: Random) -> str:
    return base64.b64encode(r.randbytes(32)).decode()


def _pems(r: Random, *labels: str, blocks: int = 1) -> str:
    text = "".join(pem(r.choice(labels), r.randbytes(r.randint(24, 120))) for _ in range(blocks))
    return text.replace("\n", r.choice(["\n", "\r\n"]))


def certificates(r: Random) -> str:
    return _pems(r, "CERTIFICATE", blocks=r.randint(1, 2))


def private_keys(r: Random) -> str:
    return _pems(r, "PRIVATE KEY", "RSA PRIVATE KEY")


def armours(kind: str) -> Make:
    def make(r: Random) -> str:
        begin, *lines, end = pem(f"PGP {kind} KEY BLOCK", r.randbytes(r.randint(24, 300))).splitlines()
        comment = r.choice([[], ["Comment: somebody's"]])
        return "\n".join([begin, *comment, "", *lines, r.choice(["=AbC1", lines[-1]]), end, ""])

    return make


labels = text_of("abcxyz", 1, 8)


def names(r: Random) -> str:
    return ".".join(f"{labels(r)}-{r.randint(0, 9)}" for _ in range(r.randint(1, 3)))


def public_hosts(r: Random) -> str:
    return f"{labels(r)}.example.org"


named_hosts = one_of("secrets.example.org", "Secrets.Example.ORG", "s", "10.0.0.1.b", "a-b.c.d", names, public_hosts)
hosts = one_of(named_hosts, "10.0.0.1")


def ports(r: Random) -> int:
    return r.choice([1, 25, 443, 8443, 65535, r.randint(1, 65535)])


def origins(r: Random) -> str:
    return f"{r.choice(['https', 'http'])}://{hosts(r)}{r.choice(['', f':{ports(r)}'])}"


def emails(r: Random) -> str:
    end = r.choice(["", ".b", ".c+d", "_e'f"])
    return f"{text_of('aZ0+-_', 1, 6)(r)}{end}@{labels(r)}.org"


def images(r: Random) -> str:
    version = r.choice([":1", ":v7.0.15", ":3.13-slim", f"@sha256:{'0' * 64}", f":v1@sha256:{'a1' * 32}"])
    registry, end = (
        r.choice(["", "quay.io/", "r.example.org:5000/a/"]),
        r.choice(["", "-b", "_c", "__d", "--e9", ".f/g"]),
    )
    return f"{registry}{text_of('abc', 1, 4)(r)}{end}{version}"


def infisical_images(r: Random) -> str:
    name = r.choice(["infisical/infisical:", "r.example.org:5000/infisical:"])
    return name + r.choice(["v0.151.0", "0.165.8", "v1.0.0", "v0.151.0-postgres", "nightly"])


def crons(r: Random) -> str:
    """Schedules that pause for less than the 30 days of leafRenewBefore."""
    minutes, hours = ("*", "*/15", "0", "1,31,59", "0-30/10"), ("*", "3", "0-23")
    fields = (minutes, hours, ("*", "1,16", "1-31/10"), ("*", "1-12"), ("*", "0-6"))
    return " ".join(map(r.choice, fields))


lines = one_of(text_of(PRINTABLE, 1, 20), "Infisical (prod)", "Caf\u00e9 \u2014 Z\u00fcrich", "a b", "0", "true")
booleans = one_of(True, False)
rotations = one_of(1, 2, 7)
_key_labels = text_of("0123456789abcdef", 32, 32)
escrow_notes = keys_of(
    {"date": one_of("2026-11-26"), "keyLabel": _key_labels},
    passphraseLabel=_key_labels,
    archive=one_of("0123abcd", "0123abcd-0123456789ab"),
)
