"""The site's certificate is awaited along cert-manager's chain, and the last line is the reason of its last link."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from job_cluster import Cluster
from job_engines import eventually

from embedded.instance import cache_folder
from embedded.programs import Programs

CERT_MANAGER, ACME = "/apis/cert-manager.io/v1", "/apis/acme.cert-manager.io/v1"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
HOST = "secrets.example.org"
NXDOMAIN = "DNS problem: NXDOMAIN looking up A for secrets.example.org"
SELF_CHECK = "Waiting for HTTP-01 challenge propagation: wrong status code '404', expected '200'"
RULES = [
    ("cert-manager.io", "certificates", ["get"], ["infisical-tls"]),
    ("cert-manager.io", "certificates/status", ["patch"], ["infisical-tls"]),
    ("cert-manager.io", "issuers", ["get"], ["infisical-letsencrypt"]),
    ("cert-manager.io", "certificaterequests", ["list"], []),
    ("acme.cert-manager.io", "orders", ["list"], []),
    ("acme.cert-manager.io", "challenges", ["list"], []),
]


@pytest.fixture(scope="module")
def kinds(cluster: Cluster) -> Iterator[Cluster]:
    """Lend the cluster cert-manager's kinds, which tests of others must not find. The tests play cert-manager."""
    folder: Path = Programs(cache_folder()).path("cert-manager-crds")
    definitions = [crd for path in sorted(folder.glob("*.yaml")) for crd in yaml.safe_load_all(path.read_text())]
    for crd in definitions:
        cluster.create(DEFINITIONS, crd)

    def served() -> bool:
        try:
            return all(
                "items" in cluster.call("GET", f"{group}/namespaces/default/{kind}")
                for group, kind in ((CERT_MANAGER, "certificates"), (CERT_MANAGER, "issuers"), (ACME, "challenges"))
            )
        except (AssertionError, OSError, ValueError):
            return False

    eventually(served, "cert-manager's kinds are served")
    yield cluster
    for crd in definitions:
        cluster.call("DELETE", f"{DEFINITIONS}/{crd['metadata']['name']}")
    eventually(lambda: not _groups(cluster), "cert-manager's kinds are gone")


def _groups(cluster: Cluster) -> list[str]:
    groups = cluster.call("GET", "/apis")["groups"]
    return [group["name"] for group in groups if group["name"].endswith("cert-manager.io")]


class Chain:
    """A Certificate and what cert-manager makes of it, link by link."""

    def __init__(self, cluster: Cluster, start: Callable[..., Any]) -> None:
        self.cluster, self._start = cluster, start
        self.namespace = cluster.namespace("issued")
        cluster.grant(self.namespace, RULES)
        spec = {"secretName": "infisical-tls", "dnsNames": [HOST], "issuerRef": {"kind": "Issuer", "name": "ca"}}
        self.certificate = self.make(CERT_MANAGER, "certificates", "infisical-tls", spec)

    def asks_another_issuer(self) -> None:
        path = f"{CERT_MANAGER}/namespaces/{self.namespace}/certificates/infisical-tls"
        self.cluster.call("PATCH", path, {"spec": {"issuerRef": {"name": "other"}}})

    def make(self, group: str, resource: str, name: str, spec: object, owner: Any = None) -> dict[str, Any]:
        kind = {"certificates": "Certificate", "certificaterequests": "CertificateRequest", "issuers": "Issuer"}
        metadata: dict[str, Any] = {"name": name}
        if owner:
            reference = {"apiVersion": "v1", "kind": "Owner", "name": "owner", "uid": owner["metadata"]["uid"]}
            metadata["ownerReferences"] = [reference]
        api_version = group.removeprefix("/apis/")
        body = {
            "apiVersion": api_version,
            "kind": kind.get(resource, resource.removesuffix("s").title()),
            "metadata": metadata,
            "spec": spec,
        }
        return self.cluster.create(f"{group}/namespaces/{self.namespace}/{resource}", body)

    def say(self, group: str, resource: str, name: str, status: object) -> dict[str, Any]:
        path = f"{group}/namespaces/{self.namespace}/{resource}/{name}/status"
        return self.cluster.call("PATCH", path, {"status": status})

    def conditions(self, *conditions: tuple[str, str, str], generation: int = 1, failed: bool = False) -> None:
        status: dict[str, Any] = {"notAfter": "2027-02-01T00:00:00Z"}
        status["conditions"] = [
            {"type": kind, "status": value, "reason": "Tested", "message": said, "observedGeneration": generation}
            for kind, value, said in conditions
        ]
        status["lastFailureTime"] = "2026-11-01T00:00:00Z" if failed else None
        self.say(CERT_MANAGER, "certificates", "infisical-tls", status)

    def request(self, said: str, failed: bool = False) -> dict[str, Any]:
        name = "lost" if failed else "runs"
        request = self.make(
            CERT_MANAGER,
            "certificaterequests",
            name,
            {"request": "AAAA", "issuerRef": {"name": "ca"}},
            self.certificate,
        )
        condition = {"type": "Ready", "status": "False", "reason": "Tested", "message": said}
        status: dict[str, Any] = {"conditions": [condition]}
        self.say(
            CERT_MANAGER,
            "certificaterequests",
            name,
            status | ({"failureTime": "2026-11-01T00:00:00Z"} if failed else {}),
        )
        return request

    def order(self, request: dict[str, Any], state: str, reason: str = "") -> dict[str, Any]:
        name = f"order-{request['metadata']['name']}"
        order = self.make(ACME, "orders", name, {"request": "AAAA", "issuerRef": {"name": "ca"}}, request)
        self.say(ACME, "orders", name, {"state": state, "reason": reason})
        return order

    def challenge(self, order: dict[str, Any], state: str, reason: str, kind: str = "HTTP-01") -> str:
        name = f"challenge-{order['metadata']['name']}"
        spec = {
            "authorizationURL": "https://acme.example.org/a",
            "url": "https://acme.example.org/c",
            "dnsName": HOST,
            "issuerRef": {"name": "ca"},
            "key": "k",
            "token": "t",
            "type": kind,
            "solver": {},
        }
        self.make(ACME, "challenges", name, spec, order)
        self.say(ACME, "challenges", name, {"state": state, "reason": reason})
        return name

    def wait(self, **changed: Any) -> Any:
        config = {
            "namespace": self.namespace,
            "certificate": "infisical-tls",
            "issuer": None,
            "deadline_seconds": 20,
            "challenge_seconds": 20,
        }
        return self._start("issued.py", config | changed, **self.cluster.environment)

    def fails(self, why: str, **changed: Any) -> None:
        outcome = self.wait(**changed).outcome()
        assert outcome.status == 1, outcome.output
        assert outcome.last_line.endswith(f"s: {why}"), outcome.last_line


