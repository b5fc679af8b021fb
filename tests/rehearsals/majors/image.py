"""The database's image with two major versions, as Spilo's has several: an upgrade in place needs the programs of both.

Debian has one version a suite, so the older one's files come from the suite before, with the libraries of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from embedded import imagebuild, rootfs
from embedded.layers import Binaries, Debian, Files, PythonPackages, Recipe, run_step
from embedded.oci import ARCHITECTURE, Entry

OLDER, NEWER = "15", "17"
SUITE = "trixie"
PACKAGES = (
    "ca-certificates",
    "gnupg1",
    "gpg",
    "hostname",
    "libgnutls30t64",  # the older libldap wants it
    "openssl",
    f"postgresql-{NEWER}",
    "procps",
    "python3",
    *rootfs.PATRONI_NEEDS,
)
_POSTGRES = imagebuild.IMAGES["postgres"]


@dataclass(frozen=True, slots=True)
class OlderPostgres(Recipe):
    """PostgreSQL of the suite before, and those of its libraries that the newer suite has no longer."""

    files: tuple[str, ...] = (
        f"usr/lib/postgresql/{OLDER}/*",
        f"usr/share/postgresql/{OLDER}/*",
        "usr/lib/*/libicu*.so.72*",
        "usr/lib/*/libl*-2.5.so.0*",  # ldap and lber
    )

    @property
    def title(self) -> str:
        return f"PostgreSQL {OLDER} of {rootfs.SUITE}"

    def made_from(self, binaries: Binaries) -> Any:
        return [rootfs.SUITE, OLDER, self.files, rootfs.LEFT_OUT, ARCHITECTURE]

    def entries(self, binaries: Binaries, work: Path) -> Iterator[Entry]:
        archive = work / "files.tar"
        run_step(self.title, rootfs.extraction(archive, rootfs.SUITE, [f"postgresql-{OLDER}"]), work)
        for entry in rootfs.entries(archive):
            if any(fnmatch(entry.path, pattern) for pattern in self.files):
                yield entry


IMAGES = {
    "postgres-majors": imagebuild.Image(
        NEWER,
        (
            Debian(SUITE, PACKAGES),
            OlderPostgres(),
            PythonPackages(imagebuild.SOURCES / "postgres" / "requirements.txt", SUITE),
            _POSTGRES.layers[-1],  # its own files
            Files(Path(__file__).parent / "root"),
        ),
        {**_POSTGRES.config, "Entrypoint": ["/scripts/supervise.sh"]},
    )
}
