"""Whether Infisical is what applications ask for, as the hourly Job has told."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from operations.checks import applications
from operations.checks.result import Check, Level
from tests.tools.doctor.known import ask, cluster
from tests.unit.harness import COMMANDS, ORGANIZATION

CHECK: Check = functools.partial(applications.applications, COMMANDS)
STATUS = "/api/v1/namespaces/infisical/configmaps/infisical-drift"
SHOP: dict[str, Any] = {"shop": {"environments": {"prod": "Production"}}}


def told(hours: float, drift: str = "") -> Any:
    checked = (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="seconds")
    return cluster({STATUS: {"data": {"checked": checked, "drift": drift}}})


def test_a_stack_without_applications_has_no_row() -> None:
    assert ask(CHECK) == {}


@pytest.mark.parametrize(
    ("status", "level", "seen"),
    [
        (told(0.5), Level.OK, "1 as the stack says"),
        (told(0.5, "shop: prod:/OLD is not listed\n"), Level.FAIL, "shop: prod:/OLD is not listed"),
        (told(0.5, "shop: prod:/A is people's\n"), Level.FAIL, "shop: prod:/A is people's"),
        (told(5), Level.FAIL, "nobody has looked for 5 hours"),
        (cluster({STATUS: {}}), Level.WARN, "nothing is provisioned yet"),
        (cluster({}), Level.WARN, "nothing is provisioned yet"),
    ],
)
def test_drift_is_a_failure(status: Any, level: Level, seen: str) -> None:
    [row] = ask(CHECK, status, applications=SHOP, organization=ORGANIZATION).values()
    assert (row.level, row.seen) == (level, seen)
    assert bool(row.fix) == (level is not Level.OK)
