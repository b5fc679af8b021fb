"""Certificates for the tests: authorities and the leaves they issue."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)


def _name(common_name: str | None) -> x509.Name:
    return x509.Name([] if common_name is None else [x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alt_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        ).decode()

    @property
    def sha256(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def issue(
        self,
        *names: str,
        subject: str | None = "",
        age: timedelta = DAY,
        lasts: timedelta = 30 * DAY,
        key_identifiers: bool = True,
    ) -> "Pair":
        """A server certificate with these SANs, `age` old, expiring in `lasts` from now; None is an empty subject."""
        return _certificate(
            names[0] if subject == "" else subject, names, age, lasts, self, key_identifiers=key_identifiers
        )

    def sub_authority(self, common_name: str) -> "Pair":
        """An authority under this one."""
        return _certificate(common_name, (), DAY, 30 * DAY, self, ca=True)


def authority(
    common_name: str = "platform-db-ca", *, lasts: timedelta = 3650 * DAY, key_identifiers: bool = True
) -> Pair:
    """An authority; without key identifiers it is one as many clusters have (`openssl` before 3, EKS)."""
    return _certificate(common_name, (), DAY, lasts, None, ca=True, key_identifiers=key_identifiers)


def self_signed(*names: str) -> Pair:
    return _certificate(names[0], names, DAY, 30 * DAY, None)


def _certificate(
    subject: str | None,
    names: Sequence[str],
    age: timedelta,
    lasts: timedelta,
    issuer: Pair | None,
    *,
    ca: bool = False,
    key_identifiers: bool = True,
) -> Pair:
    now, key = datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer.certificate.subject if issuer else _name(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - age - DAY if lasts < timedelta() else now - age)
        .not_valid_after(now + lasts)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if key_identifiers:
        of_signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        builder = builder.add_extension(of_signer, critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(map(_alt_name, names)), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return Pair(builder.sign(signer, hashes.SHA256()), key)
