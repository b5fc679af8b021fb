"""What is wrong with a stack's configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal


class SettingsError(Exception):
    """Everything that is wrong with a stack's configuration, one line a key, sorted. It never shows a value."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One fault: the key to act on, the reason, and what to do with the key. It never shows a value."""

    key: str  # in the form of `pulumi config set --path`, without project: infisical.corsAllowedOrigins[0]
    reason: str
    remedy: Literal["set", "change", "remove", "encrypt"] = "change"  # encrypt: a key of extraEnvironment
    secret: bool = False  # the key is encrypted, though no setting has its name
    text: bool = False  # the value is text, even if it looks like a number or a switch

    @property
    def section(self) -> str:
        """Return the top-level key."""
        return self.key.partition(".")[0].partition("[")[0]


def key_path(*parts: str | int) -> str:
    """Return the key in the form of `pulumi config set --path`. Only the first part may be a path already."""
    path = str(parts[0])
    for part in parts[1:]:
        if isinstance(part, int):
            path += f"[{part}]"
        elif re.search(r'[.\[\]"/\s]', part) or not part:
            quoted = part.replace("\\", "\\\\").replace('"', '\\"')
            path += f'["{quoted}"]'
        else:
            path += f".{part}"
    return path