@pytest.fixture
def chain(kinds: Cluster, start_job: Callable[..., Any]) -> Chain:
    return Chain(kinds, start_job)


def test_an_issued_certificate_is_told_with_its_end(chain: Chain) -> None:
    chain.conditions(("Ready", "True", ""))
    outcome = chain.wait().outcome()
    assert (outcome.status, outcome.last_line) == (
        0,
        "ingress-issued: ready: infisical-tls is issued, until 2027-02-01T00:00:00Z",
    )


def test_ready_of_before_a_change_does_not_count(chain: Chain) -> None:
    """From staging to production, for example: the certificate is Ready, and another issuer's."""
    chain.conditions(("Ready", "True", ""))
    chain.asks_another_issuer()
    job = chain.wait()
    job.sees("certificate infisical-tls")
    chain.conditions(("Ready", "True", ""), generation=2)
    assert job.outcome().status == 0


def test_a_refused_challenge_ends_it_in_the_authoritys_words(chain: Chain) -> None:
    chain.conditions(("Issuing", "True", "Issuing certificate as Secret does not exist"))
    order = chain.order(chain.request("Waiting on certificate issuance"), "pending")
    chain.challenge(order, "invalid", f"Error accepting authorization: {NXDOMAIN}")
    chain.fails(f"HTTP-01 of {HOST} is invalid: Error accepting authorization: {NXDOMAIN}")


def test_a_challenge_that_nobody_answers_ends_it_after_its_patience(chain: Chain) -> None:
    chain.conditions(("Issuing", "True", "Issuing"))
    chain.challenge(chain.order(chain.request("Waiting"), "pending"), "pending", SELF_CHECK)
    chain.fails(f"HTTP-01 of {HOST} is pending: {SELF_CHECK}", challenge_seconds=1)


def test_a_challenge_that_is_answered_in_time_is_forgotten(chain: Chain) -> None:
    chain.conditions(("Issuing", "True", "Issuing"))
    name = chain.challenge(chain.order(chain.request("Waiting"), "pending"), "pending", SELF_CHECK)
    job = chain.wait(challenge_seconds=15)
    job.sees(SELF_CHECK)
    chain.say(ACME, "challenges", name, {"state": "valid", "reason": "Successfully authorized domain"})
    job.sees("request of infisical-tls: Waiting")
    chain.conditions(("Ready", "True", ""))
    assert job.outcome().status == 0


