"""Who reaches whom on a cluster that enforces NetworkPolicies: every pod tries every other one, allowed or not."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kinds import plain
from steps import assert_healthy, configure
from views import Kubectl, Site
from waits import ROLLOUT, eventually, kubectl_timeout

from embedded import imagebuild
from embedded.stack import Stack
from settings.names import Names

pytestmark = [pytest.mark.platform, plain]
JOB = "infisical-platform/job"
NAMES = Names()
# A pod of each kind: its namespace and the labels that find it.
REAL = {
    "infisical": (NAMES.infisical, "component=infisical"),
    "database": (NAMES.database, "application=spilo"),
    "pooler": (NAMES.database, "connection-pooler"),
    "redis": (NAMES.redis, "app=platform-kv"),
    "sentinel": (NAMES.redis, "app=platform-kv-sentinel-sentinel"),
    "postgres-operator": ("postgres-operator", "name=postgres-operator"),
    "redis-operator": ("redis-operator", "control-plane=redis-operator"),
    "controller": ("ingress", "app=traefik"),
    "resolver": ("kube-system", "k8s-app=kube-dns"),
}
# Jobs have ended by now, so pods that do nothing stand in for theirs. Nobody knows the last four.
MADE = {
    "gate-operator": (NAMES.database, {JOB: "platform-db-gate-operator"}),
    "gate-login": (NAMES.database, {JOB: "platform-db-gate-login"}),
    "cert-sync": (NAMES.database, {JOB: "cert-sync"}),
    "redis-gate": (NAMES.redis, {JOB: "platform-kv-gate"}),
    "migration": (NAMES.infisical, {JOB: "infisical-migration"}),
    "infisical-gate": (NAMES.infisical, {JOB: "infisical-gate"}),
    "ingress-issued": (NAMES.infisical, {JOB: "ingress-issued"}),
    "ingress-gate": (NAMES.infisical, {JOB: "ingress-gate"}),
    "foreign": ("default", {JOB: "cert-sync", "component": "infisical"}),  # whatever it calls itself
    "in-database": (NAMES.database, {}),
    "in-redis": (NAMES.redis, {}),
    "in-infisical": (NAMES.infisical, {}),
}
# What listens. Nothing limits who reaches the last three, so they tell what may go out.
SERVICES = (
    ("infisical", 8080),
    ("database", 5432),
    ("database", 8008),
    ("pooler", 5432),
    ("redis", 6379),
    ("sentinel", 26379),
    ("controller", 443),
    ("controller", 80),
    ("resolver", 53),
)
ALLOWED = {
    ("infisical", 8080): {"controller", "infisical-gate"},
    ("database", 5432): {"database", "pooler", "migration", "gate-login", "cert-sync", "postgres-operator"},
    ("database", 8008): {"database", "postgres-operator"},
    ("pooler", 5432): {"infisical", "gate-login", "cert-sync"},
    ("redis", 6379): {"infisical", "redis", "sentinel", "redis-gate", "redis-operator"},
    ("sentinel", 26379): {"infisical", "redis", "sentinel", "redis-gate", "redis-operator"},
    ("controller", 443): {"infisical", "ingress-gate"},
    ("controller", 80): {"ingress-gate"},
    ("resolver", 53): {*REAL, *MADE} - {"in-database", "in-redis", "in-infisical"},
}
FREE = {"postgres-operator", "redis-operator", "controller", "resolver", "foreign"}  # may go out wherever they like
# Runs in a pod's network. A connection that is dropped says nothing, so silence counts as closed.
CONNECT = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def reached(place):
    try:
        socket.create_connection(tuple(place), timeout=3).close()
        return True
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
places = json.loads(sys.argv[1])
with ThreadPoolExecutor(len(places)) as pool:
    print(json.dumps(list(pool.map(reached, places))))
"""


@pytest.fixture(scope="module")
def pods(stack: Stack, kubectl: Kubectl) -> Iterator[Mapping[str, Mapping[str, Any]]]:
    """A pod of each kind, by its name here."""
    configure(stack)
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    made = "\n---\n".join(json.dumps(_pod(name, *where)) for name, where in MADE.items())
    kubectl("apply", "-f", "-", stdin=made)
    for namespace in {namespace for namespace, _ in MADE.values()}:
        ready = ("wait", "pods", "-l", "prober", "-n", namespace, "--for=condition=Ready", kubectl_timeout(ROLLOUT))
        kubectl(*ready)
    yield {
        **{name: _found(kubectl, namespace, labels) for name, (namespace, labels) in REAL.items()},
        **{name: _found(kubectl, namespace, f"prober={name}") for name, (namespace, _) in MADE.items()},
    }
    for namespace in {namespace for namespace, _ in MADE.values()}:
        kubectl("delete", "pods", "-l", "prober", "-n", namespace, "--wait=false")


def _pod(name: str, namespace: str, labels: Mapping[str, str]) -> dict[str, Any]:
    container = {"name": "pause", "image": imagebuild.reference("pause"), "imagePullPolicy": "Never"}
    metadata = {"name": f"prober-{name}", "namespace": namespace, "labels": {**labels, "prober": name}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _found(kubectl: Kubectl, namespace: str, labels: str) -> Mapping[str, Any]:
    items = json.loads(kubectl("get", "pods", "-n", namespace, "-l", labels, "-o", "json"))["items"]
    return next(item for item in items if item["status"]["phase"] == "Running")


def _inside(pod: Mapping[str, Any], places: list[tuple[str, int]]) -> list[bool]:
    """Connect from the pod's own network, where it looks to every other pod as if the pod itself had called."""
    uid = pod["metadata"]["uid"]
    # The process that holds the network lives as long as the pod. That of a probe, which may be found first, does not.
    holders = (path.parent for path in Path("/proc").glob("[0-9]*/comm") if _text(path).strip() == "pause")
    process = next(folder.name for folder in holders if uid in _text(folder / "cgroup"))
    command = ["nsenter", f"--net=/proc/{process}/ns/net", sys.executable, "-c", CONNECT, json.dumps(places)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended meanwhile
        return ""


def test_every_pod_reaches_what_it_needs_and_nothing_else(pods: Mapping[str, Mapping[str, Any]]) -> None:
    """What enforces policies hears of a pod some moments after its start."""
    with contextlib.suppress(AssertionError):
        eventually(lambda: not _differences(pods), "the policies are enforced")
    assert _differences(pods) == {}


def _differences(pods: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, tuple[str, int]], bool]:
    """Return which pods reach what they should not, and which do not reach what they should."""
    places = [(pods[target]["status"]["podIP"], port) for target, port in SERVICES]
    with ThreadPoolExecutor(len(pods)) as pool:
        answers = dict(zip(pods, pool.map(lambda name: _inside(pods[name], places), pods), strict=True))
    seen = {
        (source, service): answers[source][number]
        for source, (number, service) in itertools.product(pods, enumerate(SERVICES))
    }
    outside = {"controller", "resolver"}  # what free pods do among themselves is not the platform's to say
    wanted = {
        (source, service): source in ALLOWED[service] or (source in FREE and service[0] in outside)
        for source, service in seen
    }
    itself = {(source, service) for source, service in seen if source == service[0]}  # that leaves no pod's network
    return {pair: reached for pair, reached in seen.items() if pair not in itself and reached != wanted[pair]}


def test_the_platform_works_under_its_policies(pods: object, site: Site, kubectl: Kubectl) -> None:
    names = kubectl("get", "networkpolicies", "-A", "-o", "name").split()
    assert len(names) >= 15
    assert_healthy(site)
