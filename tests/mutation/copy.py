"""Run the tests on a copy of the tree in which some files have changed. It needs a process of its own."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

# What the tests read; a link would lead them back to the original.
_COPIED = (
    "__main__.py",
    "components",
    "safeguards",
    "operations",
    "policy/declared.py",
    "policy/rules.py",
    "settings",
    "embedded/charts",
    "tests/conftest.py",
    "tests/packed.py",
    "tests/unit",
    "tests/jobs/job_pki.py",
    "pyproject.toml",
)
# Those which find most come first.
_TESTS = (
    "program",
    "infisical_secrets",
    "cert_sync",
    "requirements",
    "cluster_operators",
    "platform_kv",
    "platform_kv_gate",
    "platform_db",
    "wal_archive",
    "network_policies",
    "way_in",
    "infisical_release",
    "infisical_pods",
    "placement",
    "affinity",
    "deadlines",
    "ingress",
    "site_certificate",
    "secrets_operator",
    "secret_delivery",
    "application_secrets",
    "operator_canary",
    "gate",
    "pod",
    "backup",
    "move_in",
    "bootstrap",
    "external_db",
    "external_kv",
)


def first_red(root: Path, changed: Mapping[Path, str], guess: str = "") -> str:
    """Return the first test that fails when the files have these texts, or nothing when all pass.

    The guess, a test of tests/unit, is tried before all others: a right one spares the time that they take to be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in (*_COPIED, *(path.name for path in root.glob("Pulumi*.yaml"))):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            take = (
                shutil.copytree if (root / name).is_dir() else shutil.copy2
            )  # with the time: compiled files stay valid
            take(root / name, copy / name)
        for file, text in changed.items():
            (copy / file).write_text(text)
        os.chdir(copy)
        sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != root]
        return (guess and _red_of([guess])) or _red_of([f"test_{name}.py" for name in _TESTS])


def _red_of(tests: Iterable[str]) -> str:
    watch = _Watch()
    paths = [f"tests/unit/{test}" for test in tests]
    ended = pytest.main(["-x", "-p", "no:terminal", "-p", "no:cacheprovider", *paths], plugins=[watch])
    # A guess may name a test that is no more.
    assert watch.red or ended in (pytest.ExitCode.OK, pytest.ExitCode.USAGE_ERROR), f"pytest ended with {ended}"
    return watch.red


class _Watch:
    """Keeps the name of the first failure."""

    red = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.red = self.red or report.nodeid.removeprefix("tests/unit/")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.red = self.red or f"{report.nodeid} can't be read"
