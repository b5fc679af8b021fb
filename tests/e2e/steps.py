"""What several of the end-to-end tests do with the platform."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import select
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from views import Kubectl, Site
from waits import FIRST_OBJECT

from embedded.errors import EmbeddedError
from embedded.ranges import url_host
from embedded.stack import PROJECT, Stack

SECRET_PATH = "/api/v3/secrets/raw/e2e"


def configure(stack: Stack, **changes: dict[str, object]) -> None:
    """The cluster's stack file of the checkout with keys of its sections changed."""
    wanted = yaml.safe_load(stack.settings.read_text())["config"]
    stack.init({name: wanted.get(f"infisical-platform:{name}", {}) | change for name, change in changes.items()})


def fails(stack: Stack) -> str:
    """What an `up` that must fail says."""
    with pytest.raises(EmbeddedError) as failure:
        stack.run("up", "--yes", "--skip-preview", quiet=True)
    return str(failure.value)


def login(kubectl: Kubectl, namespace: str = "infisical") -> str:
    """What the stand-in of Infisical takes for a login."""
    auth_secret = base64.b64decode(kubectl.secret(namespace, "infisical-secrets")["AUTH_SECRET"])
    return hmac.new(auth_secret, b"stand-in", hashlib.sha256).hexdigest()


def set_secret(stack: Stack, key: str, value: str) -> None:
    """An encrypted key, as its owner sets it."""
    command = [stack.program, "config", "set", "--secret", f"infisical-platform:{key}", *stack.options]
    subprocess.run(command, cwd=PROJECT, env=stack.environment(), input=value, text=True, check=True)


def sql(kubectl: Kubectl, statement: str) -> str:
    """What a statement answers to a superuser, in the database's own pod."""
    inside = ("exec", "-i", "platform-db-cluster-0", "-n", "platform-db-pg", "--")
    return kubectl(*inside, "psql", "-U", "postgres", "-d", "infisical", "-XwAtq", "-f", "-", stdin=statement).strip()


def assert_nothing_to_do(stack: Stack) -> None:
    """Neither for `up` nor for a preview nor for a refresh."""
    stack.run("up", "--yes", "--skip-preview", "--expect-no-changes", quiet=True)
    stack.run("preview", "--expect-no-changes", quiet=True)
    stack.run("refresh", "--yes", "--skip-preview", "--expect-no-changes", quiet=True)


def assert_healthy(site: Site) -> None:
    """Infisical answers, with its database verified and Redis under Sentinel."""
    detail = site.status()["detail"]
    assert detail["database"]["encrypted"] is True
    assert detail["database"]["verified"] is True
    assert detail["database"]["host"] == "platform-db-cluster-pooler.platform-db-pg.svc"
    assert detail["redis"]["mode"] == "sentinel"
    assert detail["redis"]["role"] == "master"


@contextlib.contextmanager
def deployments_held(kubectl: Kubectl, namespace: str) -> Iterator[None]:
    """Make whoever writes a Deployment of `namespace` wait: the API server asks a webhook that does not answer."""
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["*"]}
    address = kubectl.instance.host_address
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.create_server((str(address), 0), family=family) as silent:
        port = silent.getsockname()[1]
        webhook = {
            "name": "held.infisical.test",
            "clientConfig": {"url": f"https://{url_host(address)}:{port}/"},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "rules": [rule],
            "timeoutSeconds": 30,
            "failurePolicy": "Ignore",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        configuration = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "held"},
            "webhooks": [webhook],
        }
        kubectl("apply", "-f", "-", stdin=json.dumps(configuration))
        try:
            yield
        finally:
            kubectl("delete", "validatingwebhookconfiguration", "held")


def make_second_owner(kubectl: Kubectl, namespace: str, name: str) -> None:
    """Apply what a Secret has once more, under a field manager as Pulumi names its own."""
    live = json.loads(kubectl("get", "secret", name, "-n", namespace, "-o", "json"))
    data = {key: value for key, value in live["data"].items() if key != "DB_ROOT_CERT"}
    again = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": data}
    kubectl(
        "apply", "--server-side", "--field-manager", "pulumi-kubernetes-0badcafe", "-f", "-", stdin=json.dumps(again)
    )


def kill_up_when_seen(stack: Stack, kubectl: Kubectl, *objects: str) -> None:
    """Kills `pulumi up` and its plugins at the first sign of `objects`."""
    environment = stack.environment()
    command = [stack.program, "up", *stack.options, "--yes", "--skip-preview"]
    with kubectl.watch(*objects) as watch:
        assert watch.stdout
        up = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL)
        ready, _, _ = select.select([watch.stdout], [], [], FIRST_OBJECT)
        for pid in _processes_of(environment["PULUMI_HOME"]):
            with contextlib.suppress(ProcessLookupError):  # it has ended with the one before
                os.kill(pid, signal.SIGKILL)
        watch.kill()
        assert up.wait() == -signal.SIGKILL, "`up` ended before it could be killed"
    assert ready, f"nothing was seen of {objects}"


def kill_up_after(stack: Stack, lines: int) -> bool:
    """Kill `pulumi up` and its plugins once it has printed so many lines. Return whether it was still at work."""
    environment = stack.environment()
    command = [stack.program, "up", *stack.options, "--yes", "--skip-preview"]
    with subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout
        printed = sum(1 for _ in itertools.islice(up.stdout, lines))
        for pid in _processes_of(environment["PULUMI_HOME"]):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return printed == lines


def _processes_of(home: str) -> list[int]:
    """Plugins first: they go on without the engine."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if home.encode() in (line := path.read_bytes()):
                found[int(path.parent.name)] = line
    return sorted(found, key=lambda pid: b"resource-kubernetes" not in found[pid])
