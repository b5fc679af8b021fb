"""The state is gone, the cluster serves: docs/runbooks/state-lost.md and `make adopt` on one's own deployment."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from components.base.names import STACK_ID_ANNOTATION
from embedded.errors import EmbeddedError
from embedded.stack import STACK
from operations.pulumi import PROJECT
from tests.e2e.steps import assert_healthy, assert_nothing_to_do, login
from tests.e2e.views import Site
from tests.rehearsals.faults import Platform
from tests.rehearsals.living import begin_again, servers
from tests.rehearsals.replaced import passwords
from tests.rehearsals.writers import EVERY, Writers, course


@pytest.fixture
def fresh(platform: Platform) -> Iterator[None]:
    """The stack file has keys afterwards that other rehearsals' stacks don't have."""
    yield
    begin_again(platform.stack)
    platform.stack.run("up", "--yes", "--skip-preview", quiet=True)


@pytest.mark.usefixtures("tidy", "fresh")
def test_ones_own_deployment_is_taken_over_when_the_state_is_lost(
    platform: Platform, site: Site, tmp_path: Path
) -> None:
    stack, kubectl = platform.stack, platform.kubectl
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    shutil.rmtree(stack.configuration.parent / "state")
    (stack.configuration.parent / "state").mkdir()
    stack.pulumi("stack", "init", STACK, cwd=stack.configuration.parent, quiet=True)
    before, secret = servers(kubectl), kubectl.secret("infisical", "infisical-secrets")
    with pytest.raises(EmbeddedError, match="but to a different state of it than the one of this run"):
        stack.run("up", "--yes", "--skip-preview", quiet=True)

    writers, began = Writers(site, login(kubectl)), time.monotonic()
    with writers.at_work():
        file = tmp_path / "secret.json"
        file.write_text(passwords(kubectl))
        stack.operate("import-secrets", str(file), quiet=True)
        file.unlink()
        configuration = yaml.safe_load(stack.configuration.read_text())
        id_ = kubectl(
            "get", "namespace", "infisical", "-o", f"jsonpath={{.metadata.annotations.{STACK_ID_ANNOTATION}}}"
        )
        configuration["config"].setdefault(f"{PROJECT}:cluster", {})["stackId"] = id_.strip()
        stack.configuration.write_text(yaml.safe_dump(configuration))
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
