"""No fault loses a write that was acknowledged, and each heals by itself. FAULTS selects some of them."""

from __future__ import annotations

import os

import pytest

from tests.e2e.views import Site
from tests.rehearsals.faults import FAULTS
from tests.rehearsals.platforms import Platform
from tests.rehearsals.rehearsing import rehearse


@pytest.mark.parametrize("name", os.environ.get("FAULTS", "").split() or FAULTS)
def test_nothing_acknowledged_is_lost(name: str, platform: Platform, site: Site) -> None:
    fault = FAULTS[name]
    site.status()
    with fault.around(platform):
        rehearse(name, fault, platform, site)
