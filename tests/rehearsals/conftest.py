"""One embedded cluster of two nodes for all rehearsals, with the platform up; E2E_INSTANCE names it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from embedded.__main__ import Progress, start
from embedded.cluster import Cluster
from embedded.instance import Instance
from embedded.programs import Programs
from embedded.stack import PROJECT, Stack
from tests.e2e.conftest import (
    instance,
    kubectl,
    programs,
    pytest_runtest_logreport,
    pytest_runtest_makereport,
    pytest_runtest_setup,
    pytest_unconfigure,
    site,
    stack,
)
from tests.e2e.kinds import KIND
from tests.e2e.views import Kubectl
from tests.rehearsals.living import TAKEN
from tests.rehearsals.platforms import Platform

__all__ = [  # fixtures and hooks that pytest finds here
    "instance",
    "kubectl",
    "programs",
    "pytest_runtest_logreport",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "pytest_unconfigure",
    "site",
    "stack",
]


@pytest.fixture(scope="session")
def cluster(instance: Instance, programs: Programs) -> Iterator[Cluster]:
    """Start from empty."""
    Cluster(instance, programs, Progress()).down()
    cluster = start(instance, Progress(), nodes=2, kind=KIND)
    yield cluster
    cluster.down()


@pytest.fixture(scope="session")
def platform(instance: Instance, cluster: Cluster, kubectl: Kubectl, stack: Stack) -> Platform:
    """Bring the platform up once. Each rehearsal leaves it healed."""
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    return Platform(instance=instance, cluster=cluster, kubectl=kubectl, stack=stack)


@pytest.fixture(scope="module")
def tidy() -> Iterator[None]:
    """What `make adopt` writes into the working directory goes."""
    known = set(PROJECT.glob(TAKEN))
    yield
    for file in set(PROJECT.glob(TAKEN)) - known:
        file.unlink()
