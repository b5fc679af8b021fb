"""Figures that were measured side by side, and whether the machine was quiet enough to believe them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDEST_SPREAD = 0.15  # of the median, between the quartiles


@dataclass(frozen=True)
class Samples:
    """The same figure, measured several times. Ratios are taken pair by pair: a machine's speed drifts."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Between the quartiles, as a share of the median: one slow run in five says nothing of the machine."""
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return (high - low) / self.median

    def over(self, other: Samples) -> Samples:
        """The ratios to what was measured beside it."""
        return Samples([mine / theirs for mine, theirs in zip(self.values, other.values, strict=True)])

    def said(self, form: str = "{:.2f}") -> str:
        """The median, or that no figure stands for values so far apart."""
        if self.spread > WIDEST_SPREAD:
            return f"no figure: a spread of {self.spread:.0%} is too wide"
        return f"{form.format(self.median)} (± {self.spread / 2:.0%})"


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def in_turn(count: int, *measures: Callable[[], float]) -> list[Samples]:
    """Measures one after the other, `count` times; once before, not counted, so that files are cached."""
    for measure in measures:
        measure()
    rounds = [[measure() for measure in measures] for _ in range(count)]
    return [Samples(values) for values in zip(*rounds, strict=True)]
