"""One embedded cluster for the whole run, from empty, beside any that a developer has running.

E2E_INSTANCE names it: runs of different names go side by side. With E2E_CLUSTER=hostile it asks much of pods.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from chains import pytest_runtest_makereport, pytest_runtest_setup
from evidence import folder_name, keep
from kinds import KIND
from views import Kubectl, Site
from waits import COMMAND

from embedded.__main__ import Progress, meanwhile, start
from embedded.cluster import Cluster
from embedded.instance import Instance, cache_folder, state_folder
from embedded.programs import Programs
from embedded.stack import Stack

__all__ = ["pytest_runtest_makereport", "pytest_runtest_setup"]  # hooks that pytest finds here

INSTANCE = Instance(os.environ.get("E2E_INSTANCE", "e2e"))
EVIDENCE = state_folder() / "failed" / INSTANCE.name


_kept: dict[str, Path] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what tells why a test failed, before the next one changes it."""
    if report.failed and report.nodeid.startswith(("tests/e2e/", "tests/rehearsals/")) and INSTANCE.kubeconfig.exists():
        _kept[report.nodeid] = EVIDENCE / folder_name(report.nodeid)
        keep(_ask, _kept[report.nodeid])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Print last where the evidence lies."""
    reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    for folder in _kept.values():
        if reporter:
            reporter.write_line(f"objects, events and logs of the failed test: {folder}")


def _ask(*arguments: str) -> str:
    """Return what kubectl prints; nothing where it can't tell, as a cluster that failed may not."""
    command = [Programs(cache_folder()).path("kubectl"), f"--kubeconfig={INSTANCE.kubeconfig}", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=COMMAND).stdout
    except subprocess.TimeoutExpired:
        return ""


@pytest.fixture(scope="session")
def instance() -> Instance:
    return INSTANCE


@pytest.fixture(scope="session")
def programs() -> Programs:
    return Programs(cache_folder())


@pytest.fixture(scope="session")
def cluster(instance: Instance, programs: Programs) -> Iterator[Cluster]:
    """Start from empty. What was kept of failed tests goes with the next run."""
    progress = Progress()
    shutil.rmtree(EVIDENCE, ignore_errors=True)
    Cluster(instance, programs, progress).down()
    cluster = start(instance, progress, kind=KIND)
    yield cluster
    cluster.down()


@pytest.fixture(scope="session")
def stack(cluster: Cluster, instance: Instance, programs: Programs) -> Iterator[Stack]:
    stack = Stack(instance, programs)
    stack.init()
    with meanwhile(cluster, stack.interrupt):
        yield stack


@pytest.fixture(scope="session")
def site(instance: Instance) -> Site:
    return Site(instance)


@pytest.fixture(scope="session")
def kubectl(programs: Programs, instance: Instance) -> Kubectl:
    return Kubectl(programs, instance)
