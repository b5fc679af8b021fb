"""Publishes the database's certificate authorities to Infisical, and rolls what holds an old certificate.

One round reads the Secrets, asks every endpoint for its certificate, and writes only when all of them verify against
what is going to be published. Published is the union of the authority's and the leaf's `ca.crt`: cert-manager does
not reissue a leaf when its authority changes, and a leaf's `ca.crt` stays the old one until then.
"""

import base64
import hashlib
import socket
import ssl
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from job import Failed, Pending, Report, run, wait
from kube import Api, NotFound, Object, path
from tls import trusting
from x509 import Certificate, certificate, certificates

T = TypeVar("T")

FIELD_MANAGER = "cert-sync"
CA_ANNOTATION = "infisical-platform/ca-sha256"
LEAF_ANNOTATION = "infisical-platform/leaf-sha256"
SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # PostgreSQL protocol, "SSL Session Encryption"
TIMEOUT_SECONDS = 5
X509_V_FLAG_NO_CHECK_TIME = 0x200000  # OpenSSL, x509_vfy.h
# Share of its lifetime at which a leaf still served after its renewal is an alarm: cert-manager renews at a third.
ALARMING_LIFE_LEFT = 0.1


@dataclass(frozen=True)
class Named:
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class SecretRef:
    namespace: str
    secret: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.secret}"


@dataclass(frozen=True)
class Target(SecretRef):
    key: str


@dataclass(frozen=True)
class Endpoint:
    host: str
    port: int
    role: Literal["primary", "pooler"]

    def __str__(self) -> str:
        return f"{self.role} {self.host}:{self.port}"


@dataclass(frozen=True)
class Config:
    """database: the postgresql custom resource; deployment: Infisical's; pooler_instances: pods behind the pooler."""

    authority: SecretRef
    leaf: SecretRef
    target: Target
    endpoints: tuple[Endpoint, ...]
    database: Named
    deployment: Named
    deadline_seconds: float
    pooler_instances: int = 2


@dataclass(frozen=True)
class Trust:
    """The authorities to publish, and the leaf which the servers ought to present."""

    authorities: tuple[Certificate, ...]
    leaf: Certificate

    def with_more(self, authorities: Iterable[Certificate]) -> "Trust":
        """Trusts these as well, unless they have expired."""
        return replace(self, authorities=_distinct([*self.authorities, *(a for a in authorities if not a.expired)]))

    @property
    def bundle(self) -> str:
        return "".join(authority.pem for authority in self.authorities)

    def context(self) -> ssl.SSLContext:
        """Trusts the authorities and nothing else; names count only in the SAN, as RFC 6125 has it."""
        return trusting(cadata=self.bundle)

    def lineage_context(self) -> ssl.SSLContext:
        """Accepts whatever these authorities ever issued, whatever its names and age: tells ours from foreign ones."""
        context = self.context()
        context.check_hostname = False
        context.verify_flags |= X509_V_FLAG_NO_CHECK_TIME
        return context


@dataclass(frozen=True)
class Observation:
    """What an endpoint presents: leaves which the authorities issued, foreign ones, and why handshakes were refused.

    Behind an endpoint may be several pods, and each connection may reach another one: a refusal belongs to one of
    the certificates, not known which.
    """

    endpoint: Endpoint
    ours: tuple[Certificate, ...]
    foreign: tuple[Certificate, ...] = ()
    refusals: tuple[str, ...] = ()
    verified: bool = True  # at least one handshake was

    def __str__(self) -> str:
        presented = " and ".join(map(str, self.ours + self.foreign))
        return f"{self.endpoint} presents {presented}: {', '.join(self.refusals)}"


