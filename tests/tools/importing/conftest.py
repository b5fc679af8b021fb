"""A stack before its secrets are moved in."""

from __future__ import annotations

import pytest

from tests.tools.fake_stack import FakeStack
from tests.tools.importing.known import ISSUER


@pytest.fixture
def stack() -> FakeStack:
    """What a stack says before its secrets are moved in."""
    return FakeStack(kept={"ingress": ISSUER})
