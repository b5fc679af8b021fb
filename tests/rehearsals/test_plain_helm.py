"""Infisical as its own chart installs it moves in, by the steps of docs/moving-in.md."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from embedded.cluster import Cluster
from embedded.imagebuild import reference
from embedded.programs import Programs
from embedded.stack import PROJECT, Stack
from tests.e2e.steps import assert_healthy, assert_nothing_to_do, fails, login, set_secret
from tests.e2e.views import Kubectl, Site
from tests.e2e.waits import ROLLOUT, kubectl_timeout
from tests.rehearsals.living import begin_again
from tests.rehearsals.platforms import RELEASE
from tests.rehearsals.recipients import recipient
from tests.rehearsals.writers import Writers

__all__ = ["recipient"]  # a fixture that pytest finds here

MANIFEST = Path(__file__).with_name("plain-helm.yaml")
DATABASE = "postgresql.old.svc:5432/infisicalDB"
VALUES = {
    "infisical": {
        "autoDatabaseSchemaMigration": False,
        "image": {"repository": reference("infisical").partition(":")[0]},
        "replicaCount": 1,
        # As the chart itself puts them beside the Secret for the servers that it brings along.
        "extraEnv": [
            {"name": "DB_CONNECTION_URI", "value": f"postgresql://infisical:root@{DATABASE}"},
            {"name": "REDIS_URL", "value": "redis://:mysecretpassword@redis.old.svc:6379"},
        ],
    },
    "ingress": {
        "hostName": "secrets.infisical.test",
        "ingressClassName": "nginx",
        "nginx": {"enabled": False},
        "tls": [{"secretName": "old-tls", "hosts": ["secrets.infisical.test"]}],
    },
    "postgresql": {"enabled": False},
    "redis": {"enabled": False},
}


@pytest.fixture
def old(cluster: Cluster, kubectl: Kubectl, programs: Programs, site: Site, stack: Stack) -> Iterator[Kubectl]:
    """Install Infisical by `helm install`, with a PostgreSQL and a Redis of one pod each, and no platform beside it."""
    assert cluster
    begin_again(stack)
    kubectl("apply", "-f", str(MANIFEST))
    for pod in ("postgresql", "redis"):
        kubectl("wait", "-n", "old", f"pod/{pod}", "--for=condition=Ready", kubectl_timeout(ROLLOUT))
    done = "--for=jsonpath={.status.phase}=Succeeded"
    kubectl("wait", "-n", "old", "pod/migration", done, kubectl_timeout(ROLLOUT))
    chart = str(PROJECT / "embedded/charts/infisical-standalone")
    options = ["--namespace", "old", "--kubeconfig", str(kubectl.instance.kubeconfig), "--values", "-"]
    helm = [str(programs.path("helm")), "install", "infisical", chart, *options]
    subprocess.run(helm, input=yaml.safe_dump(VALUES), text=True, check=True, capture_output=True)
    kubectl("rollout", "status", "-n", "old", "deployment", kubectl_timeout(ROLLOUT))
    site.status()
    yield kubectl
    kubectl("delete", "namespace", "old", "--ignore-not-found")
    begin_again(stack)
    stack.run("up", "--yes", "--skip-preview", quiet=True)


def test_it_moves_in_with_all_that_was_written(old: Kubectl, stack: Stack, site: Site, recipient: str) -> None:
    writers = Writers(site, login(old, "old"))
    with writers.at_work():
        stack.init(
            {
                "backup": {"image": reference("postgres"), "target": {"kind": "volume"}, "recipients": [recipient]},
                "restore": {"id": "moving-in", "server": server()},
            }
        )
        set_secret(stack, "restorePassword", "root")
        live = old("get", "secret", "-n", "old", "infisical-secrets", "-o", "yaml")
        _run(stack, [sys.executable, "-m", "operations", "import-secrets", *stack.options, "/dev/stdin"], live)
        said = fails(stack)
        assert f"{DATABASE} is still used as its role" in said, said

    began = time.monotonic()
    old("scale", "-n", "old", "deployment", "-l", "app=infisical-standalone,component=infisical", "--replicas=0")
    old("delete", "-n", "old", "ingress", "infisical-ingress")
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert_healthy(site)
    print(f"\n{len(writers.acknowledged)} acknowledged; away for {time.monotonic() - began:.0f} s")
    assert (
        old.secret(RELEASE, "infisical-secrets")["ENCRYPTION_KEY"]
        == old.secret("old", "infisical-secrets")["ENCRYPTION_KEY"]
    )
    assert writers.lost() == []

    # The old one goes, and nothing of the stack asks for it.
    old("delete", "namespace", "old")
    assert_nothing_to_do(stack)
    _run(
        stack,
        [stack.program, "config", "set", "--path", "infisical-platform:backup.deadlineMinutes", "61", *stack.options],
    )
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    for key in ("restore", "restorePassword"):
        _run(stack, [stack.program, "config", "rm", f"infisical-platform:{key}", *stack.options])
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert writers.lost() == []


def server() -> dict[str, object]:
    host, _, rest = DATABASE.partition(":")
    return {"host": host, "name": rest.partition("/")[2], "user": "infisical", "tls": False}


def _run(stack: Stack, command: list[str], given: str = "") -> None:
    environment = {**os.environ, **stack.environment()}
    done = subprocess.run(command, cwd=PROJECT, env=environment, input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
