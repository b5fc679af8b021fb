"""Two stacks share a cluster: both serve, neither sees the other, and the end of one is nothing to the other."""

from __future__ import annotations

import json
from collections.abc import Mapping

from embedded.cluster import Cluster
from embedded.instance import Instance
from embedded.programs import Programs
from embedded.stack import Stack
from settings.names import Names
from tests.e2e.views import Kubectl, Site

HOST = "blue.infisical.test"
LITTLE = {"cpuRequest": "10m"}


def second(instance: Instance, programs: Programs) -> Stack:
    stack = Stack(instance, programs, folder="second")
    stack.init(
        {
            "cluster": {"context": "infisical-embedded", "protect": False, "namePrefix": "blue"},
            "infisical": {**_infisical(), "siteUrl": f"https://{HOST}", "replicas": 1, **LITTLE},
        }
    )
    return stack


def _infisical() -> dict[str, object]:
    chart = {"flavour": "infisical-standalone", "version": "1.10.0", "path": "embedded/charts/infisical-standalone"}
    return {
        "image": "embedded.local/infisical:v0.165.8",
        "memoryRequest": "128Mi",
        "memoryLimit": "512Mi",
        "chart": chart,
    }


def running(kubectl: Kubectl, names: Names) -> Mapping[str, int]:
    """Every pod that serves, by its uid, and how often its containers have started again."""
    found: dict[str, int] = {}
    for namespace in names.namespaces:
        for pod in json.loads(kubectl("get", "pods", "-n", namespace, "-o", "json"))["items"]:
            if pod["status"]["phase"] == "Running":
                states = pod["status"]["containerStatuses"]
                found[f"{pod['metadata']['name']} {pod['metadata']['uid']}"] = sum(s["restartCount"] for s in states)
    return found


def test_two_stacks_side_by_side(
    cluster: Cluster, instance: Instance, programs: Programs, kubectl: Kubectl, stack: Stack, site: Site
) -> None:
    assert cluster
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    alone = running(kubectl, Names())
    blue, its_site = second(instance, programs), Site(instance, HOST)

    blue.run("up", "--yes", "--skip-preview", quiet=True)
    assert running(kubectl, Names()) == alone, "the first one has not noticed"
    for each, namespace in ((site, "platform-db-pg"), (its_site, "blue-platform-db-pg")):
        assert each.status()["detail"]["database"]["host"] == f"platform-db-cluster-pooler.{namespace}.svc"
    for each in (stack, blue):
        each.run("up", "--yes", "--skip-preview", "--expect-no-changes", quiet=True)
        each.operate("doctor", quiet=True)

    blue.operate("destroy", "--yes", quiet=True)
    left = kubectl("get", "namespaces,clusterroles,clusterrolebindings", "-o", "name").split()
    assert not [name for name in left if "blue" in name]
    assert running(kubectl, Names()) == alone
    assert site.status()
    stack.run("up", "--yes", "--skip-preview", "--expect-no-changes", quiet=True)
