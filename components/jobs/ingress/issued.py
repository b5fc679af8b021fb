"""Waits until the site's certificate is issued, and says why it is not in the words of whoever refuses it.

cert-manager works in a chain: a Certificate makes a CertificateRequest, with ACME this makes an Order, and this a
Challenge for each name. Each knows what the one before does not say, so the last link that has a reason is quoted.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from conditions import condition
from job import Failed, Pending, Report, run, wait
from kube import Api, Object

CERT_MANAGER, ACME = "cert-manager.io", "acme.cert-manager.io"
OVER = frozenset({"invalid", "errored", "expired"})  # states in which ACME leaves an order and a challenge
PATH_REFUSED = "cannot be used with pathType"
PATH_ADVICE = "update ingress-nginx, or turn off cert-manager's feature gate ACMEHTTP01IngressPathTypeExact"
FIELD_MANAGER = "infisical-platform"


@dataclass(frozen=True)
class Config:
    """issuer: the stack's own one, none for a ClusterIssuer.

    challenge_seconds: how long an issuer, or a challenge by HTTP-01, may have the same trouble. A challenge by DNS-01
    takes what its DNS takes.
    """

    namespace: str
    certificate: str
    deadline_seconds: float
    challenge_seconds: float
    issuer: str | None = None


@dataclass(frozen=True)
class Attempt:
    """The chain of one attempt, as far as it is made."""

    certificate: Object
    request: Object | None
    orders: list[Object]
    challenges: list[Object]

    def cause(self) -> str:
        """Return the reason of the last link of the chain that has one."""
        for challenge in self.challenges:
            status: Object = challenge.get("status", {})
            if status.get("state") != "valid" and status.get("reason"):
                return said_of(challenge)
        name = self.certificate["metadata"]["name"]
        for order in self.orders:
            if reason := order.get("status", {}).get("reason"):
                return f"order of {name}: {reason}"
        if message := condition(self.request or {}, "Ready").get("message"):
            return f"request of {name}: {message}"
        said = (condition(self.certificate, kind).get("message") for kind in ("Issuing", "Ready"))
        return f"certificate {name}: {next(filter(None, said), 'cert-manager has not looked at it yet')}"


class Issuance:
    """Follows one Certificate. An attempt that failed before is begun anew, as `cmctl renew` does."""

    def __init__(self, config: Config, report: Report) -> None:
        self.config, self.report = config, report
        self.api = Api()
        self.looked = False
        self.troubled_since: float | None = None  # seconds since the start

    def check(self) -> str:
        """Return what was issued. Raise Pending while it may come, Failed once this attempt is lost."""
        certificate = self.api.get(self._path(CERT_MANAGER, "certificates", self.config.certificate))
        ready, issuing = (condition(certificate, kind) for kind in ("Ready", "Issuing"))
        # A change of the host or the issuer leaves the Ready of before for a moment.
        if ready.get("status") == "True" and is_current(ready, certificate):
            return f"ready: {self.config.certificate} is issued, until {certificate['status'].get('notAfter')}"
        first, self.looked = not self.looked, True
        if issuing.get("status") == "False" and certificate["status"].get("lastFailureTime"):
            if not is_current(issuing, certificate):
                raise Pending("cert-manager has yet to see the change of the certificate")
            if not first:
                raise Failed(self._attempt(certificate, lost=True).cause())
            self._begin_anew(certificate)  # by itself cert-manager waits for an hour, and for longer each time
            raise Pending("the last attempt failed, and a new one is begun")
        if self.config.issuer:
            self._accepted(self.config.issuer)
        attempt = self._attempt(certificate, lost=False)
        self._challenged(attempt)
        self.troubled_since = None
        raise Pending(attempt.cause())

    def _path(self, group: str, resource: str, name: str = "") -> str:
        path = f"/apis/{group}/v1/namespaces/{self.config.namespace}/{resource}"
        return f"{path}/{name}" if name else path

    def _begin_anew(self, certificate: Object) -> None:
        """Set the condition that starts an attempt. Raise Pending when somebody has changed the Certificate since."""
        issuing = {
            "type": "Issuing",
            "status": "True",
            "reason": "ManuallyTriggered",
            "message": "`pulumi up` begins anew after a failed attempt",
            "lastTransitionTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "observedGeneration": certificate["metadata"]["generation"],
        }
        others = [each for each in certificate["status"]["conditions"] if each["type"] != "Issuing"]
        change = {
            "metadata": {"resourceVersion": certificate["metadata"]["resourceVersion"]},
            "status": {"conditions": [*others, issuing]},
        }
        path = self._path(CERT_MANAGER, "certificates", f"{self.config.certificate}/status")
        self.api.merge_patch(path, change, field_manager=FIELD_MANAGER)

    def _accepted(self, name: str) -> None:
        """Pass when the stack's own issuer has its account."""
        issuer = self.api.get(self._path(CERT_MANAGER, "issuers", name))
        ready = condition(issuer, "Ready")
        if ready.get("status") != "True" or not is_current(ready, issuer):
            self._troubled(f"issuer {name}: {ready.get('message') or 'cert-manager has not looked at it yet'}")

    def _challenged(self, attempt: Attempt) -> None:
        """Pass when no challenge of the attempt that runs is in trouble."""
        for challenge in attempt.challenges:
            status: Object = challenge.get("status", {})
            if status.get("state") in OVER:
                raise Failed(said_of(challenge))
            if challenge["spec"]["type"] == "HTTP-01" and status.get("state") == "pending" and status.get("reason"):
                self._troubled(said_of(challenge))

    def _troubled(self, trouble: str) -> None:
        """Raise Pending with the trouble, and Failed when there has been one for too long."""
        if self.troubled_since is None:
            self.troubled_since = self.report.elapsed
        stands = self.report.elapsed - self.troubled_since >= self.config.challenge_seconds
        raise Failed(trouble) if stands else Pending(trouble)

    def _attempt(self, certificate: Object, *, lost: bool) -> Attempt:
        """Return the newest attempt, among those that failed or those that did not."""
        requests = [
            request
            for request in self._owned("certificaterequests", CERT_MANAGER, certificate)
            if ("failureTime" in request.get("status", {})) == lost
        ]
        newest = max(requests, key=lambda request: request["metadata"]["creationTimestamp"], default=None)
        orders = self._owned("orders", ACME, newest) if newest else []
        challenges = [challenge for order in orders for challenge in self._owned("challenges", ACME, order)]
        return Attempt(certificate, newest, orders, challenges)

    def _owned(self, resource: str, group: str, owner: Object) -> list[Object]:
        uid = owner["metadata"]["uid"]
        items = self.api.items(self._path(group, resource))
        return [item for item in items if any(o["uid"] == uid for o in item["metadata"].get("ownerReferences", []))]


def is_current(said: Object, found: Object) -> bool:
    """Return whether a condition is about what the object asks for now."""
    generation: int = found["metadata"]["generation"]
    return said.get("observedGeneration", generation) >= generation


def said_of(challenge: Object) -> str:
    """Return what stands in the way of a challenge, and the remedy where its words name one that is known."""
    spec, status = challenge["spec"], challenge["status"]
    advice = f"; {PATH_ADVICE}" if PATH_REFUSED in status.get("reason", "") else ""
    return f"{spec['type']} of {spec['dnsName']} is {status.get('state')}: {status.get('reason')}{advice}"


def main(config: Config, report: Report) -> str:
    """Wait for the certificate."""
    return wait(Issuance(config, report).check, report, deadline_seconds=config.deadline_seconds)


if __name__ == "__main__":
    run("ingress-issued", Config, main)
