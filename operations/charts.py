"""Put a stack's chart below charts/ once and pin it, so that neither preview nor up needs its repository again."""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from components.helm_release import deployed_chart
from operations import chart_archive, chart_repository
from operations.errors import OperationError
from operations.pulumi import ROOT, Stack
from operations.state import state_of
from settings.infisical import ChartSettings
from settings.machinery.charts import digest_of, places_of


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """Get, check, store and pin the chart; `arguments.chart` is an archive of the user's. Return 0.

    Raises OperationError.
    """
    chart = stack.settings().infisical.chart
    if chart.path:
        raise OperationError(
            f"infisical.chart.path: stack {stack.name} takes its chart from {chart.path}, not from charts/; to change "
            f"that: {stack.commands.remove('infisical.chart.path')}"
        )
    copies = _Copies(chart, deployed_chart(chart.flavour, state_of(stack)))
    archive, source = _archive(stack, chart, copies, arguments.chart)
    _check(stack, chart, archive, source)
    digest = digest_of(archive)
    title = f"chart {chart.flavour} {chart.version} ({digest})"
    if place := copies.place_of(digest):
        print(f"{title}: already there, {place}")
    else:
        place = copies.place_for(digest)
        _write(ROOT / place, archive)
        print(f"{title}: from {source}, now in {place}")
    if not chart.digest:
        stack.set("infisical.chart.digest", digest, secret=False)
        print(f"pinned as infisical.chart.digest of stack {stack.name}, trusting {source}: no other archive will do")
    return 0


@dataclass(frozen=True, slots=True)
class _Copies:
    """What is in charts/ under the chart's version. Stacks that pin different archives have one each there."""

    chart: ChartSettings
    deployed: str  # the path that the stack's release was made from

    def read(self, place: str) -> bytes | None:
        path = ROOT / place
        return chart_archive.read(path) if path.is_file() else None

    def place_of(self, digest: str) -> str:
        """Return where the program will find the archive, empty when it won't."""
        places = places_of(self.chart, digest, self.deployed)
        return next((place for place in places if digest_of(self.read(place) or b"") == digest), "")

    def place_for(self, digest: str) -> str:
        """Return where to write the archive: beside a different one of the chart, in place of what is damaged."""
        first, *others = places_of(self.chart, digest, self.deployed)
        return others[0] if others and self._has_a_chart(first) else first

    def _has_a_chart(self, place: str) -> bool:
        try:
            content = self.read(place)
            return content is not None and chart_archive.identity(content, place)[0] == self.chart.flavour
        except OperationError:
            return False


def _archive(stack: Stack, chart: ChartSettings, copies: _Copies, given: Path | None) -> tuple[bytes, str]:
    """Return the archive and its source: the user's file, a copy in charts/, or the repository."""
    if given:
        return _given(given), str(given)
    for place in chart.copies(chart.digest or ""):
        if (copied := copies.read(place)) and chart.digest in (None, digest_of(copied)):
            return copied, place
    try:
        return chart_repository.fetch(chart)
    except OperationError as error:
        with_copy = stack.commands.make("charts", CHART="path")
        raise OperationError(f"{error}; with a copy of yours: `{with_copy}`") from None


def _given(path: Path) -> bytes:
    if path.is_dir():
        raise OperationError(f"CHART={path} is a folder: give the archive that `helm package {path}` makes of it")
    if not path.is_file():
        raise OperationError(f"CHART={path} is not there")
    return chart_archive.read(path)


def _check(stack: Stack, chart: ChartSettings, archive: bytes, source: str) -> None:
    """Refuse an archive that is not the stack's chart."""
    name, version = chart_archive.identity(archive, source)
    if (name, version) != (chart.flavour, chart.version):
        raise OperationError(
            f"{source} is chart {name} {version}, but the stack's infisical.chart is {chart.flavour} {chart.version}"
        )
    digest = digest_of(archive)
    if chart.digest not in (None, digest):
        raise OperationError(
            f"{source} is {digest}, but infisical.chart.digest is {chart.digest}; if it is the one you mean, unpin "
            f"first: {stack.commands.remove('infisical.chart.digest')}"
        )


def _write(path: Path, content: bytes) -> None:
    """Write the whole file, or leave what is there."""
    try:
        path.parent.mkdir(exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
            os.chmod(name, 0o644)
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise OperationError(f"{path} can't be written: {error.strerror}") from None
