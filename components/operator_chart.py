"""Read the custom resource definitions out of the secrets operator's chart, so that the stack owns them."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from settings import ChartError, LocalChart

_MARK = "kind: CustomResourceDefinition"


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatorChart:
    """The chart on this machine, and the kinds that it defines.

    The chart has its definitions among its templates, so an uninstall by Helm would delete them, and with them every
    custom resource of the cluster, whoever made it.
    """

    location: str
    digest: str
    kinds: Sequence[Mapping[str, Any]]  # manifests, in the order of their names

    @classmethod
    def read(cls, chart: LocalChart, root: Path) -> OperatorChart:
        """Return the chart with its kinds. Raises ChartError where it defines none, or templates them."""
        where = root / chart.location
        sources = _folder(where) if where.is_dir() else _archive(where)
        kinds = [_kind(name, text, chart.location) for name, text in sources if _MARK in text]
        if not kinds:
            raise ChartError(f"secretsOperator.chart: {chart.location} defines no custom resource")
        kinds.sort(key=lambda kind: kind["metadata"]["name"])
        return cls(location=chart.location, digest=chart.digest, kinds=kinds)


def _folder(path: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(path.rglob("*.yaml")):
        yield file.name, file.read_text()


def _archive(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with tarfile.open(path, mode="r:gz") as archive:
            for member in archive:
                if member.name.endswith(".yaml") and (file := archive.extractfile(member)):
                    yield member.name, file.read().decode()
    except (OSError, EOFError, tarfile.TarError, UnicodeDecodeError):
        raise ChartError(f"secretsOperator.chart: {path.name} is not an archive of a chart") from None


def _kind(name: str, text: str, location: str) -> Mapping[str, Any]:
    """Return the manifest of a template. Its lines for Helm are a condition around it, and labels."""
    plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("{{"))
    try:
        manifest = cast("dict[str, Any]", yaml.safe_load(plain))
        metadata = {"name": str(manifest["metadata"]["name"])}
        spec = cast("dict[str, Any]", manifest["spec"])
    except (yaml.YAMLError, TypeError, KeyError):
        reason = "its definition of a custom resource can't be read without Helm"
        raise ChartError(f"secretsOperator.chart: {name} of {location}: {reason}") from None
    return {"metadata": metadata, "spec": spec}
