"""Versions, and what is known of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from operations.checks.result import Result, fail, ok, warn


class Version(NamedTuple):
    """A release's version."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return ".".join(map(str, self))

    @staticmethod
    def find(text: str) -> Version | None:
        """Return the first version in `text`, None when it has none."""
        found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
        return Version(*map(int, found.groups())) if found else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """Ranges in which the platform is known to work, and versions in which it is known not to."""

    good: Sequence[tuple[Version, Version]]  # from, and below
    bad: Mapping[Version, str] = field(default_factory=dict[Version, str])  # why
    advice: str

    def judge(self, subject: str, version: Version | None, seen: str) -> Result:
        """Judge a version. `seen` is what the row shows beside the judgement."""
        if version is None:
            return warn(subject, f"{seen}, of a version that can't be told", f"make sure that it is {self.advice}")
        if version in self.bad:
            return fail(subject, f"{seen}: {self.bad[version]}", f"change it to {self.advice}")
        if any(first <= version < end for first, end in self.good):
            return ok(subject, seen)
        return warn(subject, f"{seen}: not a version that was tried", f"known to work: {self.advice}")
