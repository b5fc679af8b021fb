"""The key that encrypts everything is rotated in Infisical, and the stack follows docs/runbooks/root-key-rotated.md."""

from __future__ import annotations

import base64
import re
import secrets
import shlex
import subprocess

import pytest

from embedded.errors import EmbeddedError
from embedded.stack import PROJECT, Stack
from tests.e2e.steps import SECRET_PATH, assert_nothing_to_do, login, sql
from tests.e2e.traffic import Traffic
from tests.e2e.views import Site
from tests.e2e.waits import ROLLOUT, kubectl_timeout
from tests.rehearsals.platforms import RELEASE, Platform
from tests.standins.root_key import SEALED, stage

SUPERSEDED = 'select count(*) from kms_root_config where "supersededAt" is not null'


def test_the_stack_follows_a_key_that_infisical_made(platform: Platform, site: Site) -> None:
    kubectl, stack = platform.kubectl, platform.stack
    assert site.request("PUT", SECRET_PATH, {"value": "under every key"}, login(kubectl))[0] == 200
    old = base64.b64decode(kubectl.secret(RELEASE, "infisical-secrets")["ENCRYPTION_KEY"]).decode()
    new = secrets.token_hex(16)
    sql(kubectl, stage(sql(kubectl, SEALED), old, new))

    run(stack, f"pulumi config set {shlex.join(stack.options)} --secret infisical-platform:encryptionKey", new)
    with pytest.raises(EmbeddedError, match="encrypted under a different key") as refused:
        stack.run("preview", quiet=True)
    printed = re.search(r"pulumi config set [^\n]*replaceEncryptionKey'? \w+", str(refused.value))
    assert printed, refused.value
    run(stack, f"{printed[0]} {shlex.join(stack.options)}")

    traffic = Traffic(site, login(kubectl))
    with traffic.flowing():
        stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert {error for _, error in traffic.errors} <= {"PUT: 502"}, traffic.errors
    assert sql(kubectl, SUPERSEDED) == "1"
    assert_nothing_to_do(stack)

    sql(kubectl, 'delete from kms_root_config where "supersededAt" is not null')  # *Remove previous key*
    deployment = ("deployment/infisical", "-n", RELEASE)
    kubectl("rollout", "restart", *deployment)
    kubectl("rollout", "status", *deployment, kubectl_timeout(ROLLOUT))
    assert site.request("GET", SECRET_PATH, token=login(kubectl))[1]["value"] == "under every key"


def run(stack: Stack, command: str, given: str = "") -> None:
    done = subprocess.run(
        shlex.split(command), cwd=PROJECT, env=stack.environment(), input=given, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
