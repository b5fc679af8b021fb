"""Make the TLS contexts of every script here: chain, name and time are verified, alike under every Python."""

import ssl


def trusting(*, cafile: str | None = None, cadata: str | None = None) -> ssl.SSLContext:
    """Return a context that trusts these PEM authorities and no other; a name counts only in the SAN (RFC 6125)."""
    context = _verifying()
    context.load_verify_locations(cafile=cafile, cadata=cadata)
    return context


def trusting_public() -> ssl.SSLContext:
    """Return a context that trusts the authorities of the image, and is otherwise as that of `trusting`."""
    context = _verifying()
    context.load_default_certs()
    return context


def _verifying() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False
    # Strict is a default since Python 3.13. It refuses every chain whose authority lacks a key identifier, as those of
    # many API servers do (EKS among them), though neither chain nor name nor time needs one.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
