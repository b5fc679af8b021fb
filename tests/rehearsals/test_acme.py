"""Certificates by ACME against Pebble: wrong DNS, a refused name, from one directory to another, behind a Gateway."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from embedded.cluster import Cluster
from embedded.instance import Instance
from embedded.programs import Programs
from embedded.stack import Stack
from tests.e2e.steps import configure, fails
from tests.e2e.views import HOST, Kubectl, Site
from tests.rehearsals import pebble
from tests.rehearsals.pebble import Acme

GATEWAY = {"kind": "gateway", "name": "public", "namespace": "ingress", "listener": "https"}
NOBODY = "10.88.255.254"  # of the pods' range, and no pod's


@pytest.fixture
def acme(
    instance: Instance, cluster: Cluster, programs: Programs, kubectl: Kubectl, stack: Stack, tmp_path: Path
) -> Iterator[Acme]:
    """Start the servers beside a platform that is up."""
    assert cluster
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    plain = {"name": pebble.PLAIN_LISTENER, "port": 80, "protocol": "HTTP"}
    patch = [
        {"op": "add", "path": "/spec/listeners/-", "value": plain | {"allowedRoutes": {"namespaces": {"from": "All"}}}}
    ]
    kubectl("patch", "gateway", "public", "-n", "ingress", "--type=json", "-p", json.dumps(patch))
    with pebble.running(instance, programs, kubectl, tmp_path) as acme:
        yield acme
        configure(stack)
        stack.run("up", "--yes", "--skip-preview", quiet=True)


def test_certificates_by_acme(acme: Acme, stack: Stack, site: Site) -> None:
    acme.resolves_to(NOBODY)
    took, said = refused(stack, "pebble-staging")
    assert f"HTTP-01 of {HOST} is pending: Waiting for HTTP-01 challenge propagation" in said
    assert took < 150, f"{took:.0f} s, of which a minute is the challenge's patience"
    served(site)  # with the certificate of before

    acme.resolves_to(str(acme.instance.node_address))
    issued(stack, "pebble-staging")
    served(site, acme.root("pebble-staging"))
    issued(stack, "pebble")
    served(site, acme.root("pebble"))

    issued(stack, pebble.BEHIND_GATEWAY, GATEWAY | {"redirectListener": pebble.PLAIN_LISTENER})
    served(site, acme.root("pebble"))
    issued(stack, "pebble")

    issued(stack, pebble.BY_DNS, names=["*.infisical.test"])
    served(site, acme.root(pebble.BY_DNS))
    _, said = refused(stack, pebble.BY_A_STRANGE_KEY, deadlineMinutes=2)
    assert f"DNS-01 of {HOST} is pending: " in said, said
    served(site, acme.root(pebble.BY_DNS))  # still

    took, said = refused(stack, "pebble-no")
    assert "rejectedIdentifier" in said, said
    assert took < 90, f"{took:.0f} s, though no challenge is made"
    served(site, acme.root(pebble.BY_DNS))


def issued(stack: Stack, issuer: str, route: Mapping[str, str] | None = None, **more: object) -> None:
    way = {"route": route} if route else {}
    configure(stack, ingress={"issuer": {"kind": "existing", "name": issuer, **more}, **way})
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    stack.run("up", "--yes", "--skip-preview", "--expect-no-changes", quiet=True)


def refused(stack: Stack, issuer: str, **more: object) -> tuple[float, str]:
    """Return how long `up` took to say why, and what it said."""
    configure(stack, ingress={"issuer": {"kind": "existing", "name": issuer, **more}})
    began = time.monotonic()
    said = fails(stack)
    took = time.monotonic() - began
    return took, next(line for line in said.splitlines() if "ingress-issued: FAILED" in line)


def served(site: Site, root: str = "") -> None:
    """Ask the site as a browser that believes in one authority; the cluster's own without one."""
    assert replace(site, authority=root).status()
