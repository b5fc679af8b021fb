"""What the end-to-end tests do when one fails, and how long they wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.evidence import KINDS, folder_name, keep
from tests.unit.harness import ROOT

APPLIED = {"kubectl.kubernetes.io/last-applied-configuration": '{"data": {"KEY": "aHVudGVyMmh1bnRlcjI="}}'}
SECRET = {"metadata": {"name": "infisical-secrets", "annotations": APPLIED}, "data": {"KEY": "aHVudGVyMmh1bnRlcjI="}}
CHAIN = """
import pytest
pytestmark = pytest.mark.chain
def test_first(): pass
def test_second(): assert False
def test_third(): assert False, "it ran"
"""
ALONE = """
def test_fails(): assert False
def test_other(): pass
"""


def kubectl(*arguments: str) -> str:
    """Answer as a cluster with one pod and one Secret a namespace."""
    match arguments:
        case ("get", "secrets", *_):
            return json.dumps({"items": [SECRET]})
        case ("get", "pods", *_):
            return "pod/one\n"
        case ("logs", "pod/one", *_, "--previous"):
            return ""
        case ("logs", *_):
            return "it crashed: password hunter2hunter2\n"
        case ("get", "events", *_):
            return "BackOff\n"
        case _:
            return "kind: List\n"


def python(*arguments: str, cwd: Path = ROOT, **environment: str) -> str:
    found = {**os.environ, "PYTHONPATH": str(ROOT / "tests" / "e2e"), **environment}
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=found, capture_output=True, text=True).stdout


def test_objects_events_and_logs_of_a_failed_test_are_kept(tmp_path: Path) -> None:
    keep(kubectl, tmp_path)
    kept = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert kept["infisical/one.log"] == "it crashed: password …\n"
    assert kept["infisical/events.txt"] == "BackOff\n"
    assert kept["platform-db-pg/objects.yaml"].startswith("kind: List\n")
    assert "infisical/one.previous.log" not in kept


def test_no_value_of_a_secret_is_kept(tmp_path: Path) -> None:
    keep(kubectl, tmp_path)
    kept = json.loads((tmp_path / "infisical" / "secrets.json").read_text())
    assert kept == [{"name": "infisical-secrets", "type": "", "created": "", "keys": ["KEY"]}]
    texts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in texts if "aHVudGVyMmh" in text or "hunter2" in text]
    assert not [kinds for kinds in KINDS if "secret" in kinds]


def test_a_test_has_a_folder_of_its_name() -> None:
    assert folder_name("tests/e2e/test_a.py::test_b[x/y-1]") == "test_a.py-test_b-x-y-1"


def test_what_follows_a_failure_in_a_chain_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from chains import pytest_runtest_makereport, pytest_runtest_setup\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = chain\n")
    (tmp_path / "test_chain.py").write_text(CHAIN)
    (tmp_path / "test_other.py").write_text(ALONE)
    printed = python("-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", cwd=tmp_path)
    assert "2 failed, 2 passed, 1 skipped" in printed
    assert "it starts where test_second ended, which failed" in printed


def test_patience_stretches_every_wait() -> None:
    program = "import waits; print(waits.kubectl_timeout(waits.ROLLOUT))"
    assert python("-c", program, PATIENCE="2.5") == "--timeout=300s\n"
