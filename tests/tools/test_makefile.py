"""The Makefile: a target acts on the STACK that it is given, or refuses to act at all."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.unit.harness import ROOT

NAMES = re.findall(r"^([a-z0-9 -]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
TARGETS = sorted({target for names in NAMES for target in names.split()})
ON_A_STACK = {
    "adopt",
    "charts",
    "destroy",
    "doctor",
    "drift",
    "escrow",
    "forget-cluster",
    "heal",
    "import-secrets",
    "migrate-secrets",
    "repair",
    "restore",
    "secrets",
    "status",
}  # operations
ON_A_STACK |= {"preview", "refresh", "up"}  # of Pulumi


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `make` would do."""
    of_make = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "STACK", "INSTANCE")  # `make test` runs these tests, too
    clean = {name: value for name, value in os.environ.items() if name not in of_make}
    command = ["make", "--dry-run", *arguments]
    return subprocess.run(command, cwd=ROOT, env=clean | environment, capture_output=True, text=True)


def commands(*arguments: str) -> str:
    done = make(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(*arguments: str, **environment: str) -> str:
    done = make(*arguments, **environment)
    assert done.returncode, done.stdout
    assert done.stdout == "", "nothing is begun"
    return done.stderr


def test_every_target_is_known_here() -> None:
    assert {*ON_A_STACK} < {*TARGETS}
    assert {"down", "test", "reference"} < {*TARGETS}


@pytest.mark.parametrize("target", TARGETS)
def test_no_target_ignores_a_stack_in_silence(target: str) -> None:
    if target in ON_A_STACK:
        assert re.search(r"(pulumi|operations) .*--stack 'prod'", commands(target, "STACK=prod"))
        assert "embedded" not in commands(target, "STACK=prod").replace("embedded/", "")
    else:
        assert f"`make {target}` is not for a stack: leave STACK=prod out" in refusal(target, "STACK=prod")


@pytest.mark.parametrize("target", sorted(ON_A_STACK))
def test_an_empty_stack_is_not_the_embedded_one(target: str) -> None:
    """STACK=$UNSET of a shell."""
    assert "STACK is empty" in refusal(target, "STACK=")


@pytest.mark.parametrize("place", ["INSTANCE=other", "CONTEXT=kind-kind", "TIMELINE=up.html"])
def test_a_stack_has_its_own_cluster(place: str) -> None:
    assert f"{place.partition('=')[0]} is for the embedded stack" in refusal("up", "STACK=prod", place)


def test_a_stack_of_the_environment_counts_too() -> None:
    assert "leave STACK=prod out" in refusal("down", STACK="prod")


@pytest.mark.parametrize("command", ["up", "destroy"])
def test_pulumi_itself_asks_before_it_changes_a_stack_of_yours(command: str) -> None:
    assert "--yes" not in commands(command, "STACK=prod")
    assert "embedded" in commands(command)


def test_a_quote_in_a_variable_stays_a_quote() -> None:
    """The shell would run what stands behind it otherwise."""
    word = "a'; touch pwned; echo 'b"
    quoted = "'a'\\''; touch pwned; echo '\\''b'"
    assert f"escrow --stack mine {quoted}".replace("mine", "'mine'") in commands(
        "escrow", f"RECIPIENT={word}", "STACK=mine"
    )
    assert f"--stack {quoted}" in commands("secrets", f"STACK={word}")
    assert f"--chart {quoted}" in commands("charts", f"CHART={word}", "STACK=mine")