def test_dns_has_the_time_of_the_whole(chain: Chain) -> None:
    chain.conditions(("Issuing", "True", "Issuing"))
    said = 'Waiting for DNS-01 challenge propagation: DNS record for "secrets.example.org" not yet propagated'
    chain.challenge(chain.order(chain.request("Waiting"), "pending"), "pending", said, kind="DNS-01")
    job = chain.wait(challenge_seconds=0, deadline_seconds=3)
    outcome = job.outcome()
    assert outcome.status == 1
    assert re.search(r"FAILED after ([3-9]|\d\d) s", outcome.last_line)
    assert outcome.last_line.endswith(f"DNS-01 of {HOST} is pending: {said}")


def test_a_path_that_ingress_nginx_refuses_is_told_with_the_remedy(chain: Chain) -> None:
    chain.conditions(("Issuing", "True", "Issuing"))
    said = "ingress contains invalid paths: path /.well-known/acme-challenge/x cannot be used with pathType Exact"
    chain.challenge(chain.order(chain.request("Waiting"), "pending"), "pending", said)
    outcome = chain.wait(challenge_seconds=0).outcome()
    assert outcome.last_line.endswith(
        f"{said}; update ingress-nginx, or turn off cert-manager's feature gate ACMEHTTP01IngressPathTypeExact"
    )


def test_the_orders_reason_counts_where_no_challenge_was_made(chain: Chain) -> None:
    """A rate limit of Let's Encrypt, for example."""
    chain.conditions(("Issuing", "True", "Issuing"))
    job = chain.wait()
    job.sees("Issuing")
    said = "Failed to create Order: 429 urn:ietf:params:acme:error:rateLimited: too many certificates"
    chain.order(chain.request("The request has failed", failed=True), "errored", said)
    chain.conditions(("Issuing", "False", "The request has failed"), failed=True)
    outcome = job.outcome()
    assert outcome.status == 1
    assert outcome.last_line.endswith(f"order of infisical-tls: {said}")


def test_what_failed_before_is_begun_anew_once(chain: Chain) -> None:
    """By itself cert-manager would wait for an hour. Challenges of the lost attempt say nothing about the new one."""
    chain.challenge(chain.order(chain.request("failed", failed=True), "invalid"), "invalid", NXDOMAIN)
    others = ("Ready", "False", "Issuing certificate as Secret does not exist")
    chain.conditions(others, ("Issuing", "False", "The certificate request has failed"), failed=True)
    job = chain.wait()
    job.sees("the last attempt failed, and a new one is begun")
    path = f"{CERT_MANAGER}/namespaces/{chain.namespace}/certificates/infisical-tls"
    found = {each["type"]: each for each in chain.cluster.call("GET", path)["status"]["conditions"]}
    assert found["Issuing"]["status"] == "True"
    assert found["Issuing"]["reason"] == "ManuallyTriggered"
    assert found["Ready"]["message"] == others[2]
    chain.conditions(others, ("Issuing", "False", "The certificate request has failed"), failed=True)
    outcome = job.outcome()
    assert outcome.status == 1
    assert outcome.last_line.endswith(f"HTTP-01 of {HOST} is invalid: {NXDOMAIN}")


def test_a_failure_of_before_the_change_is_not_this_attempts(chain: Chain) -> None:
    chain.conditions(("Issuing", "False", "The certificate request has failed"), failed=True)
    chain.asks_another_issuer()
    job = chain.wait()
    job.sees("cert-manager has yet to see the change")
    chain.conditions(("Ready", "True", ""), generation=2)
    assert job.outcome().status == 0


def test_a_renewal_that_failed_leaves_a_valid_certificate_alone(chain: Chain) -> None:
    chain.conditions(("Ready", "True", ""), ("Issuing", "False", "The certificate request has failed"), failed=True)
    assert chain.wait().outcome().status == 0


def test_an_account_that_is_refused_is_told(chain: Chain) -> None:
    spec = {"acme": {"server": "https://acme.example.org", "privateKeySecretRef": {"name": "a"}, "solvers": []}}
    chain.make(CERT_MANAGER, "issuers", "infisical-letsencrypt", spec)
    said = "Failed to register ACME account: 400 urn:ietf:params:acme:error:invalidContact: no valid MX records"
    condition = {"type": "Ready", "status": "False", "reason": "ErrRegisterACMEAccount", "message": said}
    chain.say(CERT_MANAGER, "issuers", "infisical-letsencrypt", {"conditions": [condition]})
    chain.fails(f"issuer infisical-letsencrypt: {said}", issuer="infisical-letsencrypt", challenge_seconds=1)


def test_a_cert_manager_that_is_away_is_told_at_the_deadline(chain: Chain) -> None:
    why = "certificate infisical-tls: cert-manager has not looked at it yet"
    chain.fails(why, deadline_seconds=1)
