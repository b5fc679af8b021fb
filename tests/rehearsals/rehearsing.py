"""Do a fault to the platform while clients write, and see that nothing acknowledged is lost."""

from __future__ import annotations

import time

from tests.e2e.steps import login
from tests.e2e.views import Site
from tests.e2e.waits import PATIENCE, eventually
from tests.rehearsals import report
from tests.rehearsals.platforms import Fault, Platform
from tests.rehearsals.writers import Writers, course, failures

BEFORE, AFTERWARDS = 50, 200  # acknowledgements in a row that show that all is well


def rehearse(name: str, fault: Fault, platform: Platform, site: Site) -> None:
    """Note what clients saw, and fail where an acknowledged write is lost."""
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
