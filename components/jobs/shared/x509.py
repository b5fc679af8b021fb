"""Just enough of X.509 to name a certificate in a message and to drop an expired one.

Whether to trust a certificate is decided by OpenSSL in the handshake, never here. RFC 5280, section 4.1.
"""

import hashlib
import ipaddress
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
ATTRIBUTES = {b"\x55\x04\x03": "CN", b"\x55\x04\x06": "C", b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU"}
EMPTY = "(empty)"
SUBJECT_ALT_NAME = b"\x55\x1d\x11"
SEQUENCE, SET, OID, BOOLEAN, OCTETS, UTC_TIME = 0x30, 0x31, 0x06, 0x01, 0x04, 0x17
VERSION, EXTENSIONS, DNS_NAME, IP_ADDRESS = 0xA0, 0xA3, 0x82, 0x87


@dataclass(frozen=True)
class Certificate:
    """A certificate in DER, and what a message says of it."""

    der: bytes
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the DER in hexadecimal."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def pem(self) -> str:
        """Return the certificate as PEM."""
        return ssl.DER_cert_to_PEM_cert(self.der)

    def expired(self, now: datetime) -> bool:
        """Return whether its time is over."""
        return now >= self.not_after

    def life_left(self, now: datetime) -> float:
        """Return the share of the lifetime that is left; negative once expired."""
        return (self.not_after - now) / (self.not_after - self.not_before)

    def __str__(self) -> str:
        # The common name is out of use: what cert-manager issues has an empty subject.
        subject = self.names[0] if self.subject == EMPTY and self.names else self.subject
        return (
            f"{subject} (issuer {self.issuer}, {len(self.names)} names, sha256 {self.fingerprint}, "
            f"valid from {self.not_before:%Y-%m-%d %H:%M:%S} until {self.not_after:%Y-%m-%d %H:%M:%S} UTC)"
        )


def certificates(pem: str) -> list[Certificate]:
    """All certificates of a PEM text, in its order. Raises ValueError for one which cannot be read."""
    return [certificate(ssl.PEM_cert_to_DER_cert(block)) for block in PEM.findall(pem)]


def certificate(der: bytes) -> Certificate:
    """Raises ValueError when `der` is not a certificate."""
    try:
        tbs = list(_elements(next(_elements(next(_elements(der))[1]))[1]))
        if tbs[0][0] == VERSION:
            del tbs[0]
        _serial, _algorithm, issuer, validity, subject, _key, *rest = tbs
        not_before, not_after = (_time(*element) for element in _elements(validity[1]))
        names = tuple(_alt_names(rest))
        return Certificate(der, _name(subject[1]), _name(issuer[1]), not_before, not_after, names)
    except (IndexError, StopIteration, UnicodeDecodeError) as error:
        raise ValueError("not an X.509 certificate") from error


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The DER elements in `data`, one after the other: tag and content."""
    while data:
        tag, length, start = data[0], data[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start])
        if len(data) < start + length:
            raise IndexError
        yield tag, data[start : start + length]
        data = data[start + length :]


def _name(data: bytes) -> str:
    parts: list[str] = []
    for _, relative in _elements(data):
        for _, attribute in _elements(relative):
            (_, oid), (_, value) = _elements(attribute)
            parts.append(f"{ATTRIBUTES.get(oid, oid.hex())}={value.decode(errors='replace')}")
    return ",".join(parts) or EMPTY


def _time(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii")
    if tag == UTC_TIME:
        text = ("19" if text >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _alt_names(rest: list[tuple[int, bytes]]) -> Iterator[str]:
    for tag, content in rest:
        if tag != EXTENSIONS:
            continue
        for _, extension in _elements(next(_elements(content))[1]):
            (_, oid), *_critical, (_, value) = _elements(extension)
            if oid == SUBJECT_ALT_NAME:
                for kind, name in _elements(next(_elements(value))[1]):
                    if kind == DNS_NAME:
                        yield name.decode("ascii")
                    elif kind == IP_ADDRESS:
                        yield str(ipaddress.ip_address(name))
