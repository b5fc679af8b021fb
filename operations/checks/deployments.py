"""Deployments which run an operator, whatever they are called and wherever they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from operations.checks.result import Result, fail, ok
from operations.checks.versions import Version
from operations.cluster import Cluster, Object


@dataclass(frozen=True, slots=True)
class Deployed:
    """One container of a Deployment."""

    namespace: str
    name: str
    image: str
    environment: Mapping[str, str]  # what can be told without looking into other objects
    arguments: Sequence[str]
    available: int  # pods

    @property
    def repository(self) -> str:
        """The last part of the image's name."""
        return self.image.partition("@")[0].rpartition("/")[2].partition(":")[0]

    @property
    def version(self) -> Version | None:
        """From the image's tag."""
        return Version.find(self.image.partition("@")[0].rpartition("/")[2].partition(":")[2])

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def find(cluster: Cluster, wanted: Callable[[Deployed], bool]) -> list[Deployed]:
    """Of all namespaces. Raises Unanswered."""
    deployments = cluster.items("/apis/apps/v1/deployments")
    containers = (_container(deployment, container) for deployment in deployments
                  for container in deployment["spec"]["template"]["spec"]["containers"])  # fmt: skip
    return [container for container in containers if wanted(container)]


def _container(deployment: Object, container: Object) -> Deployed:
    namespace = deployment["metadata"]["namespace"]
    return Deployed(
        namespace,
        deployment["metadata"]["name"],
        container["image"],
        {entry["name"]: _value(entry, namespace) for entry in container.get("env", [])},
        [*container.get("command", []), *container.get("args", [])],
        deployment.get("status", {}).get("availableReplicas", 0),
    )


def _value(entry: Object, namespace: str) -> str:
    field = entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
    return namespace if field == "metadata.namespace" else entry.get("value", "")


def flag(deployed: Deployed, name: str) -> str:
    """The value of a command-line flag; empty without."""
    found = re.search(rf"(?:^| )--{name}[= ](\S+)", " ".join(deployed.arguments))
    return found[1] if found else ""


def watching(subject: str, scope: set[str], wanted: Collection[str], fix: str) -> Result:
    """Whether an operator acts in the namespaces `wanted`; its `scope` is empty for all of them."""
    subject = f"{subject}: namespaces"
    if not scope:
        return ok(subject, "acts in all of them")
    if missing := sorted(set(wanted) - scope):
        return fail(subject, f"acts in {', '.join(sorted(scope))} only, not in {', '.join(missing)}", fix)
    return ok(subject, f"acts in {', '.join(wanted)}")
