"""Apply the platform's objects with kubectl, to time its parts alone and in waves."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import yaml

from bench.samples import seconds
from pictures.order import DATA_SERVICES
from settings.names import Names
from tests.contract.manifests import Json, manifest
from tests.e2e.views import Kubectl
from tests.unit.harness import Graph, Resource

NAMES = Names()  # of stack dev


@dataclass(frozen=True)
class Platform:
    """The objects of a recorded graph on a real cluster. The chart's are `rendered`."""

    kubectl: Kubectl
    graph: Graph
    rendered: list[Json]

    def parts(self) -> dict[str, float]:
        """Return the seconds that each part takes while nothing else comes up."""
        self.apply("infisical-secrets")
        return {
            "certificate": self.alone("ingress-certificate"),
            "database": self.alone("platform-db"),
            "redis": self.alone("platform-kv"),
            "certificate sync": self.alone("cert-sync"),
            "migration": self.alone("InfisicalMigration/infisical-migration"),
            "release": self.alone("Release/infisical", "infisical-gate"),
            "route": self.alone("ingress-route"),
        }

    def waves(self) -> float:
        """Return the platform's seconds in three waves, like those of the deployment that this program replaces."""
        later = self._members(["cert-sync", "infisical-migration", "infisical", "ingress"])
        databases = [[r for r in self._members([name]) if _slow(r)] for name in ("platform-db", "platform-kv")]
        not_yet = [*later, *itertools.chain(*databases)]
        first = [r for r in self._members(map(str, self.graph.objects)) if r not in not_yet]

        def apply(wave: list[Resource]) -> None:
            self.apply(*map(str, wave))

        def in_order() -> None:
            apply(first)
            with ThreadPoolExecutor() as pool:
                list(pool.map(apply, databases))
            apply(later)

        return seconds(in_order)

    def alone(self, *names: str) -> float:
        """Return the seconds of `apply`."""
        return seconds(lambda: self.apply(*names))

    def apply(self, *names: str) -> None:
        """Apply the objects of the named parts in the program's order, and wait where the program waits."""
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
        """Delete custom resources first, because their operators delete by name and go on for a while."""
        for namespace in NAMES.namespaces:
            for kind in ("postgresql", "redissentinel", "redisreplication"):
                self.kubectl("delete", kind, "--all", "-n", namespace, "--timeout=120s")
        self.kubectl("delete", "namespace", *NAMES.namespaces, "--ignore-not-found", "--timeout=300s")

    def _members(self, names: Iterable[str]) -> list[Resource]:
        """Return the objects of the named parts, without patches: `apply` would take them for the whole object."""
        made = {r.urn for name in names for r in self.graph.made_by(name)}
        ours = [r for r in self.graph.objects if r.urn in made and r.type.startswith("kubernetes:")]
        return [r for r in ours if not r.type.endswith("Patch")]

    def _apply(self, objects: list[Json]) -> None:
        if objects:
            listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
            self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=listed)


def rendered(kubectl: Kubectl) -> list[Json]:
    """Return the chart's objects as Helm keeps them beside a release. Helm adds the namespace when it applies them."""
    stored = json.loads(
        kubectl("get", "secret", "sh.helm.release.v1.infisical.v1", "-n", NAMES.infisical, "-o", "json")
    )
    packed = base64.b64decode(base64.b64decode(stored["data"]["release"]))
    made: list[Json] = [item for item in yaml.safe_load_all(json.loads(gzip.decompress(packed))["manifest"]) if item]
    return [item | {"metadata": {"namespace": NAMES.infisical, **item["metadata"]}} for item in made]


def _slow(resource: Resource) -> bool:
    return resource.kind in DATA_SERVICES or "gate" in resource.name


def _condition(resource: Resource) -> str:
    if resource.kind == "Job":
        return "condition=Complete"
    if resource.kind == "Ingress":
        return "jsonpath={.status.loadBalancer.ingress}"
    return resource.inputs.get("metadata", {}).get("annotations", {}).get("pulumi.com/waitFor", "")
