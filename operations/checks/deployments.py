"""Deployments that run an operator, whatever they are called and wherever they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from operations.checks.result import Result, fail, ok
from operations.checks.versions import Version
from operations.cluster import Cluster, Object, Unanswered
from safeguards.operator_images import operator_of


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables of a container. Those that refer to an object are looked up when they are asked for."""

    cluster: Cluster
    namespace: str
    metadata: Object  # of the pods
    entries: Sequence[Object]  # env
    sources: Sequence[Object]  # envFrom

    def get(self, name: str) -> str:
        """Return a variable's value, empty when it is not set. Raises Unanswered when it comes from a Secret."""
        for entry in reversed(self.entries):
            if entry["name"] == name:
                return self._value(entry)
        for source in reversed(self.sources):
            key = name.removeprefix(prefix) if name.startswith(prefix := source.get("prefix", "")) else ""
            if key and "secretRef" in source:
                raise Unanswered(f"{name} may come from Secret {source['secretRef']['name']}, which is not read here")
            if key and key in (found := self._config_map(source["configMapRef"]["name"])):
                return found[key]
        return ""

    def _value(self, entry: Object) -> str:
        match entry.get("valueFrom"):
            case {"fieldRef": {"fieldPath": str(path)}}:
                return self._field(path)
            case {"configMapKeyRef": {"name": str(name), "key": str(key)}}:
                return self._config_map(name).get(key, "")
            case {"secretKeyRef": {"name": str(name)}}:
                raise Unanswered(f"{entry['name']} comes from Secret {name}, which is not read here")
            case _:
                return entry.get("value", "")

    def _field(self, path: str) -> str:
        if path == "metadata.namespace":
            return self.namespace
        if found := re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path):
            return self.metadata.get(found[1], {}).get(found[2], "")
        return ""  # a pod's own name or address, which is no setting

    def _config_map(self, name: str) -> Mapping[str, str]:
        found = self.cluster.get(f"/api/v1/namespaces/{self.namespace}/configmaps/{name}") or {}
        return found.get("data", {})


@dataclass(frozen=True, slots=True)
class Deployed:
    """One container of a Deployment."""

    namespace: str
    name: str
    image: str
    environment: Environment
    arguments: Sequence[str]
    available: int  # pods

    @property
    def repository(self) -> str:
        """Return the last part of the image's name, empty for an operator of others with the same one."""
        return operator_of(self.image)

    @property
    def version(self) -> Version | None:
        """Return the version in the image's tag."""
        return Version.find(self.image.partition("@")[0].rpartition("/")[2].partition(":")[2])

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def find(cluster: Cluster, wanted: Callable[[Deployed], bool]) -> list[Deployed]:
    """Return the containers of all Deployments, as far as they are `wanted`. Raises Unanswered."""
    deployments = cluster.items("/apis/apps/v1/deployments")
    containers = (
        _container(cluster, deployment, container)
        for deployment in deployments
        for container in deployment["spec"]["template"]["spec"]["containers"]
    )
    return [container for container in containers if wanted(container)]


def _container(cluster: Cluster, deployment: Object, container: Object) -> Deployed:
    namespace, template = deployment["metadata"]["namespace"], deployment["spec"]["template"]
    environment = Environment(
        cluster, namespace, template.get("metadata", {}), container.get("env", []), container.get("envFrom", [])
    )
    return Deployed(
        namespace,
        deployment["metadata"]["name"],
        container["image"],
        environment,
        [*container.get("command", []), *container.get("args", [])],
        deployment.get("status", {}).get("availableReplicas", 0),
    )


def flag(deployed: Deployed, name: str) -> str:
    """Return the value of a command-line flag, with the variables in it; empty without."""
    found = re.search(rf"(?:^| )--{name}[= ](\S+)", " ".join(deployed.arguments))
    return re.sub(r"\$\((\w+)\)", lambda match: deployed.environment.get(match[1]), found[1]) if found else ""


def watching(subject: str, scope: set[str], wanted: Collection[str], fix: str) -> Result:
    """Judge whether an operator acts in the namespaces `wanted`; its `scope` is empty for all of them."""
    subject = f"{subject}: namespaces"
    if not scope:
        return ok(subject, "acts in all of them")
    if missing := sorted(set(wanted) - scope):
        return fail(subject, f"acts in {', '.join(sorted(scope))} only, not in {', '.join(missing)}", fix)
    return ok(subject, f"acts in {', '.join(wanted)}")
