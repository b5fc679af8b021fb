"""A run of the migration Job's script, which writes while a test looks."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.standins.engines import Postgres, wait_for
from tests.standins.infisical import Environment, image_environment

SCRIPT = Path(__file__).parents[2] / "components/jobs/infisical_migration/migrate.mjs"
NEWEST = "20250902000000_projects"
TABLES = "secret_imports, secrets_v2, project_memberships, secret_folders, project_environments, projects"
AHEAD = "insert into infisical_migrations (name, batch, migration_time) values ('20990101000000_x.mjs', 9, now())"
BEHIND = f"delete from infisical_migrations where name = '{NEWEST}.mjs'; drop table {TABLES}"


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


Migrate = Callable[..., Migration]


def npm_on_path(folder: Path) -> Environment:
    """The image has `npm` on PATH."""
    bin_ = folder / "bin"
    if not bin_.exists():
        bin_.mkdir()
        (bin_ / "npm").symlink_to(folder / "node_modules/npm/bin/npm-cli.js")
    return {"PATH": f"{bin_}:{image_environment()['PATH']}"}


def names(postgres: Postgres, database: str) -> list[str]:
    return postgres.sql("select name from infisical_migrations order by id", database).splitlines()
