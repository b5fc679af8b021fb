"""A cluster that asks much of pods and namespaces, and has no operators: settings alone bring the platform up there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from embedded.__main__ import Progress, meanwhile, start
from embedded.cluster import Cluster
from embedded.errors import EmbeddedError
from embedded.hostile import DOMAIN, OWN, TAINT
from embedded.instance import HOSTILE, Instance
from embedded.programs import Programs
from embedded.stack import Stack
from tests.e2e.steps import SECRET_PATH, assert_healthy, login
from tests.e2e.views import Kubectl, Site

KINDS = ("postgresqls.acid.zalan.do", "redissentinels.redis.redis.opstreelabs.in", "certificates.cert-manager.io")

CARELESS = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "careless"},
    "spec": {
        "containers": [
            {"name": "main", "image": "busybox", "resources": {"limits": {"cpu": "100m", "memory": "64Mi"}}},
        ]
    },
}


@dataclass(frozen=True, slots=True)
class Hostile:
    """The cluster, and the stack on it."""

    instance: Instance
    cluster: Cluster
    kubectl: Kubectl
    stack: Stack

    def listed(self, *what: str) -> list[Any]:
        return json.loads(self.kubectl("get", *what, "-o", "json"))["items"]

    def servers(self, namespace: str) -> set[tuple[str, str]]:
        """Return name and uid of each pod that is no Job's."""
        found = [pod["metadata"] for pod in self.listed("pods", "-n", namespace)]
        return {(pod["name"], pod["uid"]) for pod in found if pod["ownerReferences"][0]["kind"] != "Job"}

    def changed(self, key: str, value: str) -> None:
        """Bring the stack up with another value of a setting."""
        self.stack.run("config", "set", "--path", f"infisical-platform:{key}", value, quiet=True)
        self.stack.run("up", "--yes", "--skip-preview", quiet=True)

    @property
    def tenants(self) -> list[str]:
        """Namespaces that are not the cluster's own."""
        return sorted({each["metadata"]["name"] for each in self.listed("namespaces")} - {*OWN, "default"})


@pytest.fixture(scope="module")
def hostile(instance: Instance, programs: Programs) -> Iterator[Hostile]:
    """Bring the platform up on a cluster that is empty. Each test begins where the last one ended."""
    apart = Instance(f"{instance.name}-hostile")
    Cluster(apart, programs, Progress()).down()
    cluster = start(apart, Progress(), kind=HOSTILE)
    stack = Stack(apart, programs)
    stack.init()
    began = time.monotonic()
    try:
        with meanwhile(cluster, stack.interrupt):
            stack.run("up", "--yes", "--skip-preview", quiet=True)
        print(f"\nhostile: from no operators to a platform that serves in {time.monotonic() - began:.0f} s")
        yield Hostile(apart, cluster, Kubectl(programs, apart), stack)
    finally:
        cluster.down()


def test_it_serves_in_a_cluster_that_is_what_it_says(hostile: Hostile) -> None:
    assert_healthy(Site(hostile.instance))
    with pytest.raises(AssertionError, match='violates PodSecurity "restricted'):
        hostile.kubectl("create", "-n", "default", "--dry-run=server", "-f", "-", stdin=json.dumps(CARELESS))


def test_every_pod_is_where_it_must_be_and_within_limits(hostile: Hostile) -> None:
    [tainted] = [node for node in hostile.listed("nodes") if TAINT in node["spec"].get("taints", [])]
    assert len(hostile.tenants) == 6, "three of the platform, three of its operators"
    for namespace in hostile.tenants:
        quota, *others = hostile.listed("resourcequotas", "-n", namespace)
        assert (quota["metadata"]["name"], others) == ("tenant", [])
        assert hostile.listed("limitranges", "-n", namespace)
        pods = hostile.listed("pods", "-n", namespace)
        assert {pod["spec"]["nodeName"] for pod in pods} == {tainted["metadata"]["name"]}
        for pod in pods:
            for container in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])):
                assert {*container["resources"]["limits"]} == {"cpu", "memory"}, pod["metadata"]["name"]


def test_the_controller_has_published_no_address(hostile: Hostile) -> None:
    [ingress] = hostile.listed("ingresses", "-n", "infisical")
    assert ingress["status"] == {"loadBalancer": {}}
    assert hostile.instance.domain == DOMAIN


def test_somebody_logs_in_through_the_ingress(hostile: Hostile) -> None:
    site, token = Site(hostile.instance), login(hostile.kubectl)
    assert site.request("PUT", SECRET_PATH, {"value": "kept"}, token)[0] == 200
    assert site.request("GET", SECRET_PATH, token=token)[1]["value"] == "kept"
    assert site.request("GET", SECRET_PATH)[0] == 401


def test_nothing_is_left_to_do_and_nothing_is_wrong(hostile: Hostile) -> None:
    hostile.stack.run("up", "--yes", "--skip-preview", "--expect-no-changes", quiet=True)
    hostile.stack.operate("doctor", quiet=True)


def test_an_operator_leaves_the_stack_and_comes_back_and_no_pod_of_it_notices(hostile: Hostile) -> None:
    hostile.changed("cluster.protect", "true")
    there = hostile.servers("cert-manager")
    hostile.changed("operators.certManager", "present")
    assert hostile.servers("cert-manager") == there
    hostile.stack.operate("doctor", quiet=True)
    hostile.kubectl("delete", "secret", "-n", "cert-manager", "--selector", "owner=helm")
    hostile.changed("operators.certManager", "install")
    assert hostile.servers("cert-manager") == there
    hostile.stack.operate("doctor", quiet=True)
    hostile.changed("cluster.protect", "false")


def test_the_kinds_of_the_operators_outlive_the_stack_and_so_does_an_issuers_key(hostile: Hostile) -> None:
    with pytest.raises(EmbeddedError, match="cert-manager: Secret embedded-ca"):
        hostile.stack.operate("destroy", "--yes", quiet=True)
    hostile.kubectl("delete", "certificate,secret", "embedded-ca", "-n", "cert-manager")
    hostile.stack.operate("destroy", "--yes", quiet=True)
    assert hostile.tenants == []
    there = {kind["metadata"]["name"] for kind in hostile.listed("customresourcedefinitions")}
    assert {*KINDS} <= there, "with a kind goes every object of it, whoever made it"
