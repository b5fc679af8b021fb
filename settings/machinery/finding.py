"""What is wrong with a stack's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


class SettingsError(Exception):
    """Says everything that is wrong with a stack's configuration, one line a key, sorted; never a value."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """The key to act on, the reason, and what to do with the key. Never a value."""

    key: str  # as `pulumi config set --path` takes it, without project: infisical.corsAllowedOrigins[0]
    reason: str
    remedy: Literal["set", "change", "remove"] = "change"

    @property
    def section(self) -> str:
        """The top-level key."""
        return self.key.partition(".")[0].partition("[")[0]
