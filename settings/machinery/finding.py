"""What is wrong with a stack's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


class SettingsError(Exception):
    """Everything that is wrong with a stack's configuration, one line a key, sorted. It never shows a value."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One fault: the key to act on, the reason, and what to do with the key. It never shows a value."""

    key: str  # in the form of `pulumi config set --path`, without project: infisical.corsAllowedOrigins[0]
    reason: str
    remedy: Literal["set", "change", "remove"] = "change"

    @property
    def section(self) -> str:
        """Return the top-level key."""
        return self.key.partition(".")[0].partition("[")[0]
