"""One embedded cluster for the whole run, from empty, beside any that a developer has running.

E2E_INSTANCE names it: runs of different names go side by side.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from views import Kubectl, Site

from embedded.__main__ import Progress, start
from embedded.cluster import Cluster
from embedded.instance import Instance, cache_folder
from embedded.programs import Programs
from embedded.stack import Stack


@pytest.fixture(scope="session")
def instance() -> Instance:
    return Instance(os.environ.get("E2E_INSTANCE", "e2e"))


@pytest.fixture(scope="session")
def programs() -> Programs:
    return Programs(cache_folder())


@pytest.fixture(scope="session")
def cluster(instance: Instance, programs: Programs) -> Iterator[Cluster]:
    """From empty; its logs stay when a test has failed and go with the next run."""
    progress = Progress()
    Cluster(instance, programs, progress).down()
    cluster = start(instance, progress)
    yield cluster
    cluster.down()


@pytest.fixture(scope="session")
def stack(cluster: Cluster, instance: Instance, programs: Programs) -> Stack:
    stack = Stack(instance, programs)
    stack.init()
    return stack


@pytest.fixture(scope="session")
def site(instance: Instance) -> Site:
    return Site(instance)


@pytest.fixture(scope="session")
def kubectl(programs: Programs, instance: Instance) -> Kubectl:
    return Kubectl(programs, instance)