class CertSync:
    """Rounds until one finds every endpoint verified; `done` collects what the rounds have written."""

    def __init__(self, config: Config, api: Api) -> None:
        self.config = config
        self.api = api
        self.done: list[str] = []
        self.published_at = ""

    def round(self) -> str:
        """Raises Pending while an endpoint may still change what it presents, Failed when it will not."""
        trust = self._trust()
        target = self.api.get(self._target)
        # After a new authority has issued a new leaf, servers present one of the old authority for a while: what is
        # published stays as long as it is needed, and goes with the first round which does without it.
        wider = trust.with_more(self._published(target))
        observations = self._observe_all(wider)
        if wider != trust and not any(seen.refusals for seen in self._observe_all(trust)):
            wider = trust
        refused = [observation for observation in observations if observation.refusals]
        refusals = "; ".join(map(str, refused))
        if any({*seen.ours, *seen.foreign} == {trust.leaf} and not seen.verified for seen in refused):
            raise Failed(refusals)  # what is served is what the Secret holds: waiting changes nothing
        # Issued by these authorities, yet not what the Secret holds: a leaf from before a renewal.
        earlier = [(seen.endpoint, leaf) for seen in observations for leaf in seen.ours if leaf != trust.leaf]
        # Also when that leaf is refused (expired, a name too few), as the roll is what mends it; but never while
        # anything presents a certificate of foreign origin.
        if any(endpoint.role == "pooler" for endpoint, _ in earlier) and not any(seen.foreign for seen in observations):
            self._roll_pooler(trust.leaf)
        if refused:
            raise Pending("; ".join([refusals, *self.done]))
        self._publish(wider, target)
        self._roll_infisical(wider)
        overdue = [f"{endpoint} presents {leaf}" for endpoint, leaf in earlier if leaf.life_left < ALARMING_LIFE_LEFT]
        if overdue and not self.done:
            raise Failed(f"the renewed certificate is not taken up, restart the pods: {'; '.join(overdue)}")
        written = self.done or ["nothing to do"]
        return "; ".join([*written, *(_explain(*each) for each in earlier)]) + f": {self._summary(wider)}"

    def _trust(self) -> Trust:
        authority, leaf = self._secret(self.config.authority), self._secret(self.config.leaf)
        found = _certificates(self.config.authority, authority, "ca.crt")
        if "ca.crt" in leaf:
            found += _certificates(self.config.leaf, leaf, "ca.crt")
        authorities = _distinct(item for item in found if not item.expired)
        if not authorities:
            raise Failed(f"every authority in Secret {self.config.authority} has expired: {', '.join(map(str, found))}")
        return Trust(authorities, _certificates(self.config.leaf, leaf, "tls.crt")[0])

    def _secret(self, reference: SecretRef) -> dict[str, str]:
        try:
            return self.api.get(path("secrets", reference.namespace, reference.secret)).get("data", {})
        except NotFound as missing:
            # cert-manager makes it, and makes it again when it is deleted.
            raise Pending(str(missing)) from missing

    def _observe_all(self, trust: Trust) -> list[Observation]:
        return [self._observe(endpoint, trust) for endpoint in self.config.endpoints]

    def _observe(self, endpoint: Endpoint, trust: Trust) -> Observation:
        """Verified handshakes, enough to reach every pod; when one is refused, as many which only look."""
        connections = range(2 * self.config.pooler_instances if endpoint.role == "pooler" else 1)
        verified: list[Certificate] = []
        refusals: list[str] = []
        for _ in connections:
            try:
                verified.append(_handshake(endpoint, trust.context()))
            except ssl.SSLCertVerificationError as refusal:
                refusals.append(refusal.verify_message)
        looks = [_look(endpoint, trust) for _ in connections] if refusals else []
        return Observation(
            endpoint,
            ours=_distinct(verified + [leaf for leaf, ours in looks if ours]),
            foreign=_distinct(leaf for leaf, ours in looks if not ours),
            refusals=_distinct(refusals),
            verified=bool(verified),
        )

    @property
    def _target(self) -> str:
        return path("secrets", self.config.target.namespace, self.config.target.secret)

    def _published(self, secret: Object) -> list[Certificate]:
        """The authorities published now; none when the value is anything else, as nothing can rely on it then."""
        try:
            value = base64.b64decode(secret.get("data", {}).get(self.config.target.key, ""))
            return certificates(base64.b64decode(value).decode())
        except ValueError:
            return []

    def _publish(self, trust: Trust, secret: Object) -> None:
        target = self.config.target
        # Infisical wants base64 in the variable; a Secret's data is base64 once more.
        wanted = _base64(_base64(trust.bundle))
        if secret.get("data", {}).get(target.key) != wanted:
            # With the resourceVersion a run which read older authorities cannot undo a newer one: it gets a conflict.
            change = {
                "metadata": {"resourceVersion": secret["metadata"]["resourceVersion"]},
                "data": {target.key: wanted},
            }
            secret = self.api.merge_patch(self._target, change, field_manager=FIELD_MANAGER)
            self.done.append(f"published {len(trust.authorities)} authorities as {target.key} of Secret {target}")
        self.published_at = _written_at(secret)

    def _roll_infisical(self, trust: Trust) -> None:
        """Restarts Infisical when it may run with authorities from before the last publication.

        Stateless, so that a run which was killed between the two writes is completed by the next one: either the
        annotation is of an earlier bundle, or there is none and the Deployment is older than the publication.
        """
        location = path("deployments", self.config.deployment.namespace, self.config.deployment.name)
        deployment = self.api.find(location)
        if deployment is None:
            return
        wanted = hashlib.sha256(trust.bundle.encode()).hexdigest()
        annotation = deployment["spec"]["template"]["metadata"].get("annotations", {}).get(CA_ANNOTATION)
        older = deployment["metadata"]["creationTimestamp"] < self.published_at
        if annotation == wanted or (annotation is None and not older):
            return
        change = {"spec": {"template": {"metadata": {"annotations": {CA_ANNOTATION: wanted}}}}}
        self.api.merge_patch(location, change, field_manager=FIELD_MANAGER)
        self.done.append(f"rolled Deployment {self.config.deployment}")

    def _roll_pooler(self, leaf: Certificate) -> None:
        """A changed spec.podAnnotations makes the operator roll the pooler's pods, and only those."""
        location = path("postgresqls", self.config.database.namespace, self.config.database.name)
        annotations = self.api.get(location)["spec"].get("podAnnotations", {})
        if annotations.get(LEAF_ANNOTATION) == leaf.fingerprint:
            return
        change = {"spec": {"podAnnotations": {LEAF_ANNOTATION: leaf.fingerprint}}}
        self.api.merge_patch(location, change, field_manager=FIELD_MANAGER)
        self.done.append(f"asked for a roll of the pooler of postgresql {self.config.database}")

    def _summary(self, trust: Trust) -> str:
        endpoints = ", ".join(map(str, self.config.endpoints))
        authorities = ", ".join(f"{item.subject} sha256 {item.fingerprint[:16]}" for item in trust.authorities)
        return f"{endpoints} verified by {self.config.target.key} = {authorities}"


