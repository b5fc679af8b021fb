"""Tell tests that need a plain cluster from those that any cluster passes, also one that asks much of pods."""

from __future__ import annotations

import os

import pytest

HOSTILE = os.environ.get("E2E_CLUSTER") == "hostile"
plain = pytest.mark.skipif(HOSTILE, reason="needs a cluster with operators that takes pods without limits")
