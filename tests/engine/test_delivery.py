"""ci/deliver.sh under the real engine and git: push, preview, approval, up, drift; who may run, and what is said."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import yaml
from checkout import ALONE, Checkout
from vault import Vault

from embedded.stack import PROJECT
from tests.thorough import thorough

STACK = "dev"
MARK = f"<!-- infisical-platform: preview of {STACK} -->"
# Small, and without a cluster. The password is known once it is made, so a message could say it.
PROGRAM = """
import pulumi
import pulumi_random

generator = pulumi_random.Provider("generator")
own = pulumi.ResourceOptions(provider=generator)
made = pulumi_random.RandomPassword("made", length=LENGTH, opts=own)
pulumi.export("made", made.result)
"""
STAND_IN = "throwAwayCiPassphrase"


@dataclass(frozen=True)
class Said:
    status: int
    page: str
    log: str


@dataclass(frozen=True)
class Repository:
    """A checkout with a remote, as a CI system's job has it."""

    checkout: Checkout
    remote: Path
    printed: list[str] = field(default_factory=list)  # all that jobs wrote

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        done = subprocess.run(["git", *identity, *arguments], cwd=self.checkout.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def push(self, length: int) -> str:
        program = PROGRAM.replace("LENGTH", str(length))
        (self.checkout.folder / "__main__.py").write_text(program)
        self.git("commit", "--quiet", "--all", "--message", f"length {length}")
        self.git("push", "--quiet", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")

    def deliver(self, *arguments: str, **environment: str) -> Said:
        done = subprocess.run(
            [*ALONE, "ci/deliver.sh", *arguments],
            cwd=self.checkout.folder,
            env={**self.checkout.environment, "DELIVER_BRANCH": "main", **environment},
            capture_output=True,
            text=True,
        )
        said = Said(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in said.log
        self.printed.append(said.page + said.log)
        return said

    def password(self) -> str:
        """What the stack generated, out of its state."""
        show = ("pulumi", "stack", "output", "--stack", STACK, "--json", "--show-secrets")
        done = subprocess.run(
            show, cwd=self.checkout.folder, env=self.checkout.environment, capture_output=True, text=True
        )
        return json.loads(done.stdout).get("made", "") if not done.returncode else ""


@pytest.fixture
def repository(checkout: Checkout, tmp_path: Path) -> Iterator[Repository]:
    for name in ("ci", "policy"):
        shutil.copytree(PROJECT / name, checkout.folder / name, ignore=shutil.ignore_patterns(".venv"))
    (checkout.folder / "policy/.venv").symlink_to(PROJECT / "policy/.venv")
    checkout = replace(checkout, environment={**checkout.environment, "PULUMI_CONFIG_PASSPHRASE": STAND_IN})
    repository = Repository(checkout, tmp_path / "remote.git")
    subprocess.run(["git", "init", "--quiet", "--bare", repository.remote], check=True)
    repository.git("init", "--quiet", "--initial-branch", "main")
    repository.git("remote", "add", "origin", str(repository.remote))
    (checkout.folder / ".gitignore").write_text(".venv\n__pycache__\n")
    checkout("pulumi", "stack", "init", STACK)
    repository.git("add", "--all")
    repository.push(20)
    yield repository
    for secret in filter(None, [STAND_IN, repository.password()]):
        assert secret not in "".join(repository.printed)


def test_an_older_commit_is_not_delivered(repository: Repository) -> None:
    assert repository.deliver("up", STACK).status == 0
    old = repository.git("rev-parse", "HEAD")
    new = repository.push(24)
    repository.git("checkout", "--quiet", old)
    for command in ("up", "heal"):
        said = repository.deliver(command, STACK)
        assert said.status == 3
        assert f"commit {old[:12]}, and main is at {new[:12]}" in said.page
    assert len(repository.password()) == 20
    assert repository.deliver("up", STACK, DELIVER_BRANCH="").status == 0, "no branch was named"


@thorough
def test_a_lock_is_waited_for_and_never_broken(repository: Repository) -> None:
    assert repository.deliver("up", STACK).status == 0
    state = Path(repository.checkout.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))
    lock = state / ".pulumi/locks/organization/infisical-platform" / STACK / "a.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    holder = {"pid": 7, "username": "runner", "hostname": "other", "timestamp": "2026-01-01T00:00:00Z"}
    lock.write_text(json.dumps(holder))
    repository.push(24)

    began = time.monotonic()
    said = repository.deliver("up", STACK, DELIVER_LOCK_SECONDS="1")
    assert said.status == 4
    assert "runner@other (pid 7)" in said.page
    assert f"make repair STACK={STACK}" in said.page
    assert time.monotonic() - began > 1
    assert lock.exists()
    assert repository.deliver("preview", STACK).status == 0, "a preview needs no lock"

    command = ["ci/deliver.sh", "up", STACK]
    waiting = subprocess.Popen(
        command,
        cwd=repository.checkout.folder,
        env={**repository.checkout.environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stderr
    for line in waiting.stderr:
        if "waiting for the other run" in line:
            lock.unlink()
            break
    waiting.communicate(timeout=60)
    assert waiting.returncode == 0
    assert len(repository.password()) == 24


def test_a_failure_says_its_cause(repository: Repository) -> None:
    (repository.checkout.folder / "__main__.py").write_text("raise SystemExit('no such luck')\n")
    said = repository.deliver("preview", STACK)
    assert said.status == 1
    assert said.page.startswith(f"{MARK}\n### `preview` of `{STACK}` failed")
    assert "no such luck" in said.page


def test_a_policy_that_is_broken_stops_before_anything_is_made(repository: Repository) -> None:
    leak = 'import pulumi_kubernetes\nprovider = pulumi_kubernetes.Provider("k", kubeconfig="/none")\n'
    leak += 'pulumi_kubernetes.core.v1.ConfigMap("stray", data={"a": "b"})\n'
    with (repository.checkout.folder / "__main__.py").open("a") as program:
        program.write(leak)
    project = repository.checkout.folder / "Pulumi.yaml"
    project.write_text(project.read_text().replace('{value: ["*"]}', '{value: ["aws"]}'))
    repository.git("commit", "--quiet", "--all", "--message", "leak")
    repository.git("push", "--quiet", "origin", "HEAD:main")
    said = repository.deliver("up", STACK)
    assert said.status == 1
    assert "providers-are-explicit" in said.page
    assert repository.password() == ""


def test_what_is_missing_has_a_sentence(repository: Repository) -> None:
    environment = dict(repository.checkout.environment)
    del environment["PULUMI_CONFIG_PASSPHRASE"]
    without = replace(repository, checkout=replace(repository.checkout, environment=environment))
    said = without.deliver("up", STACK)
    assert said.status == 1
    assert "give the job PULUMI_CONFIG_PASSPHRASE" in said.log
    assert "Pulumi.none.yaml: this checkout has no such file" in repository.deliver("preview", "none").log
    assert repository.deliver("fly", STACK).status == 64
    assert repository.deliver("up").status == 64


@thorough
def test_a_kms_takes_the_place_of_the_passphrase(repository: Repository, vault: Vault) -> None:
    """HashiCorp Vault's transit engine is the one KMS that can be had on this machine: Pulumi treats all four alike."""
    environment = {**repository.checkout.environment, **vault.environment}
    del environment["PULUMI_CONFIG_PASSPHRASE"]
    job = {"cwd": repository.checkout.folder, "env": environment, "capture_output": True, "text": True}
    made = subprocess.run(["pulumi", "stack", "init", "kms", "--secrets-provider", "hashivault://ci"], **job)
    assert made.returncode == 0, made.stderr
    assert "encryptedkey:" in (repository.checkout.folder / "Pulumi.kms.yaml").read_text()
    done = subprocess.run(["ci/deliver.sh", "up", "kms"], **job)
    assert done.returncode == 0, done.stderr
    assert "+ 3 created" in done.stdout
    assert vault.opened > 0


def test_the_workflow_of_github_does_what_it_says(repository: Repository, tmp_path: Path) -> None:
    """Each `run` of both jobs, in a shell as GitHub starts it."""
    jobs = yaml.safe_load((PROJECT / "ci/github-actions.yml").read_text())["jobs"]
    steps = {step["name"]: step["run"] for job in jobs.values() for step in job["steps"] if "run" in step}
    files = {name: tmp_path / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ENV")}
    given = {"STACK": STACK, "RUNNER_TEMP": str(tmp_path), "DELIVER_BRANCH": "main", "CONTENT": "apiVersion: v1"}
    environment = {**repository.checkout.environment, **given, **{name: str(file) for name, file in files.items()}}

    def job(name: str, **more: str) -> int:
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", steps[name]]
        folder = repository.checkout.folder
        return subprocess.run([*ALONE, *shell], cwd=folder, env=environment | more, capture_output=True).returncode

    assert job("preview") == 0
    page = (tmp_path / "preview.md").read_text()
    assert page.startswith(f"{MARK}\n### Preview of `{STACK}`: creates 3")
    assert repository.password() == "", "a preview changes nothing"
    assert job("comment") == 1, "this is no job of GitHub's"
    assert job("kubeconfig") == 0
    assert (tmp_path / "kubeconfig").stat().st_mode & 0o077 == 0
    assert files["GITHUB_ENV"].read_text() == f"KUBECONFIG={tmp_path}/kubeconfig\n"
    assert job("deliver", COMMAND="up") == 0
    assert len(repository.password()) == 20
    assert job("deliver", COMMAND="drift") == 0

    repository.push(24)
    assert job("preview") == 0
    page = (tmp_path / "preview.md").read_text()
    assert "**Replaces** `made`" in page
    assert "`length`" in page
    repository.git("reset", "--quiet", "--hard", "HEAD~1")
    assert job("deliver", COMMAND="up") == 3
    summary = files["GITHUB_STEP_SUMMARY"].read_text()
    assert [line for line in summary.splitlines() if line.startswith("###")] == [
        f"### Preview of `{STACK}`: creates 3",
        f"### `{STACK}` is up to date",
        f"### `{STACK}` has no drift",
        f"### Preview of `{STACK}`: replaces 1",
        f"### `{STACK}` was not updated",
    ]
    repository.printed.append(summary)


def test_the_pipeline_of_gitlab_does_what_it_says(repository: Repository) -> None:
    pipeline = yaml.safe_load((PROJECT / "ci/gitlab-ci.yml").read_text())

    def job(name: str, **more: str) -> int:
        script = "\n".join(pipeline[name]["script"])
        environment = {**repository.checkout.environment, "STACK": STACK, "DELIVER_BRANCH": "main", **more}
        folder = repository.checkout.folder
        done = subprocess.run([*ALONE, "bash", "-eo", "pipefail", "-c", script], cwd=folder, env=environment)
        return done.returncode

    assert job("preview") == 0
    assert (repository.checkout.folder / "preview.md").read_text().startswith(MARK)
    assert job("operate", COMMAND="heal") == 0
    (repository.checkout.folder / "__main__.py").write_text("raise SystemExit(1)\n")
    assert job("preview") == 1
