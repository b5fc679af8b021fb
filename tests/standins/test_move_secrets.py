"""Secrets of a namespace move into Infisical: all kinds, killed in the middle, and back once. No value is ever said."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.base.scripts import with_imports
from tests.standins.authority import Authority
from tests.standins.conftest import Start
from tests.standins.infisical import Environment
from tests.standins.instance import Instance, bootstrap
from tests.standins.kubernetes_api import KubernetesApi, kubernetes_api

SEALED = {"kind": "SealedSecret", "name": "sealed", "controller": True}
CANARY = "canary-of-a-value"


def secret(name: str, values: dict[str, bytes], kind: str = "Opaque", **metadata: Any) -> dict[str, Any]:
    data = {key: base64.b64encode(value).decode() for key, value in values.items()}
    return {"metadata": {"name": name, "namespace": "shop", **metadata}, "type": kind, "data": data}


MOVABLE = [
    secret("env", {"PASSWORD": CANARY.encode(), "URL": b"pg://u:p@db/shop?a=1&b=2"}),
    secret("sealed", {"TOKEN": b"t"}, ownerReferences=[SEALED]),
    secret("tls", {"tls.crt": b"-----BEGIN\nA\n-----END\n", "tls.key": b"-----BEGIN\nB\n"}, "kubernetes.io/tls"),
    secret("pull", {".dockerconfigjson": b'{"auths":{}}'}, "kubernetes.io/dockerconfigjson"),
    secret("binary", {"store.jks": bytes(range(256))}),
    secret("edges", {"a": b" x", "b": b"x\n\n", "c": b"\n", "d": "\u00a0x".encode(), "e": b"x\r\n"}),
    secret("references", {"A": b"cost: ${PRICE}", "B": b"${A}"}),
    secret("unicode", {"GREETING": "grüße ☃".encode()}),
    secret("dotted.name", {"config.yaml": b"a: 1\nb: 2"}),
    secret("large", {"blob": os.urandom(400_000)}),
    secret("full", {f"part-{number:02}": b'"quoted"\n' * 2000 for number in range(48)}),
    {**secret("immutable", {"K": b"v"}), "immutable": True},
    *(secret(f"plain-{number}", {"KEY": f"{CANARY}-{number}".encode()}) for number in range(19)),
]
STUCK = {
    "token": secret("token", {"token": b"x"}, "kubernetes.io/service-account-token"),
    "release": secret("release", {"release": b"x"}, "helm.sh/release.v1"),
    "certificate": secret(
        "certificate",
        {"tls.crt": b"x", "tls.key": b"x"},
        "kubernetes.io/tls",
        annotations={"cert-manager.io/certificate-name": "x"},
    ),
    "owned": secret("owned", {"K": b"v"}, ownerReferences=[{"kind": "Postgresql", "name": "db"}]),
    "basic": secret("basic", {"username": b"u", "password": b"p"}, "kubernetes.io/basic-auth"),
    "empty": secret("empty", {}),
    "blank": secret("blank", {"K": b""}),
    "long": secret("long", {"K": "é".encode() * 200_000}),
    "delivered": secret("delivered", {"K": b"v"}, annotations={"secrets.infisical.com/version": "1"}),
}
SECRETS = [*MOVABLE, *STUCK.values()]


def folder(name: str) -> str:
    return "/" + name.replace(".", "-")


@dataclass
class Move:
    """The namespace `shop`, a project for it, and the script as its pod runs it."""

    instance: Instance
    cluster: KubernetesApi
    script: Path
    credentials: Path

    def start(self, mode: str, names: list[str], **config: Any) -> subprocess.Popen[str]:
        items = [{"name": name, "folder": folder(name), "target": f"{name}-infisical"} for name in names]
        wanted = {
            "mode": mode,
            "namespace": "shop",
            "url": f"http://127.0.0.1:{self.instance.server.port}",
            "project": "webshop",
            "environment": "prod",
            "items": items or None,
            "credentials": str(self.credentials),
            "deadline_seconds": 30,
            **config,
        }
        environment = {
            "PATH": os.environ["PATH"],
            "CONFIG": json.dumps(wanted),
            "KUBE_API_URL": self.cluster.url,
            "KUBE_CREDENTIALS": str(self.credentials),
            "TERMINATION_LOG": str(self.credentials / "last"),
        }
        command = [sys.executable, "-u", self.script]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, mode: str, names: list[str], status: int = 0, **config: Any) -> tuple[list[dict[str, Any]], str]:
        """What it said of each Secret, and its last line."""
        output, _ = (process := self.start(mode, names, **config)).communicate(timeout=60)
        assert process.returncode == status, output
        assert CANARY not in output
        lines = output.splitlines()
        moved = [json.loads(line.removeprefix("MOVED ")) for line in lines if line.startswith("MOVED ")]
        return moved, lines[-1]

    def stored(self) -> dict[str, str]:
        project = self.instance.call("GET", "/api/v1/projects/slug/webshop")["id"]
        query = f"projectId={project}&environment=prod&recursive=true&expandSecretReferences=false"
        listed = self.instance.call("GET", f"/api/v4/secrets?{query}")["secrets"]
        return {f"{each['secretPath']}:{each['secretKey']}": each["secretValue"] for each in listed}


@pytest.fixture
def cluster(tmp_path: Path, authority: Authority) -> Iterator[KubernetesApi]:
    with kubernetes_api(tmp_path, authority) as api:
        api.tokens, api.reviewers = {"provisioner": "infisical:infisical-provisioner"}, {"provisioner"}
        api.secrets = {f"shop/{each['metadata']['name']}": each for each in SECRETS}
        yield api


def _identity(instance: Instance, cluster: KubernetesApi, authority: Authority) -> str:
    identity = instance.identity("provisioner", "admin")
    pinned = {"allowedNamespaces": "infisical", "allowedNames": "infisical-provisioner", "allowedAudience": ""}
    auth = {"kubernetesHost": cluster.url, "caCert": authority.pem.decode(), **pinned}
    instance.call("POST", f"/api/v1/auth/kubernetes-auth/identities/{identity}", auth)
    return identity


def make_move(
    instance: Instance, cluster: KubernetesApi, authority: Authority, tmp_path: Path, create: str, key: str
) -> Move:
    project = instance.call("POST", create, {"projectName": "shop", "slug": "webshop"})["project"]["id"]
    identity = _identity(instance, cluster, authority)
    member = f"/api/v2/workspace/{project}/identity-memberships/{identity}"
    instance.call("POST", member, {"roles": [{"role": "admin"}]})
    for each in SECRETS:
        place = {key: project, "environment": "prod", "name": folder(each["metadata"]["name"])[1:]}
        instance.call("POST", "/api/v1/folders", {"workspaceId": project, **place})
    for name, content in {"token": "provisioner", "ca.crt": authority.pem.decode(), "identityId": identity}.items():
        (tmp_path / name).write_text(content)
    scripts = tmp_path / "job"
    scripts.mkdir()
    for path in with_imports(["move_secrets/move_secrets.py"]):
        shutil.copy(path, scripts)
    return Move(instance, cluster, scripts / "move_secrets.py", tmp_path)


@pytest.fixture
def moving(
    start: Start, environment: Environment, cluster: KubernetesApi, authority: Authority, tmp_path: Path
) -> Callable[..., Move]:
    """Begins a move to a server that has these variables, too."""

    def begin(**variables: str) -> Move:
        instance = bootstrap(start({**environment, "ALLOW_INTERNAL_IP_CONNECTIONS": "true", **variables}))
        return make_move(instance, cluster, authority, tmp_path, "/api/v1/projects", "projectId")

    return begin


@pytest.fixture
def move(moving: Callable[..., Move]) -> Move:
    return moving()


NAMES = [each["metadata"]["name"] for each in MOVABLE]


def deliver(move: Move, name: str, **change: Any) -> None:
    """What the operator makes of a folder: the same bytes under the new name."""
    original = move.cluster.secrets[f"shop/{name}"]
    move.cluster.secrets[f"shop/{name}-infisical"] = {**original, **change}


def test_forty_secrets_are_told_apart(move: Move) -> None:
    assert len(SECRETS) == 40
    found, last = move.run("inventory", [])
    assert last == f"move-secrets: shop: {len(MOVABLE)} of 40 Secrets can move"
    by_name = {each["name"]: each for each in found}
    assert {name for name, each in by_name.items() if each["obstacle"]} == set(STUCK)
    assert by_name["sealed"]["owner"] == "SealedSecret/sealed"
    assert by_name["immutable"]["immutable"]
    encoded = {f"{name}:{key}" for name, each in by_name.items() for key, of in each["keys"].items() if of["encoded"]}
    edges = {"edges:a", "edges:b", "edges:d", "edges:e"}
    assert encoded - {"large:blob"} == {"binary:store.jks", "references:A", "references:B", *edges}
    assert by_name["env"]["keys"]["PASSWORD"]["size"] == len(CANARY)


def test_a_killed_run_is_completed_by_the_next_one_and_reversed(move: Move) -> None:
    move.run("check", NAMES)
    assert move.stored() == {}
    process = move.start("copy", NAMES)
    assert process.stdout
    for _ in range(7):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    values = sum(len(each["data"]) for each in MOVABLE)
    assert 0 < len(move.stored()) < values
    move.run("copy", NAMES)
    assert len(move.stored()) == values
    assert move.run("copy", NAMES)[1] == f"move-secrets: shop: 0 values copied, of {len(NAMES)} Secrets"
    for name in NAMES:
        deliver(move, name)
    compared, last = move.run("compare", NAMES)
    assert len(compared) == len(NAMES), last
    _, last = move.run("remove", NAMES)
    assert last == f"move-secrets: shop: {values} values removed, of {len(NAMES)} Secrets"
    assert move.stored() == {}


def test_what_people_have_deleted_since_needs_no_removal(move: Move) -> None:
    """The folder too: since September 2025 Infisical has no secrets to show of one that isn't there."""
    move.run("copy", ["env"])
    project = move.instance.call("GET", "/api/v1/projects/slug/webshop")["id"]
    place = {"projectId": project, "environment": "prod", "path": "/"}
    move.instance.call("DELETE", "/api/v2/folders/env", place)
    removed, _ = move.run("remove", ["env"])
    assert (removed[0]["removed"], removed[0]["left"]) == ([], [])


