"""Applications get their secrets of one `up`, and follow what the stack and what people change."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import people
import pytest
from steps import assert_nothing_to_do, configure
from views import Kubectl, Site
from waits import DELETION, ROLLOUT, eventually, kubectl_timeout

from embedded.stack import Stack
from tests.thorough import thorough

pytestmark = [pytest.mark.chain, thorough]
WITHIN = 60  # seconds in which a change has to arrive: a promise, which PATIENCE doesn't stretch
ADMIN = "ops@example.org"
CHART = {"chart": {"path": "embedded/charts/secrets-operator"}, "image": "embedded.local/secrets-operator:v0.11.5"}
# It says what it was started with.
SCRIPT = "import os, signal; print(os.environ['FEATURES'], os.environ['KEY'], flush=True); signal.pause()"


def application(name: str, features: str) -> dict[str, Any]:
    values = {"FEATURES": features, "SESSION_KEY": {"generate": 64}, "KEY": {"owner": "people", "initial": "first"}}
    delivery = {"environment": "prod", "namespace": name, "secret": f"{name}-env", "restarts": [f"deployment/{name}"]}
    return {
        "environments": {"prod": "Production"},
        "people": {"admin": [ADMIN]},
        "secrets": {"prod": {"/": values}},
        "deliver": [delivery],
    }


def up(stack: Stack, features: str) -> None:
    configure(
        stack,
        organization={"name": "dog", "admin": ADMIN},
        secretsOperator=CHART,
        applications={"shop": application("shop", features), "cart": application("cart", "one")},
    )
    stack.run("up", "--yes", "--skip-preview", quiet=True)


def deployment(name: str) -> dict[str, Any]:
    container = {
        "name": "app",
        "image": "embedded.local/tools:1",
        "command": ["python3", "-c", SCRIPT],
        "envFrom": [{"secretRef": {"name": f"{name}-env"}}],
    }
    labels = {"app": name}
    pod = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def pod(kubectl: Kubectl, name: str) -> str:
    """The name of the youngest pod."""
    found = kubectl("get", "pods", "-n", name, "--sort-by=.metadata.creationTimestamp", "-o", "name").split()
    return found[-1] if found else ""


def said(kubectl: Kubectl, name: str) -> str:
    """What its youngest pod was started with."""
    return kubectl("logs", "-n", name, pod(kubectl, name), check=False).strip()


def arrives(kubectl: Kubectl, name: str, value: str) -> float:
    """The seconds until a pod has started with it."""
    began = time.monotonic()
    eventually(lambda: said(kubectl, name) == value or None, f"{name} starts with {value}", WITHIN)
    print(f"{name}: {time.monotonic() - began:.1f} s")
    return time.monotonic() - began


@pytest.fixture(scope="module", autouse=True)
def namespaces(stack: Stack, kubectl: Kubectl) -> Iterator[None]:
    """Those of the applications, which their own teams have made, with their Deployments before any Secret."""
    stack.run("destroy", "--yes", "--skip-preview", quiet=True)
    for name in ("shop", "cart"):
        kubectl("create", "namespace", name)
        kubectl("apply", "-f", "-", stdin=json.dumps(deployment(name)))
    yield
    stack.run("destroy", "--yes", "--skip-preview", quiet=True)
    kubectl("delete", "namespace", "shop", "cart", "--ignore-not-found", kubectl_timeout(DELETION))
    configure(stack)


def test_the_pods_of_two_applications_start_with_their_secrets(stack: Stack, kubectl: Kubectl) -> None:
    up(stack, "search")
    for name, value in (("shop", "search first"), ("cart", "one first")):
        kubectl("rollout", "status", f"deployment/{name}", "-n", name, kubectl_timeout(ROLLOUT))
        assert said(kubectl, name) == value
        assert len(base64.b64decode(kubectl.secret(name, f"{name}-env")["SESSION_KEY"])) == 64


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    assert_nothing_to_do(stack)


def test_what_a_person_changes_arrives_and_restarts_the_right_deployment(site: Site, kubectl: Kubectl) -> None:
    other = pod(kubectl, "cart")
    people.write(site, kubectl, "shop-app", "KEY", "second")
    assert arrives(kubectl, "shop", "search second") < WITHIN
    assert pod(kubectl, "cart") == other


def test_what_the_stack_changes_arrives_and_leaves_people_theirs(stack: Stack, kubectl: Kubectl) -> None:
    other, key = pod(kubectl, "cart"), kubectl.secret("shop", "shop-env")["SESSION_KEY"]
    up(stack, "search,cart")
    assert arrives(kubectl, "shop", "search,cart second") < WITHIN
    assert pod(kubectl, "cart") == other
    assert kubectl.secret("shop", "shop-env")["SESSION_KEY"] == key


def test_destroy_leaves_nothing_of_ours_and_all_that_is_not(stack: Stack, kubectl: Kubectl) -> None:
    stack.run("destroy", "--yes", "--skip-preview", quiet=True)
    for name in ("shop", "cart"):
        assert kubectl("get", "deployments", "-n", name, "-o", "name").split() == [f"deployment.apps/{name}"]
        gone = lambda name=name: not kubectl("get", "secrets,roles,rolebindings", "-n", name, "-o", "name") or None  # noqa: E731
        eventually(gone, f"namespace {name} has nothing of the stack")
    assert "infisical" not in kubectl("get", "clusterroles,clusterrolebindings,crds,namespaces", "-o", "name")
