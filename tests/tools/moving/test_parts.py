"""`make migrate-secrets`: who uses a Secret, what a stack file is changed to, and how things are called."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import settings
from operations.cluster import Cluster
from operations.errors import OperationError
from operations.moving import sealed, stack_file
from operations.moving.command import Move
from operations.moving.consumers import by_secret, renaming, uses_of
from operations.moving.plan import Found, Plan
from settings.applications import secrets_of
from tests.tools.fake_stack import FakeStack
from tests.tools.moving.objects import STACK_FILE, line, workload
from tests.unit.configurations import SMALLEST
from tests.unit.harness import COMMANDS, PROJECT

PLACES = {**dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "Pod"), 10), "Ingress": 1}


@pytest.mark.parametrize("kind", sorted(PLACES))
def test_every_place_at_which_a_kind_names_a_secret(kind: str) -> None:
    found = [workload(kind, "one", "old"), workload(kind, "other", "unrelated")]
    uses = uses_of(found)
    assert len(uses) == 2 * PLACES[kind]
    assert by_secret(uses)["old"] == [f"{kind.lower()}/one"]
    patches = renaming(uses, {"old": "new"})
    assert patches.keys() == (set() if kind in ("Pod", "Job") else {f"{kind.lower()}/one"})
    assert uses_of([{**found[0], "metadata": {"name": "x", "ownerReferences": [{}]}}]) == []


def test_a_service_account_names_what_pulls_its_images_and_what_its_pods_may_mount() -> None:
    uses = uses_of([workload("ServiceAccount", "default", "pull")])
    assert {use.name for use in uses} == {"serviceaccount/default"}
    assert [use.pointer for use in uses] == ["/imagePullSecrets/0/name", "/secrets/0/name"]


@pytest.mark.parametrize(
    ("annotation", "value", "switched"),
    [
        ("nginx.ingress.kubernetes.io/auth-secret", "old", "new"),
        ("nginx.ingress.kubernetes.io/auth-tls-secret", "shop/old", "shop/new"),
        ("haproxy-ingress.github.io/secure-crt-secret", "shop/old", "shop/new"),
        ("nginx.ingress.kubernetes.io/auth-secret", "other/old", None),
        ("nginx.ingress.kubernetes.io/auth-realm", "old", None),
    ],
)
def test_an_ingress_names_secrets_in_annotations(annotation: str, value: str, switched: str | None) -> None:
    found = workload("Ingress", "shop", "tls")
    found["metadata"] |= {"namespace": "shop", "annotations": {annotation: value}}
    patches = renaming(uses_of([found]), {"old": "new"})
    path = f"/metadata/annotations/{annotation.replace('/', '~1')}"
    patch = [{"op": "test", "path": path, "value": value}, {"op": "replace", "path": path, "value": switched}]
    assert patches == ({"ingress/shop": patch} if switched else {})


@pytest.mark.parametrize(
    "text",
    [
        STACK_FILE,
        STACK_FILE + "  infisical-platform:applications:\n    # kept\n    other:\n      environments: {dev: Dev}\n",
        STACK_FILE + "  infisical-platform:applications:  # kept\n    other: {environments: {dev: Dev}}\n\n# end\n",
        "encryptionsalt: v1:x\n" + STACK_FILE + "runtime: python\n",
        "encryptionsalt: v1:x\n",
        "",
    ],
)
def test_a_stack_file_keeps_every_other_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text(text)
    body = {"environments": {"prod": "Production: 1"}, "secrets": {"prod": {"/": {"a.b": {"owner": "people"}}}}}
    stack_file.put(file, "shop", body, None)
    assert stack_file.stated(file, "shop") == body
    assert set(text.splitlines()) <= set(file.read_text().splitlines())
    stack_file.put(file, "shop", {**body, "deliver": []}, body)
    stack_file.put(file, "shop", None, {**body, "deliver": []})
    assert stack_file.stated(file, "shop") is None
    assert set(text.splitlines()) <= set(file.read_text().splitlines())


def test_a_stack_file_that_says_something_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text("config:\n  infisical-platform:applications: {shop: {environments: {a: A}}}\n")
    before = file.read_text()
    with pytest.raises(OperationError, match="says something else of application shop"):
        stack_file.put(file, "shop", {"environments": {"b": "B"}}, None)
    with pytest.raises(OperationError, match="can't be changed without touching other lines"):
        stack_file.put(file, "cart", {"environments": {"b": "B"}}, None)
    assert file.read_text() == before


@pytest.mark.parametrize("name", ["Shop", "a" * 37, "-a", "a--b", "1a"])
def test_a_namespace_that_can_name_no_application_is_told(name: str) -> None:
    with pytest.raises(OperationError, match="give another one, OPTIONS='--application NAME'"):
        Plan(namespace=name, application=name, environment="prod", found=[], consumers={})


def test_names_of_folders_and_targets() -> None:
    long = Found(**line("a" * 253))
    assert len(long.target) == 253
    assert Found(**line("a.b")).folder == "/a_b"
    plan = Plan(namespace="shop", application="shop", environment="prod", found=[], consumers={})
    assert plan.project == "shop-app"


@pytest.mark.parametrize(("length", "restarts"), [(38, True), (39, False)])
def test_a_restart_that_the_operator_could_not_note_is_not_asked_for(length: int, restarts: bool) -> None:
    """The stack file would be refused: with `-infisical`, the name has more than 48 characters."""
    secret = Found(**line("a" * length))
    users = {secret.name: ["deployment/shop"]}
    plan = Plan(namespace="shop", application="shop", environment="prod", found=[secret], consumers=users)
    assert ("restarts" in plan.deliveries([secret])[0]) == restarts


def test_restarts_are_not_asked_for_where_nobody_can_do_them() -> None:
    """External Secrets Operator restarts nothing, and the settings say so."""
    secret, users = Found(**line("a")), {"a": ["deployment/shop"]}
    plan = Plan(
        namespace="shop", application="shop", environment="prod", found=[secret], consumers=users, restarting=False
    )
    assert "restarts" not in plan.deliveries([secret])[0]


def test_the_cluster_is_spoken_to_over_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def run(self: Cluster, *arguments: str, stdin: str = "", seconds: float | None = None) -> Any:
        asked.append((*arguments, stdin))
        return argparse.Namespace(returncode=0, stdout="log", stderr="")

    monkeypatch.setattr(Cluster, "_run", run)
    Cluster(None, None).create({"kind": "Role"})
    assert Cluster(None, None).log("infisical", "job/x") == "log"
    assert asked[0][-1] == '{"kind": "Role"}'


_NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,40}[a-z0-9])?", fullmatch=True).filter(
    lambda name: ".." not in name and ".-" not in name and "-." not in name
)
_KEYS = st.from_regex(r"[-._a-zA-Z0-9]{1,60}", fullmatch=True).filter(lambda key: not key.startswith(".."))


@given(st.dictionaries(_NAMES, st.lists(_KEYS.filter(lambda key: key != "."), min_size=1, max_size=4), min_size=1))
def test_whatever_is_planned_is_a_stack_that_loads(secrets: dict[str, list[str]]) -> None:
    found = [Found(**line(name, [*keys, "binary"])) for name, keys in secrets.items()]
    plan = Plan(namespace="shop", application="shop", environment="prod", found=found, consumers={})
    body = {**plan.body("Production"), "deliver": plan.deliveries(found)}
    first = {"organization": {"name": "dev", "admin": "admin@example.org"}, "secretsOperator": {}}
    config = {**SMALLEST, **first, "applications": {"shop": body}}
    loaded = settings.load(COMMANDS, {f"{PROJECT}:{key}": json.dumps(value) for key, value in config.items()}, [])
    application = loaded.applications["shop"]
    assert {each.secret for each in application.deliver} == {each.target for each in found}
    encoded = {each.key for each in secrets_of(application) if each.encoded}
    assert encoded == {"binary"}


class SealedCluster(Cluster):
    """A cluster with one SealedSecret."""

    def __init__(self, encrypted: str) -> None:
        super().__init__(None, None)
        metadata = {"name": "env", "namespace": "shop"}
        found = {"apiVersion": "v1", "kind": "SealedSecret", "spec": {"of": encrypted}, "metadata": metadata}
        object.__setattr__(self, "sealed", {"env": found})

    sealed: dict[str, Any]

    def get(self, path: str) -> Any:
        return self.sealed.get(path.rpartition("/")[2])

    def create(self, manifest: Any) -> None:
        self.sealed[manifest["metadata"]["name"]] = manifest

    def delete(self, *selection: str) -> list[str]:
        return [self.sealed.pop(selection[1])["kind"]]


def test_two_stacks_do_not_mix_their_sealed_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Staging and prod have a namespace of one name, and each can unseal its own alone."""
    monkeypatch.chdir(tmp_path)
    secret = Found(**line("env", owner="SealedSecret/env"))
    clusters = {name: SealedCluster(name) for name in ("prod", "org/project/staging")}
    moves = {name: Move(FakeStack(name=name), "shop", "shop", "prod", "Prod", dry=False) for name in clusters}
    for name, cluster in clusters.items():
        sealed.retire(cluster, moves[name].kept, "shop", [secret])
        assert cluster.sealed == {}
    for name, cluster in clusters.items():
        assert sealed.restore(cluster, moves[name].kept) == ["env"]
        assert cluster.sealed["env"]["spec"] == {"of": name}
