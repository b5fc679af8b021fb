"""The preflight on a real cluster: each thing that it looks for is taken away once, and put back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from slow_server import slowed
from views import Kubectl
from waits import COMMAND, ROLLOUT, eventually, kubectl_timeout

import settings
from embedded.instance import Instance
from embedded.stack import PROJECT, STACK, Stack
from operations.checks.rights import Right, needed

TAKEN_BACK = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")
SENTINELS = "redissentinels.redis.redis.opstreelabs.in"


@dataclass(frozen=True)
class Diagnosis:
    """What `doctor` printed, and its exit status."""

    status: int
    printed: str

    @property
    def failures(self) -> list[str]:
        """Each row that failed, with its fix behind it."""
        lines = self.printed.splitlines()
        pairs = pairwise(lines)
        return [f"{row} | {fix.strip()}" for row, fix in pairs if row.startswith("FAIL")]


@pytest.fixture(scope="module")
def doctor(stack: Stack) -> Callable[[], Diagnosis]:
    def diagnose() -> Diagnosis:
        command = [sys.executable, "-m", "operations", "doctor", "--stack", STACK]
        command += ["--config-file", str(stack.configuration)]
        done = subprocess.run(
            command, cwd=PROJECT, env=stack.environment(), capture_output=True, text=True, timeout=COMMAND
        )
        assert done.stderr == ""
        return Diagnosis(done.returncode, done.stdout)

    return diagnose


@contextmanager
def stopped(kubectl: Kubectl, name: str, namespace: str) -> Iterator[None]:
    """A Deployment without pods. One that is told to end counts no more, and answers for a while."""
    deployment = ("-n", namespace, f"deployment/{name}")
    labels = json.loads(kubectl("get", *deployment, "-o", "jsonpath={.spec.selector.matchLabels}"))
    pods = ("get", "pods", "-n", namespace, "-l", ",".join("=".join(each) for each in labels.items()), "-o", "name")
    kubectl("scale", *deployment, "--replicas=0")
    eventually(lambda: kubectl(*pods) == "", f"{name} has no pod")
    try:
        yield
    finally:
        kubectl("scale", *deployment, "--replicas=1")
        kubectl("rollout", "status", *deployment, kubectl_timeout(ROLLOUT))


@contextmanager
def gone(kubectl: Kubectl, *object_: str) -> Iterator[None]:
    """An object, deleted."""
    saved = json.loads(kubectl("get", *object_, "-o", "json"))
    saved["metadata"] = {key: value for key, value in saved["metadata"].items() if key not in TAKEN_BACK}
    saved.pop("status", None)
    kubectl("delete", *object_)
    try:
        yield
    finally:
        kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(saved))


@contextmanager
def not_served(kubectl: Kubectl, kind: str) -> Iterator[None]:
    """Stop serving a kind, as if its CRD were deleted, while its objects stay."""

    def serve(yes: bool) -> None:
        change = [{"op": "replace", "path": "/spec/versions/0/served", "value": yes}]
        kubectl("patch", "crd", kind, "--type=json", "-p", json.dumps(change))
        group = kind.partition(".")[2]
        served = ("get", "--raw", f"/apis/{group}/v1beta2")
        eventually(lambda: (kind.partition(".")[0] in kubectl(*served, check=False)) == yes, f"{kind} served: {yes}")

    serve(False)
    try:
        yield
    finally:
        serve(True)


@contextmanager
def infisicals_namespace(kubectl: Kubectl) -> Iterator[None]:
    kubectl("create", "namespace", "infisical")
    try:
        yield
    finally:
        kubectl("delete", "namespace", "infisical")


BROKEN: dict[str, tuple[Callable[[Kubectl], AbstractContextManager[None]], str, str]] = {
    # what is wrong; the row; its fix
    "postgres-operator stopped": (
        lambda kubectl: stopped(kubectl, "postgres-operator", "postgres-operator"),
        "postgres-operator",
        "scale -n postgres-operator deployment/postgres-operator --replicas=1",
    ),
    "redis-operator stopped": (
        lambda kubectl: stopped(kubectl, "redis-operator", "redis-operator"),
        "redis-operator",
        "scale -n redis-operator deployment/redis-operator --replicas=1",
    ),
    "cert-manager's webhook stopped": (
        lambda kubectl: stopped(kubectl, "cert-manager-webhook", "cert-manager"),
        "cert-manager's webhook",
        "see to the Deployment",
    ),
    "a CRD": (
        lambda kubectl: not_served(kubectl, SENTINELS),
        "CRDs of redis.redis.opstreelabs.in/v1beta2",
        "apply the CRDs of the redis-operator's own version",
    ),
    "the IngressClass": (
        lambda kubectl: gone(kubectl, "ingressclass", "nginx"),
        "IngressClass nginx",
        "install an ingress controller",
    ),
    "the ClusterIssuer": (
        lambda kubectl: gone(kubectl, "clusterissuer", "embedded-ca"),
        "ClusterIssuer embedded-ca",
        "--path 'infisical-platform:ingress.issuer.name' embedded-selfsigned",
    ),
    "the StorageClass": (
        lambda kubectl: gone(kubectl, "storageclass", "local-path"),
        "StorageClass of database",
        "--path 'infisical-platform:database.storageClass' NAME",
    ),
}


def test_on_a_whole_cluster_everything_is_ready(doctor: Callable[[], Diagnosis]) -> None:
    found = doctor()
    assert (found.status, found.failures) == (0, []), found.printed
    assert "unknown" not in found.printed
    assert found.printed.splitlines()[-1].startswith("ready for `pulumi up`")


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_taken_away_is_named_with_its_fix(what: str, doctor: Callable[[], Diagnosis], kubectl: Kubectl) -> None:
    take, row, fix = BROKEN[what]
    with take(kubectl):
        found = doctor()
    assert found.status == 1, found.printed
    assert any(row in failure and fix in failure for failure in found.failures), found.printed


def test_a_secret_of_somebody_elses_is_not_overwritten(doctor: Callable[[], Diagnosis], kubectl: Kubectl) -> None:
    with infisicals_namespace(kubectl):
        kubectl("create", "secret", "generic", "infisical-secrets", "-n", "infisical", "--from-literal=A=hunter2")
        found = doctor()
    assert found.status == 1
    [failure] = found.failures
    assert "Secret infisical-secrets" in failure
    assert "hunter2" not in found.printed


def test_a_pod_that_would_be_refused_is_named(doctor: Callable[[], Diagnosis], kubectl: Kubectl) -> None:
    spec = {"limits": [{"type": "Container", "max": {"memory": "64Mi"}}]}
    refusing = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}, "spec": spec}
    with infisicals_namespace(kubectl):
        kubectl("apply", "-n", "infisical", "-f", "-", stdin=json.dumps(refusing))
        found = doctor()
    [failure] = found.failures
    assert "pods of Jobs in infisical" in failure
    assert "maximum memory usage per Container is 64Mi" in failure


def test_a_right_that_the_caller_lacks_is_named(
    doctor: Callable[[], Diagnosis], kubectl: Kubectl, stack: Stack, instance: Instance, tmp_path: Path
) -> None:
    """With all other rights; but what is wanted only to look around is unknown, not wrong."""
    lacking = ("postgresqls.acid.zalan.do", "create")
    wanted = yaml.safe_load(stack.settings.read_text())["config"]
    plain = {key: value if isinstance(value, str) else json.dumps(value) for key, value in wanted.items()}
    rights = [
        r
        for r in needed(settings.load(settings.Commands("infisical-platform", STACK), plain))
        if (r.resource, r.verb) != lacking
    ]
    kubeconfig = tmp_path / "limited.conf"
    try:
        kubectl("create", "serviceaccount", "doctor", "-n", "default")
        kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": _granted(rights)}))
        kubeconfig.write_text(_kubeconfig(kubectl, instance))
        stack.init({"cluster": {"kubeconfig": str(kubeconfig), "context": "limited", "protect": False}})
        found = doctor()
    finally:
        stack.init()
        kubectl("delete", "clusterrolebinding,clusterrole", "-l", "test=doctor")
        kubectl("delete", "serviceaccount", "doctor", "-n", "default")

    assert found.status == 1
    [failure] = found.failures
    assert "rights in platform-db-pg" in failure
    assert "may not create postgresqls.acid.zalan.do" in failure
    assert "have an administrator grant them" in failure
    assert "postgres-operator: settings" in found.printed
    assert 'unknown: User "system:serviceaccount:default:doctor"' in found.printed


def test_rights_are_judged_where_each_answer_takes_50_ms(
    doctor: Callable[[], Diagnosis], stack: Stack, instance: Instance, tmp_path: Path
) -> None:
    kubeconfig = yaml.safe_load(instance.kubeconfig.read_text())
    [cluster] = kubeconfig["clusters"]
    server = urlsplit(cluster["cluster"]["server"])
    with slowed(str(server.hostname), server.port or 443, seconds=0.05) as port:
        cluster["cluster"] |= {"server": f"https://127.0.0.1:{port}", "tls-server-name": server.hostname}
        (tmp_path / "slow.conf").write_text(json.dumps(kubeconfig))
        try:
            stack.init({"cluster": {"kubeconfig": str(tmp_path / "slow.conf"), "protect": False}})
            found = doctor()
        finally:
            stack.init()
    rights = [line for line in found.printed.splitlines() if " rights in " in line]
    assert len(rights) == 4
    assert all(row.startswith("ok ") for row in rights), found.printed
    assert "unknown" not in found.printed


def _granted(rights: list[Right]) -> list[dict[str, object]]:
    """A ClusterRole with `rights`, in all namespaces, and its binding to ServiceAccount default/doctor."""
    metadata = {"name": "doctor", "labels": {"test": "doctor"}}
    rules = [
        {"apiGroups": [asked["group"]], "resources": [_whole(asked)], "verbs": [asked["verb"]]}
        for asked in (right.attributes for right in rights)
    ]
    rbac = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "doctor"},
            "subjects": [{"kind": "ServiceAccount", "name": "doctor", "namespace": "default"}],
        },
    ]


def _whole(asked: dict[str, str]) -> str:
    return f"{asked['resource']}/{asked['subresource']}".rstrip("/")


def _kubeconfig(kubectl: Kubectl, instance: Instance) -> str:
    """That of ServiceAccount default/doctor."""
    [cluster] = yaml.safe_load(instance.kubeconfig.read_text())["clusters"]
    token = kubectl("create", "token", "doctor", "-n", "default").strip()
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [cluster],
            "users": [{"name": "doctor", "user": {"token": token}}],
            "contexts": [{"name": "limited", "context": {"cluster": cluster["name"], "user": "doctor"}}],
        }
    )
