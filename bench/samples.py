"""Compare figures that were measured side by side, and say whether the machine was quiet enough to believe them."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDEST_SPREAD = 0.15  # of the median, between the quartiles
EXPLAINED = 1.0  # second: the language host starts, and the processes wait for each other


@dataclass(frozen=True)
class Samples:
    """One figure, measured several times. Ratios are taken pair by pair, because a machine's speed drifts."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        """Return the middle value."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Return the distance of the quartiles as a share of the median, so that one slow run in five has no weight."""
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return (high - low) / self.median

    def over(self, other: Samples) -> Samples:
        """Return the ratios to what was measured beside this."""
        return Samples([mine / theirs for mine, theirs in zip(self.values, other.values, strict=True)])

    def said(self, form: str = "{:.2f}") -> str:
        """Return the median as text, or say that the values lie too far apart to give one."""
        if self.spread > WIDEST_SPREAD:
            return f"no figure: a spread of {self.spread:.0%} is too wide"
        return f"{form.format(self.median)} (± {self.spread / 2:.0%})"


def seconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def waited(work: Callable[[], object]) -> float:
    """Return the seconds of `work` in which none of its processes computes, as on a name server that is not there."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = seconds(work)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return max(0.0, wall - (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))


def unexplained(waits: Samples) -> str:
    """Say how long nothing computes. More than a second is a constant that makes every ratio to it too good."""
    if waits.median <= EXPLAINED:
        return f"{waits.median:.1f} s"
    return f"{waits.median:.1f} s: something is waited for, and the ratios above hide it"


def in_turn(count: int, *measures: Callable[[], float]) -> list[Samples]:
    """Run the measures in turn, `count` times, after a first round that fills caches and is not counted."""
    for measure in measures:
        measure()
    rounds = [[measure() for measure in measures] for _ in range(count)]
    return [Samples(values) for values in zip(*rounds, strict=True)]
