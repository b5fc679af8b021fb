"""What a thousand secrets in twenty applications cost: a preview, the first provisioning, and a change of one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bench.memory import peak_memory
from bench.samples import Samples, in_turn, seconds
from components.base.names import JOB_LABEL
from embedded.stack import Stack
from settings.names import Names
from tests.e2e.views import Kubectl

APPLICATIONS, SECRETS = 20, 50  # secrets of each application
COUNT = 3
JOB = "application-secrets"
Row = tuple[str, str, str]


def rows(stack: Stack, kubectl: Kubectl) -> Iterator[Row]:
    """Measure on a platform that is up. Yields what, how much, and the target."""
    _configured(stack, {})
    _up(stack)
    [without] = _previews(stack)
    _configured(stack, _wish("first"))
    with peak_memory(f"{JOB.replace('-', '_')}.py") as peak:
        _up(stack)
    yield f"first provisioning of {APPLICATIONS * SECRETS} secrets in {APPLICATIONS} applications", _run(kubectl), ""
    yield "memory of its script, at its highest", f"{peak() >> 20} MiB", ""
    [with_them] = _previews(stack)
    more = f"{with_them.median - without.median:.2f} s"
    yield f"`preview` without a change, with these {APPLICATIONS * SECRETS} secrets: more", more, "≤ 1 s"
    _configured(stack, _wish("second"))
    _up(stack)
    yield "provisioning after a change of one of them", _run(kubectl), ""


def _wish(changed: str) -> dict[str, Any]:
    def secrets(application: int) -> dict[str, str]:
        values = {f"KEY_{number}": f"value {number} of {application}" for number in range(SECRETS)}
        return values | ({"KEY_0": changed} if application == 0 else {})

    return {
        f"application-{number}": {"environments": {"prod": "Production"}, "secrets": {"prod": {"/": secrets(number)}}}
        for number in range(APPLICATIONS)
    }


def _configured(stack: Stack, applications: dict[str, Any]) -> None:
    stack.init({"organization": {"name": "bench", "admin": "ops@example.org"}, "applications": applications})


def _up(stack: Stack) -> None:
    stack.run("up", "--yes", "--skip-preview", quiet=True)


def _previews(stack: Stack) -> list[Samples]:
    return in_turn(COUNT, lambda: seconds(lambda: stack.run("preview", quiet=True)))


def _run(kubectl: Kubectl) -> str:
    """Return how long the youngest run of the Job took, and how many requests it made."""
    found = ("-n", Names().infisical, "-l", f"{JOB_LABEL}={JOB}", "--sort-by=.metadata.creationTimestamp")
    pod: dict[str, Any] = json.loads(kubectl("get", "pods", *found, "-o", "json"))["items"][-1]
    ended: dict[str, str] = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    took = datetime.fromisoformat(ended["finishedAt"]) - datetime.fromisoformat(ended["startedAt"])
    said = kubectl("logs", "-n", Names().infisical, pod["metadata"]["name"])
    [requests] = re.findall(r"(\d+) requests", said)
    return f"{took.total_seconds():.0f} s, {requests} requests"
