"""Chains: modules whose tests start where the last one ended. After a failure, what follows is skipped."""

from __future__ import annotations

import pytest

_FAILED: dict[str, str] = {}  # module to its first failed test


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that builds on one that has failed."""
    first = _FAILED.get(_module(item))
    if first and item.get_closest_marker("chain"):
        pytest.skip(f"it starts where {first} ended, which failed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> object:
    """Remember the first failure of each module."""
    report: pytest.TestReport = yield
    if report.failed:
        _FAILED.setdefault(_module(item), item.name)
    return report


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
