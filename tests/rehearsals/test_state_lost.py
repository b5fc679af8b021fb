"""The state is gone, the cluster serves: `make adopt` on one's own deployment, and docs/runbooks/state-lost.md."""

from __future__ import annotations

import base64
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from components.base.names import STACK_ID_ANNOTATION
from embedded import sample
from embedded.errors import EmbeddedError
from embedded.stack import STACK, Stack
from operations.pulumi import PROJECT
from tests.e2e import people
from tests.e2e.steps import assert_healthy, assert_nothing_to_do, login, set_secret
from tests.e2e.views import Kubectl, Site
from tests.e2e.waits import CHANGE, DELETION, eventually, kubectl_timeout
from tests.rehearsals.living import begin_again, servers
from tests.rehearsals.platforms import Platform
from tests.rehearsals.replaced import NAMESPACES, passwords
from tests.rehearsals.writers import EVERY, Writers, course

VALUES = "application-secrets-values"
OPERATOR = "infisical-secrets-operator"


@pytest.fixture
def fresh(platform: Platform) -> Iterator[None]:
    """The stack file has keys afterwards that other rehearsals' stacks don't have."""
    yield
    begin_again(platform.stack)
    platform.stack.run("up", "--yes", "--skip-preview", quiet=True)


@pytest.fixture
def shop(kubectl: Kubectl) -> Iterator[None]:
    """The namespace that the team of the sample application has made."""
    kubectl("apply", "-f", "-", stdin=sample.NAMESPACE)
    yield
    kubectl("delete", "namespace", sample.TEAM, "--ignore-not-found", kubectl_timeout(DELETION))


@pytest.mark.usefixtures("tidy", "fresh")
def test_ones_own_deployment_is_taken_over_when_the_state_is_lost(
    platform: Platform, site: Site, tmp_path: Path
) -> None:
    stack, kubectl = platform.stack, platform.kubectl
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    lose_state(stack)
    before, secret = servers(kubectl), kubectl.secret("infisical", "infisical-secrets")

    writers, began = Writers(site, login(kubectl)), time.monotonic()
    with writers.at_work():
        take_over(stack, tmp_path, passwords(kubectl))
        take_id(stack, kubectl)
        stack.operate("adopt", "--take", quiet=True)
        stack.run("up", "--yes", "--skip-preview", quiet=True)
        stack.repair(quiet=True)
    seen = course(writers.requests, began, time.monotonic())
    print(f"\n{seen.acknowledged} acknowledged, {seen.errors} errors, longest gap {seen.longest_gap:.1f} s")
    assert writers.lost(EVERY) == []
    assert servers(kubectl) == before
    assert kubectl.secret("infisical", "infisical-secrets") == secret
    assert_healthy(site)
    assert_nothing_to_do(stack)
    stack.operate("drift", quiet=True)


@pytest.mark.usefixtures("shop", "fresh")
def test_applications_and_the_organisation_are_kept_by_the_steps_of_the_page(
    platform: Platform, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, kubectl = platform.stack, platform.kubectl
    stack.init(sample.sections())
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    people.write(site, kubectl, "shop-app", "STRIPE_KEY", "theirs")
    eventually(lambda: of_people(kubectl) == b"theirs" or None, "what people have written is delivered", CHANGE)
    lose_state(stack)
    before, kept = servers(kubectl), secrets_of(kubectl)

    take_over(stack, tmp_path, kubectl("get", "secret", "infisical-secrets", "-n", "infisical", "-o", "yaml"))
    set_secret(
        stack, "adminPassword", base64.b64decode(kubectl.secret("infisical", "infisical-admin")["password"]).decode()
    )
    names = kubectl("get", "secrets", "-n", "infisical", "-o", "name").split()
    generated = [name for name in names if VALUES in name]
    take_over(stack, tmp_path, kubectl("get", "-n", "infisical", *generated, "-o", "yaml"))
    take_id(stack, kubectl)
    for namespace in (*NAMESPACES, OPERATOR):
        kubectl("delete", "jobs", "--all", "-n", namespace)
        kubectl("delete", "secret", "-n", namespace, "--selector", "owner=helm")
    with monkeypatch.context() as patch:
        patch.setenv("PULUMI_K8S_ENABLE_PATCH_FORCE", "true")
        stack.run("up", "--yes", "--skip-preview", quiet=True)
    stack.repair(quiet=True)

    assert servers(kubectl) == before
    assert secrets_of(kubectl) == kept
    assert_healthy(site)
    assert_nothing_to_do(stack)
    stack.operate("drift", quiet=True)


def lose_state(stack: Stack) -> None:
    """Begin a new state under the stack's name, which `up` refuses before it changes anything."""
    folder = stack.configuration.parent
    shutil.rmtree(folder / "state")
    (folder / "state").mkdir()
    stack.pulumi("stack", "init", STACK, cwd=folder, quiet=True)
    with pytest.raises(EmbeddedError, match="but to a different state of it than the one of this run"):
        stack.run("up", "--yes", "--skip-preview", quiet=True)


def take_over(stack: Stack, folder: Path, manifest: str) -> None:
    file = folder / "secret.yaml"
    file.touch(mode=0o600)
    file.write_text(manifest)
    stack.operate("import-secrets", str(file), quiet=True)
    file.unlink()


def take_id(stack: Stack, kubectl: Kubectl) -> None:
    """Write the id of the lost state, as the namespaces carry it, into the stack file."""
    id_ = kubectl("get", "namespace", "infisical", "-o", f"jsonpath={{.metadata.annotations.{STACK_ID_ANNOTATION}}}")
    configuration = yaml.safe_load(stack.configuration.read_text())
    configuration["config"].setdefault(f"{PROJECT}:cluster", {})["stackId"] = id_.strip()
    stack.configuration.write_text(yaml.safe_dump(configuration))


def of_people(kubectl: Kubectl) -> bytes:
    return base64.b64decode(kubectl.secret(sample.TEAM, "shop-env")["STRIPE_KEY"])


def secrets_of(kubectl: Kubectl) -> dict[str, dict[str, str]]:
    """What would be lost: the key and passwords, the admin's password, and what the application got."""
    return {
        name: kubectl.secret(namespace, name)
        for namespace, name in (
            ("infisical", "infisical-secrets"),
            ("infisical", "infisical-admin"),
            (sample.TEAM, "shop-env"),
        )
    }
