"""Two stacks in a cluster: both serve and deliver, neither sees the other, the end of one is nothing to the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from embedded import sample
from embedded.cluster import Cluster
from embedded.instance import Instance
from embedded.programs import Programs
from embedded.stack import Stack
from settings.names import Names
from tests.e2e.steps import configure
from tests.e2e.views import Kubectl, Site

HOST = "blue.infisical.test"
DELIVERY = {"environment": "prod", "secret": "shop-env"}
OPERATOR = "infisical-secrets-operator"
LITTLE = {"cpuRequest": "10m"}


def applied(kubectl: Kubectl, namespace: str) -> dict[str, Any]:
    """Make a namespace, and return the sections of an application that gets its secrets there."""
    kubectl("create", "namespace", namespace)
    applications = {
        "shop": {**sample.sections()["applications"]["shop"], "deliver": [DELIVERY | {"namespace": namespace}]}
    }
    return {**sample.sections(), "applications": applications}


def second(instance: Instance, programs: Programs, sections: Mapping[str, object]) -> Stack:
    stack = Stack(instance, programs, folder="second")
    stack.init(
        {
            **sections,
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
    for namespace in (*names.namespaces, names.own(OPERATOR)):
        for pod in json.loads(kubectl("get", "pods", "-n", namespace, "-o", "json"))["items"]:
            if pod["status"]["phase"] == "Running":
                states = pod["status"]["containerStatuses"]
                found[f"{pod['metadata']['name']} {pod['metadata']['uid']}"] = sum(s["restartCount"] for s in states)
    return found


def test_two_stacks_side_by_side(
    cluster: Cluster, instance: Instance, programs: Programs, kubectl: Kubectl, stack: Stack, site: Site
) -> None:
    assert cluster
    configure(stack, **applied(kubectl, "shop"))
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    alone, delivered = running(kubectl, Names()), kubectl.secret("shop", "shop-env")
    blue, its_site = second(instance, programs, applied(kubectl, "green-shop")), Site(instance, HOST)

    blue.run("up", "--yes", "--skip-preview", quiet=True)
    assert running(kubectl, Names()) == alone, "the first one has not noticed"
    theirs = kubectl.secret("green-shop", "shop-env")
    assert theirs.keys() == delivered.keys()
    assert theirs["FEATURES"] == delivered["FEATURES"]
    assert theirs["SESSION_KEY"] != delivered["SESSION_KEY"], "each generates its own"
    for each, namespace in ((site, "platform-db-pg"), (its_site, "blue-platform-db-pg")):
        assert each.status()["detail"]["database"]["host"] == f"platform-db-cluster-pooler.{namespace}.svc"
    for each in (stack, blue):
        each.run("up", "--yes", "--skip-preview", "--expect-no-changes", quiet=True)
        each.operate("doctor", quiet=True)

    blue.operate("destroy", "--yes", quiet=True)
    left = kubectl("get", "namespaces,clusterroles,clusterrolebindings", "-o", "name").split()
    assert not [name for name in left if "blue" in name]
    assert running(kubectl, Names()) == alone
    assert kubectl.secret("shop", "shop-env") == delivered, "the kinds stay, and what the first one made of them"
    assert site.status()
    stack.run("up", "--yes", "--skip-preview", "--expect-no-changes", quiet=True)
