"""An `up` that dies at any moment of a first deployment leaves nothing that a later change runs into."""

from __future__ import annotations

import os
import random

import pytest
from steps import assert_healthy, assert_nothing_to_do, configure, kill_up_after
from views import Kubectl, Site

from embedded.stack import Stack
from tests.thorough import thorough

pytestmark = [pytest.mark.chain, thorough]
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
# Each changes an input of a kind of resource that `up` makes.
EVERY_KIND: dict[str, dict[str, object]] = {
    "certificates": {"leafDuration": "2000h", "extraNames": ["database.example.org"], "syncSchedule": "*/20 * * * *"},
    "database": {"memoryLimit": "640Mi", "pooler": {"instances": 1}, "passwordRotation": 2},
    "redis": {"maxMemoryMib": 90, "quorum": 3},
    "infisical": {"replicas": 3, "corsAllowedOrigins": ["https://app.example.org"]},
}


def test_five_kills_at_random_moments_of_a_first_deployment(stack: Stack, site: Site) -> None:
    stack.run("destroy", "--yes", "--skip-preview", quiet=True)
    configure(stack)
    moments = random.Random(SEED)
    for _ in range(5):
        lines = moments.randrange(2, 150)
        ended = not kill_up_after(stack, lines)
        print(f"SEED={SEED}: killed after {lines} lines of output" + (", and it had ended" if ended else ""))
        stack.repair(quiet=True)
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert_healthy(site)


def test_every_kind_of_resource_can_be_changed_afterwards(stack: Stack, site: Site, kubectl: Kubectl) -> None:
    before = kubectl.secret("infisical", "infisical-secrets")
    stack.repair(quiet=True)  # what the last kill has left is adopted by now: one owner each
    configure(stack, **EVERY_KIND)
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    # Its password changes alone: together with its servers it is refused.
    configure(stack, **EVERY_KIND | {"redis": EVERY_KIND["redis"] | {"passwordRotation": 2}})
    stack.run("up", "--yes", "--skip-preview", quiet=True)

    after = kubectl.secret("infisical", "infisical-secrets")
    assert after["ENCRYPTION_KEY"] == before["ENCRYPTION_KEY"]
    assert after["REDIS_PASSWORD"] != before["REDIS_PASSWORD"]
    assert_healthy(site)
    assert_nothing_to_do(stack)
    stack.run("destroy", "--yes", "--skip-preview", quiet=True)
