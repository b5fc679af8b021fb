"""A stack keeps to its own cluster and its own namespaces, whatever its state or its settings say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from steps import assert_nothing_to_do, configure
from views import Kubectl

from embedded.errors import EmbeddedError
from embedded.stack import PROJECT, Stack

NAMESPACES = ("infisical", "platform-db-pg", "platform-kv-redis-cluster")


@pytest.fixture(scope="module", autouse=True)
def _up(stack: Stack) -> None:
    configure(stack)
    stack.run("up", "--yes", "--skip-preview", quiet=True)


@pytest.fixture
def other(stack: Stack, tmp_path: Path) -> Iterator[list[str]]:
    """A second stack with the same settings, in the same backend: the options that name it."""
    shutil.copy(PROJECT / "Pulumi.yaml", tmp_path)
    shutil.copy(stack.settings, tmp_path / "Pulumi.other.yaml")
    stack.pulumi("stack", "init", "other", cwd=tmp_path, quiet=True)
    yield ["--stack", "other", "--config-file", str(tmp_path / "Pulumi.other.yaml")]
    stack.pulumi("stack", "rm", "other", "--yes", "--force", cwd=tmp_path, quiet=True)


def refused(stack: Stack, *options: str) -> str:
    with pytest.raises(EmbeddedError) as failure:
        stack.pulumi("up", *options, "--yes", "--skip-preview", quiet=True)
    assert "Namespace" not in str(failure.value), "nothing was begun"
    return str(failure.value)


def test_a_second_stack_does_not_take_the_first_ones_namespaces(
    stack: Stack, kubectl: Kubectl, other: list[str]
) -> None:
    printed = refused(stack, *other)

    assert f"namespaces {' '.join(NAMESPACES)} belong to stack organization/infisical-platform/dev" in printed
    stack.pulumi("destroy", *other, "--yes", "--skip-preview", quiet=True)
    phases = kubectl("get", "namespaces", *NAMESPACES, "-o", "jsonpath={.items[*].status.phase}")
    assert phases == "Active Active Active"
    assert_nothing_to_do(stack)


def test_a_lost_state_makes_no_second_key(stack: Stack, kubectl: Kubectl, other: list[str]) -> None:
    before = kubectl.secret("infisical", "infisical-secrets")
    id_ = kubectl(
        "get", "namespace", "infisical", "-o", r"jsonpath={.metadata.annotations.infisical-platform/stack-id}"
    )
    kubectl("annotate", "namespace", *NAMESPACES, "infisical-platform/stack-id-")
    try:
        printed = refused(stack, *other)
    finally:
        kubectl("annotate", "namespace", *NAMESPACES, f"infisical-platform/stack-id={id_}")

    assert "make import-secrets STACK=other FILE=/dev/stdin" in printed
    assert kubectl.secret("infisical", "infisical-secrets") == before


def test_another_cluster_is_refused(stack: Stack, tmp_path: Path) -> None:
    """The state says that its resources are elsewhere."""
    exported = _export(stack)
    state = json.loads(exported)
    [provider] = [r for r in state["deployment"]["resources"] if r["type"] == "pulumi:providers:kubernetes"]
    uid = provider["inputs"]["clusterIdentifier"]
    provider["inputs"]["clusterIdentifier"] = provider["outputs"]["clusterIdentifier"] = "uid-of-elsewhere"
    _import(stack, tmp_path, json.dumps(state))
    try:
        printed = refused(stack, *stack.options)
    finally:
        _import(stack, tmp_path, exported)

    assert f"are in cluster uid-of-elsewhere, and infisical-embedded leads to cluster {uid}" in printed
    assert_nothing_to_do(stack)


def _export(stack: Stack) -> str:
    return stack.pulumi("stack", "export", "--stack", "dev", quiet=True)


def _import(stack: Stack, folder: Path, state: str) -> None:
    file = folder / "state.json"
    file.write_text(state)
    stack.pulumi("stack", "import", "--stack", "dev", "--file", str(file), quiet=True)
