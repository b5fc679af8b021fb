"""A run of the migration Job's script, which writes while a test looks."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass, field

from tests.standins.engines import wait_for


@dataclass
class Migration:
    """One run of the Job."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def sees(self, text: str) -> None:
        wait_for(repr(text), lambda: text in self.output)

    def ends(self, status: int) -> str:
        """The last line of a run that ends with `status`."""
        assert self.process.wait(timeout=60) == status, self.output
        self._reader.join(10)
        assert self.lines[-1].startswith("migration: ")
        return self.lines[-1].removeprefix("migration: ")
