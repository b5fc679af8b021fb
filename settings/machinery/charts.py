"""Which chart the program hands to Helm. It checks a local copy and needs no network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from settings.infisical import ChartSettings
from settings.machinery.commands import Commands
from settings.machinery.finding import SettingsError


class ChartError(SettingsError):
    """Why the chart can't be used, and what to do about it, in one sentence."""


def digest_of(archive: bytes) -> str:
    """Return the digest of an archive in the form that Helm repositories and OCI registries use: "sha256:…"."""
    return f"sha256:{hashlib.sha256(archive).hexdigest()}"


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalChart:
    """A chart on this machine, with the digest that tells it from a different one of the same name and version."""

    location: str  # relative to the project
    digest: str  # of its archive, or of the files in its folder


def local_copy(chart: ChartSettings, commands: Commands, root: Path = Path(".")) -> LocalChart:
    """Return the chart below `root`, after a check that the chart is there and is the pinned one.

    An archive must have the digest that is set. A chart of the user's own (`path`) needs none. Raises ChartError.
    """
    where = chart.location
    if chart.path and not chart.digest:
        return LocalChart(location=where, digest=_found(root / where, where))
    command = f"`{commands.make('charts')}`"
    if not chart.digest:
        raise ChartError(
            f"infisical.chart.digest: chart {chart.flavour} {chart.version} is not pinned. Pin it: {command}"
        )
    try:
        found = digest_of((root / where).read_bytes())
    except IsADirectoryError:
        raise ChartError(
            f"infisical.chart.digest: {where} is a folder, which has no digest. Remove the digest or the path"
        ) from None
    except FileNotFoundError:
        if chart.path:
            raise ChartError(f"infisical.chart.path: {where} doesn't exist") from None
        raise ChartError(
            f"chart {chart.flavour} {chart.version} is not in charts/. Run {command}, "
            f"or, with a copy of your own, `{commands.make('charts', CHART='path')}`"
        ) from None
    except OSError as error:
        raise ChartError(f"{where} can't be read: {error.strerror}") from None
    if found != chart.digest:
        remedy = "Put the right one there" if chart.path else f"Delete it and run {command}"
        raise ChartError(f"{where} is {found}, but infisical.chart.digest is {chart.digest}. {remedy}")
    return LocalChart(location=where, digest=found)


def _found(path: Path, where: str) -> str:
    if path.is_file():
        return digest_of(path.read_bytes())
    if not path.is_dir():
        raise ChartError(f"infisical.chart.path: {where} doesn't exist")
    files = sorted(file for file in path.rglob("*") if file.is_file())
    contents = [f"{file.relative_to(path).as_posix()} {digest_of(file.read_bytes())}\n" for file in files]
    return digest_of("".join(contents).encode())
