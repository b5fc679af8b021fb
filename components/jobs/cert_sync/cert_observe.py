"""Ask every pod of the database for its certificate, as PostgreSQL's clients do, and read what ought to be there."""

import socket
import ssl
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cert_decide import Observation, Pod, Refusal, Service, Trust, distinct, trusted
from job import Failed, Pending
from kube import Object
from tls import trusting
from x509 import Certificate, certificate, certificates

SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # PostgreSQL protocol, "SSL Session Encryption"
TIMEOUT_SECONDS = 5
# OpenSSL, x509_vfy.h
X509_V_FLAG_NO_CHECK_TIME = 0x200000
X509_V_ERR_CERT_NOT_YET_VALID = 9


@dataclass(frozen=True)
class MountedSecret:
    """A Secret of which the kubelet shows some keys as files, and brings them up to date within a minute or two."""

    secret: str
    folder: str

    def certificates(self, key: str) -> list[Certificate]:
        """Return those of one key, none when the key is not there."""
        try:
            return certificates(Path(self.folder, key).read_text(errors="replace"))
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise Failed(f"{key} of Secret {self.secret}: {error}") from error

    def required(self, key: str) -> list[Certificate]:
        """Return those of a key that must hold one. Raises Pending: cert-manager makes a Secret that was deleted."""
        found = self.certificates(key)
        if not found:
            raise Pending(f"Secret {self.secret} holds no certificate in {key}")
        return found


def read_trust(authority: MountedSecret, leaf: MountedSecret, now: datetime) -> Trust:
    """Return the authorities of both Secrets and the leaf. Raises Pending, and Failed when all have expired."""
    authorities = [*authority.required("ca.crt"), *leaf.certificates("ca.crt")]
    return trusted(authorities, leaf.required("tls.crt")[0], now)


def pods_behind(service: Service, endpoints: Object | None) -> list[Pod]:
    """Return every pod that the Service sends clients to now. Raises Pending without one; replicas may be absent."""
    found = list(_pods(service, endpoints or {}))
    if not found and service.role != "replica":
        raise Pending(f"no pod is ready behind the {service.role}'s Service {service.name}")
    return found


def _pods(service: Service, endpoints: Object) -> Iterator[Pod]:
    subsets: list[Object] = endpoints.get("subsets") or []
    for subset in subsets:
        ready: list[Object] = subset.get("addresses") or []
        for address in ready:
            name: str = address.get("targetRef", {}).get("name", service.name)
            yield Pod(service, name, address["ip"], subset["ports"][0]["port"])


def observe(pod: Pod, trust: Trust, published: Sequence[Certificate]) -> Observation:
    """Return what a pod presents. Raises Pending while it presents nothing."""
    everything = distinct([*trust.authorities, *published])
    try:
        return Observation(pod, _handshake(pod, _context(trust.authorities)))
    except ssl.SSLCertVerificationError:
        try:
            return Observation(pod, _handshake(pod, _context(everything)), needs_published=True)
        except ssl.SSLCertVerificationError as error:
            refusal = Refusal(error.verify_message, error.verify_code == X509_V_ERR_CERT_NOT_YET_VALID)
    leaf, ours = _look(pod, everything)
    if leaf == trust.leaf:
        # Perhaps taken up just now, between the two connections: the refusal was of another one then.
        try:
            return Observation(pod, _handshake(pod, _context(trust.authorities)))
        except ssl.SSLCertVerificationError as error:
            refusal = Refusal(error.verify_message, error.verify_code == X509_V_ERR_CERT_NOT_YET_VALID)
    return Observation(pod, leaf, refusal, ours)


def _look(pod: Pod, authorities: Iterable[Certificate]) -> tuple[Certificate, bool]:
    """Return the leaf whatever it is, and whether these authorities ever issued it. For diagnosis only."""
    lineage = _context(authorities)
    lineage.check_hostname = False
    lineage.verify_flags |= X509_V_FLAG_NO_CHECK_TIME
    try:
        return _handshake(pod, lineage), True
    except ssl.SSLCertVerificationError:
        anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anything.check_hostname = False
        anything.verify_mode = ssl.CERT_NONE
        return _handshake(pod, anything), False


def _context(authorities: Iterable[Certificate]) -> ssl.SSLContext:
    return trusting(cadata="".join(authority.pem for authority in authorities))


def _handshake(pod: Pod, context: ssl.SSLContext) -> Certificate:
    """Return the leaf presented after an SSLRequest. Raises SSLCertVerificationError, Pending for what may mend."""
    try:
        with socket.create_connection((pod.address, pod.port), TIMEOUT_SECONDS) as plain:
            plain.sendall(SSL_REQUEST)
            answer = plain.recv(1)
            if answer == b"N":
                raise Pending(f"{pod} does not offer TLS")
            if answer != b"S":
                raise Pending(f"{pod} answers {answer!r} to an SSLRequest")
            with context.wrap_socket(plain, server_hostname=pod.service.host) as encrypted:
                return certificate(encrypted.getpeercert(binary_form=True) or b"")
    except ssl.SSLCertVerificationError:
        raise
    except OSError as error:
        raise Pending(f"{pod}: {error}") from error
