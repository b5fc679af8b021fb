"""A primary's node that is gone for good takes nothing acknowledged along, where replication is synchronous."""

from __future__ import annotations

import time

import pytest

from tests.e2e.steps import login
from tests.e2e.views import Site
from tests.e2e.waits import ROLLOUT, eventually
from tests.rehearsals import report
from tests.rehearsals.gone import KINDS, Gone, deploy, lose_second_node, replace_node, replicas_behind
from tests.rehearsals.platforms import Platform
from tests.rehearsals.writers import Writers, course

BEFORE_SECONDS = 10
AFTERWARDS = 200


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_lost_node_takes_along(kind: str, platform: Platform, site: Site) -> None:
    deploy(platform, kind)
    site.status()
    primary = platform.primary()
    writers = Writers(site, login(platform.kubectl))
    with writers.at_work():
        began = time.monotonic()
        eventually(lambda: time.monotonic() > began + BEFORE_SECONDS, "writes flow before the fault")
        rate = len(writers.acknowledged) / BEFORE_SECONDS
        with replicas_behind(platform):
            lost_at = time.monotonic()
            lose_second_node(platform)
        done = len(writers.requests)
        eventually(
            lambda: len(writers.requests) > done + AFTERWARDS and writers.in_a_row(AFTERWARDS),
            f"writes flow again: {[request.error for request in writers.requests[-5:]]}",
            3 * ROLLOUT,
        )
    lost, seen = writers.lost(), course(writers.requests, lost_at, time.monotonic())
    print(f"\n{kind}: {len(lost)} lost, {rate:.1f} writes a second before, {seen}")
    gone = Gone(rate=rate, acknowledged=seen.acknowledged, longest_gap=seen.longest_gap)
    report.note(kind, gone, len(lost))
    replace_node(platform, primary)
    if kind == "synchronous":
        assert lost == []
    else:
        assert lost, "replicas were not behind, so this shows nothing"
