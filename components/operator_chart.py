"""Read the custom resource definitions out of an operator's chart, so that the stack owns them."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from pulumi import Resource, ResourceOptions
from pulumi_kubernetes.apiextensions import CustomResource

from settings import ChartError, LocalChart

# The one in C takes a tenth of the time: definitions have tens of thousands of lines, and each preview reads them.
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MARK = "kind: CustomResourceDefinition"
_DOCUMENTS = re.compile(r"^---\s*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatorChart:
    """The chart on this machine, and the kinds that it defines.

    A chart with its definitions among its templates deletes them when Helm uninstalls it, and with them every custom
    resource of the cluster, whoever made it. One with a folder `crds` never upgrades them.
    """

    location: str
    digest: str
    kinds: Sequence[Mapping[str, Any]]  # manifests, in the order of their names

    @classmethod
    def read(cls, chart: LocalChart, root: Path, key: str = "secretsOperator.chart") -> OperatorChart:
        """Return the chart with its kinds; `key` is its section. Raises ChartError where it has none, or templates."""
        where = root / chart.location
        sources = _folder(where) if where.is_dir() else _archive(where, key)
        found = [(name, part) for name, text in sources for part in _DOCUMENTS.split(text) if _MARK in part]
        kinds = [_kind(name, text, chart.location, key) for name, text in found]
        if not kinds:
            raise ChartError(f"{key}: {chart.location} defines no custom resource")
        kinds.sort(key=lambda kind: kind["metadata"]["name"])
        return cls(location=chart.location, digest=chart.digest, kinds=kinds)

    @property
    def terse_kinds(self) -> Sequence[Mapping[str, Any]]:
        """Return the kinds without descriptions: these are most of 3 MB, which would be in the state twice."""
        return [{**kind, "spec": _terse(kind["spec"])} for kind in self.kinds]


def own_kind(name: str, manifest: Mapping[str, Any], *, keep: bool, parent: Resource) -> CustomResource:
    """Create a CustomResourceDefinition. It may be there already: from a stack before, or from a release of Helm's."""
    return CustomResource(
        name,
        api_version="apiextensions.k8s.io/v1",
        kind="CustomResourceDefinition",
        metadata={**manifest["metadata"], "annotations": {"pulumi.com/patchForce": "true"}},
        spec=manifest["spec"],
        opts=ResourceOptions(parent=parent, retain_on_delete=keep),
    )


def _folder(path: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(path.rglob("*.yaml")):
        yield file.name, file.read_text()


def _archive(path: Path, key: str) -> Iterator[tuple[str, str]]:
    try:
        with tarfile.open(path, mode="r:gz") as archive:
            for member in archive:
                if member.name.endswith(".yaml") and (file := archive.extractfile(member)):
                    yield member.name, file.read().decode()
    except (OSError, EOFError, tarfile.TarError, UnicodeDecodeError):
        raise ChartError(f"{key}: {path.name} is not an archive of a chart") from None


def _kind(name: str, text: str, location: str, key: str) -> Mapping[str, Any]:
    """Return the manifest of a template. Its lines for Helm are a condition around it, and labels."""
    plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("{{"))
    try:
        manifest = cast("dict[str, Any]", yaml.load(plain, _LOADER))  # noqa: S506
        metadata = {"name": str(manifest["metadata"]["name"])}
        spec = cast("dict[str, Any]", manifest["spec"])
    except (yaml.YAMLError, TypeError, KeyError):
        reason = "its definition of a custom resource can't be read without Helm"
        raise ChartError(f"{key}: {name} of {location}: {reason}") from None
    return {"metadata": metadata, "spec": spec}


def _terse(node: Any, *, names: bool = False) -> Any:
    """Return a schema without its descriptions. Below `properties` stand names of fields, which stay."""
    if isinstance(node, list):
        return [_terse(each) for each in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    return {
        key: _terse(value, names=key == "properties" and not names)
        for key, value in cast("dict[str, Any]", node).items()
        if names or key != "description" or not isinstance(value, str)
    }
