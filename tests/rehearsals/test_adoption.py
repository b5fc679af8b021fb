"""The replaced deployment is adopted under writes and kills: nothing is lost, and only the pods of the plan are new."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.errors import EmbeddedError
from embedded.stack import PROJECT, Stack
from tests.e2e.steps import assert_healthy, assert_nothing_to_do, kill_up_after, login
from tests.e2e.views import Site
from tests.e2e.waits import eventually
from tests.rehearsals.living import TAKEN, lives_on, servers
from tests.rehearsals.platforms import Platform
from tests.rehearsals.replaced import NAMESPACES, passwords, replaced
from tests.rehearsals.writers import EVERY, Writers

MEMORY = "infisical-platform:database.memoryLimit"


def take_killed_after(stack: Stack, objects: int) -> None:
    """Kill `make adopt OPTIONS=--take` once it has taken so many objects."""
    known = set(PROJECT.glob(TAKEN))
    command = [sys.executable, "-m", "operations", "adopt", *stack.options, "--take"]
    take = subprocess.Popen(
        command, cwd=PROJECT, env=stack.environment(), stdout=subprocess.DEVNULL, start_new_session=True
    )

    def enough() -> bool:
        assert take.poll() is None, "it had ended before it could be killed"
        return any(len(file.read_text().splitlines()) >= objects for file in set(PROJECT.glob(TAKEN)) - known)

    eventually(enough, f"{objects} objects are taken")
    os.killpg(take.pid, signal.SIGKILL)
    take.wait()


def tear_state(stack: Stack) -> None:
    """Leave the state as a kill does at the worst moment: what Pulumi notes about it is empty."""
    folder = stack.configuration.parent / "state" / ".pulumi" / "stacks" / "infisical-platform"
    os.truncate(folder / "dev.json.attrs", 0)


def repair_killed(stack: Stack) -> None:
    """Kill `make repair` in the middle of its steps."""
    command = [sys.executable, "-m", "operations", "repair", "--yes", *stack.options]
    with subprocess.Popen(
        command, cwd=PROJECT, env=stack.environment(), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as repair:
        assert repair.stdout
        assert any(line.startswith("owners of fields: ") for line in repair.stdout)
        os.killpg(repair.pid, signal.SIGKILL)


@pytest.mark.usefixtures("tidy")
def test_a_running_deployment_is_adopted_although_it_is_killed_five_times(
    platform: Platform, site: Site, tmp_path: Path
) -> None:
    stack, kubectl = platform.stack, platform.kubectl
    replaced(stack, kubectl)
    with pytest.raises(EmbeddedError, match="ENCRYPTION_KEY of infisical-secrets is not the stack's"):
        stack.operate("adopt", "--take", quiet=True)
    file = tmp_path / "secret.json"
    file.write_text(passwords(kubectl))
    stack.operate("import-secrets", str(file), quiet=True)
    file.unlink()
    before, secret = servers(kubectl), kubectl.secret("infisical", "infisical-secrets")

    # The stack file asks for less than there is, and takes what is there when it is told to.
    stack.run("config", "set", "--path", MEMORY, "448Mi", quiet=True)
    stack.operate("adopt", "--write", quiet=True)
    assert stack.run("config", "get", "--path", MEMORY, quiet=True).strip() == "512Mi"

    writers = Writers(site, login(kubectl))
    with writers.at_work():
        take_killed_after(stack, 1)
        take_killed_after(stack, 6)
        stack.operate("adopt", "--take", quiet=True)
        assert kill_up_after(stack, 30)
        tear_state(stack)
        stack.repair(quiet=True)
        assert kill_up_after(stack, 120)
        repair_killed(stack)
        stack.repair(quiet=True)
        stack.run("up", "--yes", "--skip-preview", quiet=True)
        stack.repair(quiet=True)
    assert writers.lost(EVERY) == []
    assert servers(kubectl) == before
    assert kubectl.secret("infisical", "infisical-secrets") == secret
    assert "reporting" in kubectl("get", "postgresql", "-n", NAMESPACES[1], "-o", "json")
    assert_healthy(site)
    assert_nothing_to_do(stack)
    stack.operate("drift", quiet=True)
    print(f"{len(writers.acknowledged)} acknowledged, {sum(bool(each.error) for each in writers.requests)} errors")


def test_what_was_adopted_lives_on(platform: Platform, site: Site) -> None:
    """A password, an image, and the end: `destroy` on what another tool had made."""
    lives_on(platform.stack, platform.kubectl, platform.instance, site, "infisical")
    platform.stack.init()
    platform.stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert_healthy(site)
