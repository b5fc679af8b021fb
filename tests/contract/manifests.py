"""The program's graph as Kubernetes' own manifests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.unit.harness import Graph, Resource, made_name

Json = dict[str, Any]


def manifests(graph: Graph) -> Iterator[Json]:
    """Every object of the graph but the Helm release and patches of it, as it reaches the API server."""
    for resource in graph.objects:
        if resource.type.startswith("kubernetes:") and resource.kind not in ("Release", "DeploymentPatch"):
            yield manifest(resource)


def manifest(resource: Resource) -> Json:
    """Pulumi's own types know their apiVersion and kind, and a name is made where none is given."""
    group = resource.type.split(":")[1].removeprefix("core/")
    identity = {"apiVersion": group, "kind": resource.kind}
    metadata: Json = {"name": made_name(resource.name), **resource.inputs.get("metadata", {})}
    return {**identity, **_without_unset(resource.inputs), "metadata": _without_unset(metadata)}


def is_custom(manifest: Json) -> bool:
    """Whether an operator defines it, and not Kubernetes."""
    group = manifest["apiVersion"].partition("/")[0]
    return ("." in group and not re.search(r"(^|\.)k8s\.io$", group)) or group == "gateway.networking.k8s.io"


def pods(graph: Graph) -> Iterator[tuple[str, str, Json]]:
    """Namespace, "Kind/name" and the pod template of everything with pods that we write ourselves."""
    for manifest in manifests(graph):
        spec: Any = manifest.get("spec", {})
        if manifest["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if isinstance(spec, dict) and "template" in spec:
            metadata = manifest["metadata"]
            yield metadata["namespace"], f"{manifest['kind']}/{metadata['name']}", spec["template"]


def _without_unset(value: Json) -> Json:
    return {key: item for key, item in value.items() if item is not None}
