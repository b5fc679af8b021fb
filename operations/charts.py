"""Put a stack's charts below charts/ once and pin them, so that neither preview nor up needs a repository again."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.helm_release import deployed_chart
from operations import chart_archive, chart_repository
from operations.errors import OperationError
from operations.pulumi import ROOT, Stack
from operations.state import state_of
from settings.machinery.charts import Chart, digest_of, places_of


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """Get, check, store and pin each chart; `arguments.chart` is an archive of the user's, of one of them. Return 0.

    Raises OperationError.
    """
    charts = stack.settings().charts
    if arguments.chart:
        archive = _given(arguments.chart)
        _store(stack, _of(charts, archive, arguments.chart), (archive, str(arguments.chart)))
        return 0
    fetched = [chart for chart in charts if not chart.path]
    for chart in charts:
        if chart.path and not fetched:
            raise OperationError(_has_a_path(stack, chart))
        if chart.path:
            print(_has_a_path(stack, chart))
    for chart in fetched:
        _store(stack, chart, None)
    return 0


def _of(charts: Sequence[Chart], archive: bytes, source: Path) -> Chart:
    """Return the chart that an archive of the user's is; the first one where it is none of them."""
    name, _ = chart_archive.identity(archive, str(source))
    return next((chart for chart in charts if chart.name == name), charts[0])


def _has_a_path(stack: Stack, chart: Chart) -> str:
    return (
        f"{chart.key}.path: stack {stack.name} takes its chart from {chart.path}, not from charts/; to change that: "
        f"{stack.commands.remove(f'{chart.key}.path')}"
    )


def _store(stack: Stack, chart: Chart, given: tuple[bytes, str] | None) -> None:
    if chart.path:
        raise OperationError(_has_a_path(stack, chart))
    copies = _Copies(chart, deployed_chart(chart, state_of(stack)))
    archive, source = given or _archive(stack, chart, copies)
    _check(stack, chart, archive, source)
    digest = digest_of(archive)
    title = f"{chart} ({digest})"
    if place := copies.place_of(digest):
        print(f"{title}: already there, {place}")
    else:
        place = copies.place_for(digest)
        _write(ROOT / place, archive)
        print(f"{title}: from {source}, now in {place}")
    if not chart.digest:
        stack.set(f"{chart.key}.digest", digest, secret=False)
        print(f"pinned as {chart.key}.digest of stack {stack.name}, trusting {source}: no other archive will do")


@dataclass(frozen=True, slots=True)
class _Copies:
    """What is in charts/ under the chart's version. Stacks that pin different archives have one each there."""

    chart: Chart
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
            return content is not None and chart_archive.identity(content, place)[0] == self.chart.name
        except OperationError:
            return False


def _archive(stack: Stack, chart: Chart, copies: _Copies) -> tuple[bytes, str]:
    """Return the archive and its source: a copy in charts/, or the repository."""
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


def _check(stack: Stack, chart: Chart, archive: bytes, source: str) -> None:
    """Refuse an archive that is not the stack's chart."""
    name, version = chart_archive.identity(archive, source)
    if (name, version) != (chart.name, chart.version):
        raise OperationError(
            f"{source} is chart {name} {version}, but the stack's {chart.key} is {chart.name} {chart.version}"
        )
    digest = digest_of(archive)
    if chart.digest not in (None, digest):
        raise OperationError(
            f"{source} is {digest}, but {chart.key}.digest is {chart.digest}; if it is the one you mean, unpin "
            f"first: {stack.commands.remove(f'{chart.key}.digest')}"
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
