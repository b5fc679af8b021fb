"""The site's certificate: who waits for it, and what may be read to say why it does not come."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.harness import Graph
from tests.unit.test_ingress import GATEWAY, asks, entrance

LETS_ENCRYPT = {"kind": "letsEncrypt", "email": "ops@example.org"}


def rules(graph: Graph) -> dict[str, tuple[list[str], list[str]]]:
    """Return verbs and names for each resource that the Job may ask for."""
    found = graph["Role/ingress-issued"]["rules"]
    return {
        f"{rule['resources'][0]}.{rule['apiGroups'][0]}": (rule["verbs"], rule.get("resourceNames", []))
        for rule in found
    }


@pytest.mark.parametrize(
    ("issuer", "own"),
    [
        ({"kind": "existing", "name": "ca"}, None),
        (LETS_ENCRYPT, "infisical-letsencrypt"),
        (LETS_ENCRYPT | {"staging": True}, "infisical-letsencrypt-staging"),
    ],
)
def test_a_job_follows_the_chain_from_certificate_to_challenge(issuer: dict[str, Any], own: str | None) -> None:
    graph = entrance(issuer=issuer)
    assert asks(graph, "ingress-issued") == {
        "namespace": "infisical",
        "certificate": "infisical-tls",
        "issuer": own,
        "deadline_seconds": 600,
        "challenge_seconds": 60,
    }
    assert rules(graph) == {
        "certificates.cert-manager.io": (["get"], ["infisical-tls"]),
        "certificates/status.cert-manager.io": (["patch"], ["infisical-tls"]),
        "certificaterequests.cert-manager.io": (["list"], []),
        "orders.acme.cert-manager.io": (["list"], []),
        "challenges.acme.cert-manager.io": (["list"], []),
    } | ({"issuers.cert-manager.io": (["get"], [own])} if own else {})


def test_patience_is_a_setting() -> None:
    graph = entrance(issuer=LETS_ENCRYPT | {"deadlineMinutes": 30, "challengeMinutes": 12})
    config = asks(graph, "ingress-issued")
    assert (config["deadline_seconds"], config["challenge_seconds"]) == (1800, 720)


def test_what_changes_the_certificate_has_it_awaited_again() -> None:
    changes: list[dict[str, Any]] = [{}, {"issuer": LETS_ENCRYPT}, {"issuer": LETS_ENCRYPT | {"staging": True}}]
    asked = [entrance(**each)["Job/ingress-issued"]["spec", "template", "metadata", "annotations"] for each in changes]
    assert len({str(each) for each in asked}) == len(asked)


def test_the_gateway_answers_lets_encrypt_on_its_listener_of_plain_http() -> None:
    graph = entrance(issuer=LETS_ENCRYPT, route=GATEWAY | {"redirectListener": "web"})
    [solver] = graph["ingress-issuer"]["spec", "acme", "solvers"]
    parent = {"kind": "Gateway", "name": "public", "namespace": "edge", "sectionName": "web"}
    assert solver == {"http01": {"gatewayHTTPRoute": {"parentRefs": [parent]}}}


@pytest.mark.parametrize("names", [["*.example.org"], ["example.org", "*.example.org"]])
def test_the_certificate_may_have_other_names_that_cover_the_host(names: list[str]) -> None:
    graph = entrance(issuer={"kind": "existing", "name": "dns", "names": names})
    assert graph["ingress-certificate"]["spec", "dnsNames"] == names


def test_the_answer_to_lets_encrypt_is_at_ciliums_shared_balancer_as_the_site_is() -> None:
    mode = {"ingress.cilium.io/loadbalancer-mode": "shared"}
    graph = entrance(issuer=LETS_ENCRYPT, route={"kind": "ingress", "className": "cilium", "annotations": mode})
    [solver] = graph["ingress-issuer"]["spec", "acme", "solvers"]
    template = {"metadata": {"annotations": mode}}
    assert solver == {"http01": {"ingress": {"ingressClassName": "cilium", "ingressTemplate": template}}}