def test_what_is_stored_gives_back_the_same_bytes(move: Move) -> None:
    move.run("copy", NAMES)
    held = move.stored()
    inventory = {each["name"]: each["keys"] for each in move.run("inventory", [])[0]}
    for each in MOVABLE:
        for key, value in each["data"].items():
            name = each["metadata"]["name"]
            text = held[f"{folder(name)}:{key}"]
            assert (text if inventory[name][key]["encoded"] else base64.b64encode(text.encode()).decode()) == value


def test_another_value_that_is_there_is_never_overwritten(move: Move) -> None:
    project = move.instance.call("GET", "/api/v1/projects/slug/webshop")["id"]
    place = {"projectId": project, "environment": "prod", "secretPath": "/env"}
    move.instance.call("POST", "/api/v4/secrets/PASSWORD", {**place, "secretValue": "of people"})
    _, last = move.run("copy", ["env"], status=1)
    assert "webshop prod:/env has another value than Secret shop/env for PASSWORD. Nothing was overwritten" in last
    assert move.stored() == {"/env:PASSWORD": "of people"}
    move.instance.call("DELETE", "/api/v4/secrets/PASSWORD", place)
    move.run("copy", ["env"])
    move.instance.call("PATCH", "/api/v4/secrets/PASSWORD", {**place, "secretValue": "changed by people"})
    removed, _ = move.run("remove", ["env"])
    assert (removed[0]["removed"], removed[0]["left"]) == (["URL"], ["PASSWORD"])
    assert move.stored() == {"/env:PASSWORD": "changed by people"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "kubernetes.io/tls"}, "its type is kubernetes.io/tls, not Opaque"),
        ({"data": {"PASSWORD": "eA=="}}, "it lacks URL"),
        ({"data": {"PASSWORD": "eA==", "URL": "eA=="}}, "PASSWORD, URL differ"),
    ],
)
def test_what_is_delivered_otherwise_is_said(move: Move, change: dict[str, Any], said: str) -> None:
    _, last = move.run("compare", ["env"], status=1, deadline_seconds=1)
    assert last.endswith("Secret shop/env-infisical is not env yet: it does not exist")
    deliver(move, "env", **change)
    assert move.run("compare", ["env"], status=1, deadline_seconds=1)[1].endswith(said)


