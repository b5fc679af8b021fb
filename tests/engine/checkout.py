"""A copy of the project to run the real engine on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.packed import packed
from tests.unit.harness import THROW_AWAY

ALONE = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")


@dataclass(frozen=True)
class Checkout:
    """A copy of the project, with a Pulumi and a backend of its own, and no cluster."""

    folder: Path
    environment: Mapping[str, str]

    def __call__(self, *command: str, input: str = "", fails: bool = False) -> str:
        """Runs without network; returns what is printed on stdout and stderr."""
        done = subprocess.run(
            [*ALONE, *command], cwd=self.folder, env=self.environment, input=input, capture_output=True, text=True
        )
        printed = done.stdout + done.stderr
        assert bool(done.returncode) == fails, printed
        for value in THROW_AWAY.values():
            assert value not in printed
        return printed

    def preview(self, stack: str, *, fails: bool = False) -> str:
        return self("pulumi", "preview", "--stack", stack, "--non-interactive", fails=fails)

    def set(self, stack: str, key: str, value: str) -> None:
        self("pulumi", "config", "set", "--stack", stack, "--secret", f"infisical-platform:{key}", input=value)

    def take_chart(self, stack: str, flavour: str) -> None:
        """`make charts` with an archive of the project's own chart of that name."""
        archive = self.folder / f"{flavour}.tgz"
        archive.write_bytes(packed(self.folder / "embedded/charts" / flavour))
        self(sys.executable, "-m", "operations", "charts", "--stack", stack, "--chart", archive.name)
