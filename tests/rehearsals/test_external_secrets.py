"""A second opinion on what is delivered: the real External Secrets Operator, against the same server."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

import pytest

from embedded import imagebuild
from embedded.programs import Programs
from tests.e2e import people
from tests.e2e.steps import assert_nothing_to_do
from tests.e2e.views import Kubectl, Site
from tests.e2e.waits import CHANGE, DELETION, JOB, ROLLOUT, eventually, kubectl_timeout
from tests.rehearsals.faults import Platform

MANIFESTS = Path(__file__).with_name("external-secrets.yaml")
NAMESPACE, SHOP = "external-secrets", "shop"
ADMIN = "admin@example.org"
BYTES = bytes(range(256))
ENCRYPTED = ("--secret", "infisical-platform:shopBytes", base64.b64encode(BYTES).decode())


def sections(features: str) -> dict[str, Any]:
    values = {
        "FEATURES": features,
        "KEY": {"generate": 64},
        "BLANKS": " x ",
        "STORE": {"from": "shopBytes", "encoding": "base64"},
    }
    secrets = {"/": values, "/later": {"STRIPE_KEY": {"owner": "people"}, "REGION": "eu"}}
    deliver = [
        {"environment": "prod", "path": path, "namespace": SHOP, "secret": secret}
        for path, secret in (("/", "shop-env"), ("/later", "shop-later"))
    ]
    shop = {"environments": {"prod": "Production"}, "people": {"admin": [ADMIN]}, "secrets": {"prod": secrets}}
    return {
        "organization": {"name": "dev", "admin": ADMIN},
        "secretsOperator": {"kind": "externalSecrets"},
        "applications": {"shop": shop | {"deliver": deliver}},
    }


def install(kubectl: Kubectl, programs: Programs) -> None:
    """Create its kinds and the operator. The binary comes from the node: it needs no image."""
    for kind in sorted(programs.path("external-secrets-crds").glob("*.yaml")):
        if not kind.name.startswith("kustomization"):
            kubectl("apply", "--server-side", "-f", str(kind))
    values = {"image": imagebuild.reference("tools"), "programs": str(programs.folder("external-secrets"))}
    kubectl("apply", "--server-side", "-f", "-", stdin=Template(MANIFESTS.read_text()).substitute(values))
    kubectl("rollout", "status", "deployment/external-secrets", "-n", NAMESPACE, kubectl_timeout(ROLLOUT))


@pytest.fixture(scope="module")
def delivered(platform: Platform, programs: Programs) -> Iterator[Platform]:
    """A platform whose application is delivered by it. `up` has proven a change of the operator's canary, too."""
    kubectl, stack = platform.kubectl, platform.stack
    install(kubectl, programs)
    kubectl("create", "namespace", SHOP)
    stack.init(sections("search"))
    stack.run("config", "set", *ENCRYPTED, quiet=True)
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    yield platform
    stack.run("destroy", "--yes", "--skip-preview", quiet=True)
    kubectl("delete", "namespace", SHOP, NAMESPACE, kubectl_timeout(DELETION))
    stack.run("config", "rm", ENCRYPTED[1], quiet=True)
    stack.init()
    stack.run("up", "--yes", "--skip-preview", quiet=True)


def values(kubectl: Kubectl, name: str = "shop-env") -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in kubectl.secret(SHOP, name).items()}


def test_every_value_is_delivered_byte_for_byte(delivered: Platform) -> None:
    found = values(delivered.kubectl)
    assert len(found.pop("KEY")) == 64
    assert found == {"FEATURES": b"search", "BLANKS": b" x ", "STORE": BYTES}
    assert_nothing_to_do(delivered.stack)


def test_what_somebody_edits_or_deletes_is_healed(delivered: Platform) -> None:
    """Which Infisical's own operator does not do."""
    before, kubectl = values(delivered.kubectl), delivered.kubectl
    kubectl("patch", "secret", "shop-env", "-n", SHOP, "-p", '{"stringData": {"FEATURES": "by hand"}}')
    eventually(lambda: values(kubectl) == before, "the edit is healed", CHANGE)
    kubectl("delete", "secret", "shop-env", "-n", SHOP)
    names = ("get", "secrets", "-n", SHOP, "-o", "name")
    eventually(lambda: "secret/shop-env" in kubectl(*names), "the Secret is back", CHANGE)
    assert values(kubectl) == before


def test_a_change_of_the_stack_arrives(delivered: Platform) -> None:
    key = values(delivered.kubectl)["KEY"]
    delivered.stack.init(sections("search,cart"))
    delivered.stack.run("up", "--yes", "--skip-preview", quiet=True)
    found = values(delivered.kubectl)
    assert (found["FEATURES"], found["KEY"]) == (b"search,cart", key)


def test_what_people_have_yet_to_write_holds_up_nobody_and_arrives(delivered: Platform, site: Site) -> None:
    """The first `up` has ended without it. That operator asks ever more rarely."""
    kubectl = delivered.kubectl
    log = kubectl("logs", "job/secret-delivery-gate", "-n", "infisical")
    assert "Secret shop/shop-later waits for people: STRIPE_KEY" in log.splitlines()[-1]
    assert "shop-later" not in kubectl("get", "secrets", "-n", SHOP, "-o", "name")
    people.write(site, kubectl, "shop-app", "STRIPE_KEY", "written", "/later")
    began = time.monotonic()
    names = ("get", "secrets", "-n", SHOP, "-o", "name")
    eventually(lambda: "secret/shop-later" in kubectl(*names), "the value arrives", JOB)
    assert values(kubectl, "shop-later") == {"STRIPE_KEY": b"written", "REGION": b"eu"}
    people.write(site, kubectl, "shop-app", "STRIPE_KEY", "changed", "/later")
    changed = lambda: values(kubectl, "shop-later")["STRIPE_KEY"] == b"changed"  # noqa: E731
    eventually(changed, "the change arrives", CHANGE)
    print(f"\nwhat people wrote and changed was there after {time.monotonic() - began:.0f} s")
