"""How long the end-to-end tests wait for what, in seconds. PATIENCE=2 doubles each limit on a slow or busy machine.

A limit is not a claim: what a test promises about time (an outage, a rotation) is not stretched.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = float(os.environ.get("PATIENCE") or 1)

REQUEST = 10 * PATIENCE  # one answer of the site
COMMAND = 60 * PATIENCE  # one run of `doctor`
CHANGE = 60 * PATIENCE  # the API server or a controller takes up what was written
DELETION = 120 * PATIENCE  # a namespace or a pod is gone
ROLLOUT = 120 * PATIENCE  # a Deployment's new pods are ready
RESTART = 120 * PATIENCE  # a pod of the database or of Redis is back
FIRST_OBJECT = 180 * PATIENCE  # `up` has made what a test waits for before it kills
JOB = 240 * PATIENCE  # a Job has come to its end, its image pulled


def kubectl_timeout(seconds: float) -> str:
    """Return a limit as kubectl's option."""
    return f"--timeout={seconds:.0f}s"


def eventually(seen: Callable[[], T | None], what: str, limit: float = CHANGE) -> T:
    """Return the first value of `seen` that is neither None nor False; fail with `what` after `limit` seconds."""
    end = time.monotonic() + limit
    while (value := seen()) is None or value is False:
        assert time.monotonic() < end, f"not within {limit:.0f} s: {what}"
        time.sleep(0.5)
    return value
