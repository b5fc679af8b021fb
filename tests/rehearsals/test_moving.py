"""Forty Secrets of a namespace, half of them by the real Sealed Secrets, move into Infisical, and back once."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from embedded.programs import Programs
from embedded.stack import PROJECT, Stack
from operations.moving.consumers import references
from tests.e2e.views import Kubectl
from tests.e2e.waits import CHANGE, DELETION, ROLLOUT, eventually, kubectl_timeout
from tests.rehearsals.living import begin_again
from tests.rehearsals.platforms import Platform
from tests.rehearsals.sealed_secrets import certificate_of, install, seal

SHOP = "shop"
KINDS: tuple[tuple[str, dict[str, bytes]], ...] = (
    ("Opaque", {"PASSWORD": b"Throw-Away-Value-7", "URL": b"pg://u:p@db/shop?a=1&b=2"}),
    ("kubernetes.io/tls", {"tls.crt": b"-----BEGIN\nA\n-----END\n", "tls.key": b"-----BEGIN\nB\n"}),
    ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": b'{"auths":{}}'}),
    ("Opaque", {"store.jks": bytes(range(256))}),
    ("Opaque", {"a": b" x", "b": b"x\n\n", "c": b"cost: ${PRICE}", "d": "grüße ☃".encode()}),
)
SECRETS = {
    f"{how}-{number}": {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"{how}-{number}", "namespace": SHOP},
        "type": KINDS[number % len(KINDS)][0],
        "data": {key: base64.b64encode(value).decode() for key, value in KINDS[number % len(KINDS)][1].items()},
    }
    for how in ("sealed", "plain")
    for number in range(20)
}
USER: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "shop", "namespace": SHOP},
    "spec": {
        "selector": {"matchLabels": {"app": "shop"}},
        "template": {
            "metadata": {"labels": {"app": "shop"}},
            "spec": {
                "containers": [
                    {
                        "name": "shop",
                        "image": "embedded.local/tools:1",
                        "command": ["tail", "-f", "/dev/null"],
                        "envFrom": [{"secretRef": {"name": "sealed-0"}}],
                        "volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
                    }
                ],
                "volumes": [{"name": "tls", "secret": {"secretName": "plain-1"}}],
            },
        },
    },
}


@pytest.fixture(scope="module")
def moved(platform: Platform, programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform with the first organisation and the operator, and the namespace of an application as it was before."""
    platform.stack.init(
        {
            "organization": {"name": "dev", "admin": "admin@example.org"},
            "secretsOperator": {
                "chart": {"path": "embedded/charts/secrets-operator"},
                "image": "embedded.local/secrets-operator:v0.11.5",
            },
        }
    )
    platform.stack.run("up", "--yes", "--skip-preview", quiet=True)
    kubectl = platform.kubectl
    install(kubectl, programs)
    certificate = tmp_path_factory.mktemp("sealed") / "tls.crt"
    certificate.write_bytes(certificate_of(kubectl))
    kubectl("create", "namespace", SHOP)
    for name, secret in SECRETS.items():
        if name.startswith("sealed"):
            seal(kubectl, programs, certificate, secret)
        else:
            kubectl("apply", "-f", "-", stdin=json.dumps(secret))
    eventually(lambda: SECRETS.keys() <= data_of(kubectl).keys(), "the controller has opened all that was sealed")
    kubectl("apply", "-f", "-", stdin=json.dumps(USER))
    kubectl("rollout", "status", "deployment/shop", "-n", SHOP, kubectl_timeout(ROLLOUT))
    yield platform
    for kept in PROJECT.glob(f"sealed-secrets-of-{SHOP}-*.json"):
        kept.unlink()
    begin_again(platform.stack)
    kubectl("delete", "namespace", SHOP, kubectl_timeout(DELETION))
    platform.stack.run("up", "--yes", "--skip-preview", quiet=True)


def test_a_namespace_moves_although_it_is_killed_once_and_goes_back(moved: Platform) -> None:
    kubectl = moved.kubectl
    before = data_of(kubectl)
    started = migrate(moved.stack, "--all", "--yes")
    assert started.stdout
    # Each step says its line when it is done: the one after the first `up` copies.
    assert any(line.startswith("up: ") for line in started.stdout)
    copying = ("get", "jobs", "-n", "infisical", "-l", "app.kubernetes.io/name=move-secrets", "-o", "name")
    eventually(lambda: kubectl(*copying) or None, "values are being copied")
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    finish(migrate(moved.stack, "--all", "--yes"))

    after = data_of(kubectl)
    assert {name: after[f"{name}-infisical"] for name in SECRETS} == {name: before[name] for name in SECRETS}
    assert kubectl("get", "sealedsecrets", "-n", SHOP, "-o", "name") == ""
    uses = kubectl("get", "deployment", "shop", "-n", SHOP, "-o", "yaml")
    assert "sealed-0-infisical" in uses
    assert "plain-1-infisical" in uses

    pods = json.loads(kubectl("get", "pods", "-n", SHOP, "-o", "json"))["items"]
    used = {reference.secret for pod in pods for reference in references(pod)}
    assert used == {"sealed-0-infisical", "plain-1-infisical"}  # nothing was deleted before the old pod was gone

    for step in ("retire", "switch"):
        finish(migrate(moved.stack, "--step", step, "--undo", "--yes"))
    eventually(lambda: data_of(kubectl).items() >= before.items(), "all is there again as it was", CHANGE)
    uses = kubectl("get", "deployment", "shop", "-n", SHOP, "-o", "yaml")
    assert "-infisical" not in uses


def migrate(stack: Stack, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "operations", "migrate-secrets", *stack.options, SHOP, *options]
    return subprocess.Popen(
        command,
        cwd=PROJECT,
        env=stack.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> None:
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    assert "Throw-Away-Value-7" not in printed


def data_of(kubectl: Kubectl) -> dict[str, dict[str, str]]:
    found = json.loads(kubectl("get", "secrets", "-n", SHOP, "-o", "json"))["items"]
    return {each["metadata"]["name"]: each["data"] for each in found if each.get("data")}