def _explain(endpoint: Endpoint, leaf: Certificate) -> str:
    how = {
        "primary": "PostgreSQL's pod reloads it by itself within five minutes",
        "pooler": "the roll of its pods is under way",
    }[endpoint.role]
    return f"{endpoint} presents {leaf} from before the renewal: {how}"


def _look(endpoint: Endpoint, trust: Trust) -> tuple[Certificate, bool]:
    """The leaf presented, whatever it is, and whether these authorities issued it. For diagnosis only."""
    try:
        return _handshake(endpoint, trust.lineage_context()), True
    except ssl.SSLCertVerificationError:
        anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anything.check_hostname = False
        anything.verify_mode = ssl.CERT_NONE
        return _handshake(endpoint, anything), False


def _distinct(items: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))


def _handshake(endpoint: Endpoint, context: ssl.SSLContext) -> Certificate:
    """The leaf presented after PostgreSQL's SSLRequest. Raises SSLCertVerificationError, Pending for what may mend."""
    try:
        with socket.create_connection((endpoint.host, endpoint.port), TIMEOUT_SECONDS) as plain:
            plain.sendall(SSL_REQUEST)
            answer = plain.recv(1)
            if answer == b"N":
                raise Pending(f"{endpoint} does not offer TLS")
            if answer != b"S":
                raise Pending(f"{endpoint} answers {answer!r} to an SSLRequest")
            with context.wrap_socket(plain, server_hostname=endpoint.host) as encrypted:
                return certificate(encrypted.getpeercert(binary_form=True) or b"")
    except ssl.SSLCertVerificationError:
        raise
    except OSError as error:
        raise Pending(f"{endpoint}: {error}") from error


def _certificates(reference: SecretRef, data: dict[str, str], key: str) -> list[Certificate]:
    """The certificates of one key of a Secret, at least one."""
    try:
        found = certificates(base64.b64decode(data.get(key, "")).decode(errors="replace"))
    except ValueError as error:
        raise Failed(f"{key} of Secret {reference}: {error}") from error
    if not found:
        raise Pending(f"{key} of Secret {reference} holds no certificate")
    return found


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _written_at(secret: Object) -> str:
    """When this field manager last changed the Secret (RFC 3339, UTC), empty if it never did."""
    fields = secret["metadata"].get("managedFields", [])
    return max((entry.get("time", "") for entry in fields if entry["manager"] == FIELD_MANAGER), default="")


def main(config: Config, report: Report) -> str:
    return wait(CertSync(config, Api()).round, report, deadline_seconds=config.deadline_seconds, interval=1)


if __name__ == "__main__":
    run("cert-sync", Config, main)
