"""The certificate reader, against certificates made by another implementation."""

import ssl
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from job_pki import DAY, authority, self_signed
from x509 import certificate, certificates


def now() -> datetime:
    return datetime.now(UTC)


def test_leaf() -> None:
    ca = authority("platform-db-ca")
    pair = ca.issue("a.svc", "*.b.svc", "127.0.0.1", "::1", age=9 * DAY, lasts=DAY)
    (read,) = certificates(f"comment\n{pair.pem}")
    theirs = pair.certificate
    assert (read.subject, read.issuer) == ("CN=a.svc", "CN=platform-db-ca")
    assert read.names == ("a.svc", "*.b.svc", "127.0.0.1", "::1")
    assert (read.not_before, read.not_after) == (theirs.not_valid_before_utc, theirs.not_valid_after_utc)
    assert read.fingerprint == pair.sha256
    assert read.pem == pair.pem
    assert not read.expired(now())
    assert read.life_left(now()) == pytest.approx(0.1, abs=0.001)


def test_far_future_and_the_past() -> None:
    assert certificates(authority("far", lasts=9000 * 4 * DAY).pem)[0].not_after.year > 2050  # GeneralizedTime
    expired = certificates(self_signed("x").issue("y", lasts=-DAY).pem)[0]
    assert expired.expired(now())
    assert expired.life_left(now()) < 0


def test_bundle_keeps_its_order() -> None:
    pairs = [authority(name) for name in ("one", "two")]
    bundle = "".join(pair.pem.replace("\n", "\r\n") for pair in pairs)
    assert [item.subject for item in certificates(bundle)] == ["CN=one", "CN=two"]
    assert certificates("nothing here") == []


def test_message() -> None:
    pair = authority("ca").issue("a", "b")
    text = str(certificates(pair.pem)[0])
    since = f"{pair.certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S}"
    until = f"{pair.certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S}"
    assert text == f"CN=a (issuer CN=ca, 2 names, sha256 {pair.sha256}, valid from {since} until {until} UTC)"


def test_message_of_a_certificate_without_a_subject() -> None:
    """As cert-manager issues them: the names say whose it is."""
    assert str(certificates(authority("ca").issue("a", "b", subject=None).pem)[0]).startswith(
        "a (issuer CN=ca, 2 names"
    )


@given(st.integers(min_value=0, max_value=600))
def test_truncated_certificate(length: int) -> None:
    der = CERTIFICATE[: min(length, len(CERTIFICATE) - 1)]
    with pytest.raises(ValueError, match=r"not an X\.509 certificate"):
        certificate(der)


@given(st.binary(max_size=200))
def test_noise(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not an X\.509 certificate"):
        certificate(data)


def test_noise_in_pem() -> None:
    with pytest.raises(ValueError, match=r"not an X\.509 certificate"):
        certificates(ssl.DER_cert_to_PEM_cert(b"\x30\x03\x02\x01\x05"))


CERTIFICATE = authority("ca").issue("a.svc").certificate.public_bytes(Encoding.DER)
