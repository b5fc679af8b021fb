"""No fault loses a write that was acknowledged, and each heals by itself. FAULTS selects some of them."""

from __future__ import annotations

import os
import time

import pytest

from tests.e2e.steps import login
from tests.e2e.views import Site
from tests.e2e.waits import PATIENCE, eventually
from tests.rehearsals import report
from tests.rehearsals.faults import FAULTS
from tests.rehearsals.platforms import Fault, Platform
from tests.rehearsals.writers import Writers, course, failures

BEFORE, AFTERWARDS = 50, 200  # acknowledgements in a row that show that all is well


@pytest.mark.parametrize("name", os.environ.get("FAULTS", "").split() or FAULTS)
def test_nothing_acknowledged_is_lost(name: str, platform: Platform, site: Site) -> None:
    fault = FAULTS[name]
    site.status()
    with fault.around(platform):
        _rehearse(name, fault, platform, site)


def _rehearse(name: str, fault: Fault, platform: Platform, site: Site) -> None:
    servers = len(platform.servers())
    writers = Writers(site, login(platform.kubectl))
    with writers.at_work():
        eventually(lambda: writers.in_a_row(BEFORE), "writes flow before the fault")
        began = time.monotonic()
        fault.happens(platform)
        eventually(lambda: platform.is_whole(servers), "every pod is back and ready", fault.limit * PATIENCE)
        whole, done = time.monotonic(), len(writers.requests)
        eventually(
            lambda: len(writers.requests) > done + AFTERWARDS and writers.in_a_row(AFTERWARDS),
            f"writes flow again: {[request.error for request in writers.requests[-5:]]}",
        )
    lost, seen = writers.lost(), course(writers.requests, began, whole)
    print(f"\n{name}: {len(lost)} lost, {seen}, {failures(writers.requests, began)}")
    report.note(name, seen, len(lost))
    assert lost == []
