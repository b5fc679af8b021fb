"""Tell tests that need a plain cluster from those that any cluster passes, also one that asks much of pods."""

from __future__ import annotations

import os

import pytest

from embedded.instance import HOSTILE, PLAIN

KIND = os.environ.get("E2E_CLUSTER", PLAIN)
plain = pytest.mark.skipif(KIND == HOSTILE, reason="needs a cluster with operators that takes pods without limits")