def test_a_guarded_folder_is_no_success(moving: Callable[..., Move]) -> None:
    move = moving(STAND_IN_GUARDED="webshop/prod:/env")
    assert "guarded by an approval policy, so nothing was written" in move.run("copy", ["env"], status=1)[1]


def test_servers_without_the_newest_api_and_with_limits(
    start: Start, environment: Environment, cluster: KubernetesApi, authority: Authority, tmp_path: Path
) -> None:
    instance = bootstrap(start(environment | {"STAND_IN_RELEASED": "2025-06-01"}))
    make_move(instance, cluster, authority, tmp_path, "/api/v2/workspace", "workspaceId")
    limits = {"STAND_IN_RELEASED": "2025-06-01", "STAND_IN_RATE_LIMITS": "secrets=4", "STAND_IN_RATE_WINDOW": "2"}
    slow = start(environment | limits)
    slow.detail()
    limited = Instance(server=slow, organization=instance.organization, token=instance.token)
    move = Move(limited, cluster, tmp_path / "job" / "move_secrets.py", tmp_path)
    move.run("copy", ["env", "binary"])
    assert move.run("check", ["env", "binary"])[1] == "move-secrets: shop: 0 values to copy, of 2 Secrets"


def test_a_project_may_want_all_metadata_encrypted(moving: Callable[..., Move]) -> None:
    move = moving(STAND_IN_ENCRYPTED_METADATA="webshop")
    move.run("copy", ["env"])
    assert move.run("remove", ["env"])[1] == "move-secrets: shop: 2 values removed, of 1 Secrets"


def test_a_project_that_is_not_there_is_named(move: Move) -> None:
    _, last = move.run("copy", ["env"], status=1, project="nothing")
    assert "Infisical has no project nothing: run `pulumi up` with the applications that were planned" in last
