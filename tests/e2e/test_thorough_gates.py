"""No gate believes the pods of before, and what no operator can do is refused before anything changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from steps import assert_healthy, assert_nothing_to_do, configure, fails
from views import Kubectl, Site
from waits import ROLLOUT, kubectl_timeout

from embedded.stack import Stack
from tests.thorough import thorough

pytestmark = [pytest.mark.chain, thorough]
OPERATOR = ("deployment/redis-operator", "-n", "redis-operator")
SERVERS = ("-n", "platform-kv-redis-cluster", "-l", "statefulset.kubernetes.io/pod-name")
PODS = ("get", "pods", *SERVERS, "-o", "jsonpath={.items[*].metadata.uid}")
NEWER = "embedded.local/redis:7.0.99"  # that nobody has


@pytest.fixture(scope="module", autouse=True)
def platform(stack: Stack) -> Iterator[None]:
    configure(stack)
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    yield
    configure(stack)
    stack.run("up", "--yes", "--skip-preview", quiet=True)


def test_a_new_image_that_no_operator_has_rolled_out_is_not_ready(stack: Stack, site: Site, kubectl: Kubectl) -> None:
    before = kubectl(*PODS)
    kubectl("scale", *OPERATOR, "--replicas=0")
    configure(stack, redis={"image": NEWER, "deadlineMinutes": 2})
    said = fails(stack)
    assert (
        f"StatefulSet platform-kv-redis-cluster/platform-kv has image embedded.local/redis:7.0, wanted {NEWER}" in said
    )
    assert "no redis-operator has acted on namespace platform-kv-redis-cluster" in said
    assert kubectl(*PODS) == before
    assert_healthy(site)

    configure(stack)
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    kubectl("scale", *OPERATOR, "--replicas=1")
    kubectl("rollout", "status", *OPERATOR, kubectl_timeout(ROLLOUT))
    assert_nothing_to_do(stack)
    assert kubectl(*PODS) == before


@pytest.mark.parametrize(
    ("section", "change", "refusal"),
    [
        ("redis", {"storage": "512Mi"}, "no volume shrinks"),
        ("database", {"storage": "512Mi"}, "no volume shrinks"),
        ("redis", {"storageClass": "faster"}, "no volume changes its class"),
        ("database", {"version": "14"}, "the data is of PostgreSQL 15"),
    ],
)
def test_what_no_operator_can_do_is_refused_before_anything_changes(
    stack: Stack, section: str, change: dict[str, object], refusal: str
) -> None:
    configure(stack, **{section: change})
    said = fails(stack)
    assert refusal in said
    assert "updating" not in said.replace("@ updating", "")
    configure(stack)
    assert_nothing_to_do(stack)
