"""Which charts the program hands to Helm. It checks local copies and needs no network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from settings.machinery.commands import Commands
from settings.machinery.finding import SettingsError
from settings.machinery.types import ChartRepository, Digest, Section

PUBLIC_CHARTS = "https://dl.cloudsmith.io/public/infisical/helm-charts/helm/charts/"

# What the section of each pinned chart says in the same words.
ArchiveDigest = Annotated[
    Digest | None,
    Field(description="SHA-256 of the chart's archive. `make charts` sets it, and `pulumi up` checks it."),
]
FetchedFrom = Annotated[
    ChartRepository,
    Field(description="Where `make charts` fetches the chart: a Helm repository, or a folder of an OCI registry."),
]
OwnChart = Annotated[
    str | None,
    Field(
        min_length=1,
        description="Folder or archive of a chart of your own. It is used in place of the one that `make charts` "
        "fetches.",
    ),
]


class ChartError(SettingsError):
    """Why the chart can't be used, and what to do about it, in one sentence."""


def digest_of(archive: bytes) -> str:
    """Return the digest of an archive in the form that Helm repositories and OCI registries use: "sha256:…"."""
    return f"sha256:{hashlib.sha256(archive).hexdigest()}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """A chart that a stack asks for."""

    key: str  # of its section in the stack file, as in infisical.chart
    name: str
    version: str
    digest: str | None
    repository: str
    path: str | None  # of a chart of the user's own

    def copies(self, digest: str) -> tuple[str, str]:
        """Return where an archive may lie: by the name that Helm gives it, or by its own beside a different one.

        Both are relative to the project, so that the release has the same input on every machine.
        """
        name = f"charts/{self.name}-{self.version}"
        return f"{name}.tgz", f"{name}-{digest.removeprefix('sha256:')[:12]}.tgz"

    def __str__(self) -> str:
        return f"chart {self.name} {self.version}"


class OperatorChartSettings(Section):
    """Which chart of an operator is deployed."""

    version: str
    digest: ArchiveDigest = None
    repository: FetchedFrom
    path: OwnChart = None

    def wanted(self, key: str, name: str) -> Chart:
        """Return the chart, as `make charts` and the program take any chart."""
        return Chart(
            key=key,
            name=name,
            version=self.version,
            digest=self.digest,
            repository=self.repository,
            path=self.path,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalChart:
    """A chart on this machine, with the digest that tells it from a different one of the same name and version."""

    location: str  # relative to the project
    digest: str  # of its archive, or of the files in its folder


def local_copy(chart: Chart, commands: Commands, root: Path = Path("."), deployed: str = "") -> LocalChart:
    """Return the chart below `root`, after a check that the chart is there and is the pinned one.

    An archive must have the digest that is set. A chart of the user's own (`path`) needs none. `deployed` is the path
    that the stack's release was made from. Raises ChartError.
    """
    if chart.path and not chart.digest:
        return LocalChart(location=chart.path, digest=_found(root / chart.path, chart))
    if not chart.digest:
        raise ChartError(f"{chart.key}.digest: {chart} is not pinned. Pin it: `{commands.make('charts')}`")
    places = (chart.path,) if chart.path else places_of(chart, chart.digest, deployed)
    found = {place: digest for place in places if (digest := _digest_at(root / place, place, chart))}
    for place, digest in found.items():
        if digest == chart.digest:
            return LocalChart(location=place, digest=digest)
    raise ChartError(_missing(chart, found, commands))


def places_of(chart: Chart, digest: str, deployed: str) -> tuple[str, ...]:
    """Return the paths of a copy, the first choice first.

    A release that was made from the archive's own name stays with it: a different path would roll its pods.
    """
    common, own = chart.copies(digest)
    return (own,) if deployed == own else (common, own)


def _digest_at(path: Path, where: str, chart: Chart) -> str:
    """Return the digest of an archive, empty when there is none."""
    try:
        return digest_of(path.read_bytes())
    except FileNotFoundError:
        return ""
    except IsADirectoryError:
        raise ChartError(
            f"{chart.key}.digest: {where} is a folder, which has no digest. Remove the digest or the path"
        ) from None
    except OSError as error:
        raise ChartError(f"{where} can't be read: {error.strerror}") from None


def _missing(chart: Chart, found: Mapping[str, str], commands: Commands) -> str:
    """Return why none of the archives that are there will do."""
    command = f"`{commands.make('charts')}`"
    others = " and ".join(f"{place} is {digest}" for place, digest in found.items())
    if others:
        remedy = "Put the right one there" if chart.path else f"Get the pinned one: {command}"
        return f"{others}, but {chart.key}.digest is {chart.digest}. {remedy}"
    if chart.path:
        return f"{chart.key}.path: {chart.path} doesn't exist"
    return (
        f"{chart} is not in charts/. Run {command}, "
        f"or, with a copy of your own, `{commands.make('charts', CHART='path')}`"
    )


def _found(path: Path, chart: Chart) -> str:
    if path.is_file():
        return digest_of(path.read_bytes())
    if not path.is_dir():
        raise ChartError(f"{chart.key}.path: {chart.path} doesn't exist")
    files = sorted(file for file in path.rglob("*") if file.is_file())
    contents = [f"{file.relative_to(path).as_posix()} {digest_of(file.read_bytes())}\n" for file in files]
    return digest_of("".join(contents).encode())
