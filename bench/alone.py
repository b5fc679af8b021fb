"""The platform's objects applied with kubectl: what its parts take alone, and what they take in waves."""

from __future__ import annotations

import base64
import gzip
import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import yaml

from tests.contract.manifests import Json, manifest
from tests.unit.harness import Graph, Resource

NAMESPACES = ("infisical", "platform-db-pg", "platform-kv-redis-cluster")
Kubectl = Callable[..., str]


@dataclass(frozen=True)
class Platform:
    """The objects of a recorded graph on a real cluster. The chart's are `rendered`."""

    kubectl: Kubectl
    graph: Graph
    rendered: list[Json]

    def parts(self) -> dict[str, float]:
        """Seconds that each part takes while nothing else comes up."""
        self.apply("infisical-secrets")
        return {
            "certificate": self.seconds("ingress-certificate"),
            "database": self.seconds("platform-db"),
            "redis": self.seconds("platform-kv"),
            "certificate sync": self.seconds("cert-sync"),
            "migration": self.seconds("infisical-migration-uri", "Job/infisical-migration"),
            "release": self.seconds("Release/infisical", "infisical-gate"),
            "route": self.seconds("ingress-route"),
        }

    def waves(self) -> float:
        """Seconds of the whole in three waves, as the deployment had them that this program replaces."""
        later = self._members(["cert-sync", "infisical", "ingress"])
        databases = {
            name: [str(r) for r in self._members([name]) if _slow(r)] for name in ("platform-db", "platform-kv")
        }
        slow = {name for names in databases.values() for name in names}
        began = time.monotonic()
        self.apply(
            *(str(r) for r in self._members(map(str, self.graph.objects)) if r not in later and str(r) not in slow)
        )
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda names: self.apply(*names), databases.values()))
        self.apply(*map(str, later))
        return time.monotonic() - began

    def seconds(self, *names: str) -> float:
        """How long `apply` takes."""
        began = time.monotonic()
        self.apply(*names)
        return time.monotonic() - began

    def apply(self, *names: str) -> None:
        """Applies what the names make, in the program's order; waits where the program waits."""
        batch: list[Json] = []
        for resource in self._members(names):
            batch += self.rendered if resource.kind == "Release" else [manifest(resource)]
            if condition := _condition(resource):
                self._apply(batch)
                made, batch = batch[-1], []
                place = ("-n", made["metadata"]["namespace"], f"{made['kind']}/{made['metadata']['name']}")
                self.kubectl("wait", *place, f"--for={condition}", "--timeout=300s")
        self._apply(batch)

    def delete(self) -> None:
        """Custom resources first: their operators delete by name, and go on for a while."""
        for namespace in NAMESPACES:
            for kind in ("postgresql", "redissentinel", "redisreplication"):
                self.kubectl("delete", kind, "--all", "-n", namespace, "--timeout=120s")
        self.kubectl("delete", "namespace", *NAMESPACES, "--ignore-not-found", "--timeout=300s")

    def _members(self, names: Iterable[str]) -> list[Resource]:
        made = {r.urn for name in names for r in self.graph.made_by(name)}
        return [r for r in self.graph.objects if r.urn in made and r.type.startswith("kubernetes:")]

    def _apply(self, objects: list[Json]) -> None:
        if objects:
            listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
            self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=listed)


def rendered(kubectl: Kubectl) -> list[Json]:
    """The chart's objects, as Helm keeps them beside a release; it adds the namespace when it applies them."""
    stored = json.loads(kubectl("get", "secret", "sh.helm.release.v1.infisical.v1", "-n", "infisical", "-o", "json"))
    packed = base64.b64decode(base64.b64decode(stored["data"]["release"]))
    made: list[Json] = [item for item in yaml.safe_load_all(json.loads(gzip.decompress(packed))["manifest"]) if item]
    return [item | {"metadata": {"namespace": "infisical", **item["metadata"]}} for item in made]


def _slow(resource: Resource) -> bool:
    return resource.kind in ("postgresql", "RedisReplication", "RedisSentinel") or "gate" in resource.name


def _condition(resource: Resource) -> str:
    if resource.kind == "Job":
        return "condition=Complete"
    if resource.kind == "Ingress":
        return "jsonpath={.status.loadBalancer.ingress}"
    return resource.inputs.get("metadata", {}).get("annotations", {}).get("pulumi.com/waitFor", "")
