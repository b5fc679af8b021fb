"""A bench compares what was measured side by side, and says so when the machine was busy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.samples import Samples, in_turn, unexplained, waited
from tests.unit.harness import ROOT


def test_the_benchmarks_find_what_they_import() -> None:
    """They run without pytest, which adds folders to the path. They take long, so no other test starts them."""
    command = [sys.executable, "-c", "import bench.__main__"]
    done = subprocess.run(command, cwd=ROOT, env={}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_ratios_are_of_pairs() -> None:
    """Both are twice as slow in the second half: nothing that a ratio shows."""
    ours, theirs = Samples([3.0, 3.0, 6.0]), Samples([2.0, 2.0, 4.0])
    assert ours.over(theirs).values == [1.5, 1.5, 1.5]
    assert ours.over(theirs).said() == "1.50 (± 0%)"
    with pytest.raises(ValueError, match="zip"):
        ours.over(Samples([1.0]))


def test_a_busy_machine_gives_no_figure() -> None:
    assert Samples([1.0, 1.1, 1.2]).said() == "1.10 (± 5%)"
    assert Samples([1.0, 1.1, 1.4]).said() == "no figure: a spread of 18% is too wide"


def test_one_slow_run_of_five_is_none_of_the_machine() -> None:
    assert Samples([1.0, 1.0, 1.1, 1.1, 1.9]).said() == "1.10 (± 5%)"
    assert Samples([1.0, 1.0, 1.1, 1.8, 1.9]).said() == "no figure: a spread of 73% is too wide"


def test_the_first_of_each_does_not_count() -> None:
    measured: list[str] = []

    def measure(name: str, seconds: float) -> float:
        measured.append(name)
        return seconds

    a, b = in_turn(2, lambda: measure("a", 1), lambda: measure("b", 2))
    assert measured == ["a", "b", "a", "b", "a", "b"]
    assert (a.values, b.values) == ((1, 1), (2, 2))


def test_a_constant_that_is_no_work_is_said() -> None:
    assert waited(lambda: subprocess.run(["sleep", "0.3"], check=True)) > 0.25
    assert "something is waited for" in unexplained(Samples([5.0, 5.1]))
    assert unexplained(Samples([0.3, 0.3])) == "0.3 s"
