"""The platform on a real cluster, as its user lives with it. In order: each test starts where the last one ended."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kinds import plain
from steps import (
    SECRET_PATH,
    assert_healthy,
    assert_nothing_to_do,
    configure,
    deployments_held,
    kill_up_when_seen,
    login,
)
from views import Kubectl, Site
from waits import eventually

from embedded.errors import EmbeddedError
from embedded.stack import PROJECT, Stack
from tests.thorough import thorough
from tests.unit.harness import THROW_AWAY

pytestmark = [pytest.mark.platform, pytest.mark.chain]
NAMESPACES = ("infisical", "platform-db-pg", "platform-kv-redis-cluster")
OLD_CHART = {"flavour": "infisical", "version": "0.4.2", "path": "embedded/charts/infisical"}
BELIEVED = ("CF-Connecting-IP", "CF-Pseudo-IPv4", "X-Client-IP", "X-Envoy-External-Address")
GATEWAY = {"kind": "gateway", "name": "public", "namespace": "ingress", "listener": "https"}


def _pulumi(stack: Stack, *arguments: str, input: str = "") -> str:
    """What it prints, on stdout and stderr; secrets go in through `input`."""
    command = [stack.program, *arguments, *stack.options, "--non-interactive"]
    done = subprocess.run(command, cwd=PROJECT, env=stack.environment(), input=input, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_up_from_empty_ends_with_infisical_over_verified_https(stack: Stack, site: Site) -> None:
    stack.run("preview", quiet=True)
    printed = stack.run("up", "--yes", "--skip-preview", quiet=True)

    assert_healthy(site)
    assert "https://secrets.infisical.test" in printed


def test_a_secret_is_written_and_read(site: Site, kubectl: Kubectl) -> None:
    token = login(kubectl)

    assert site.request("GET", SECRET_PATH)[0] == 401
    assert site.request("PUT", SECRET_PATH, {"value": "kept over everything"}, token)[0] == 200
    assert site.request("GET", SECRET_PATH, token=token)[1]["value"] == "kept over everything"


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    assert_nothing_to_do(stack)


def test_drift_is_named_with_its_owner_and_healed(stack: Stack, kubectl: Kubectl) -> None:
    stack.operate("drift", quiet=True)  # what operators and CertSync write is none
    secret, role = kubectl.secret("infisical", "infisical-secrets"), ("role", "infisical-gate", "-n", "infisical")
    rules = kubectl("get", *role, "-o", "jsonpath={.rules}")
    reads = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    more = json.dumps([{"op": "add", "path": "/rules/-", "value": reads}])
    other = json.dumps({"stringData": {"SITE_URL": "https://throwaway.example.org"}})
    kubectl("patch", *role, "--type=json", "-p", more)
    kubectl("patch", "secret", "infisical-secrets", "-n", "infisical", "--type=merge", "-p", other)
    kubectl("scale", "deployment", "infisical", "-n", "infisical", "--replicas=3")

    with pytest.raises(EmbeddedError) as drifted:
        stack.operate("drift", quiet=True)
    told = {line.split()[1]: " ".join(line.split()[2:]) for line in str(drifted.value).splitlines() if "/" in line}
    assert told["infisical/infisical-gate"].startswith("rules 5 elements 6 elements kubectl-patch 20")
    assert told["infisical/infisical-secrets"].startswith("data.SITE_URL differs differs kubectl-patch 20")
    assert told["infisical/infisical"] == "spec.replicas 2 3 kubectl through scale"
    assert "throwaway" not in str(drifted.value)

    stack.operate("heal", "--yes", quiet=True)
    assert kubectl("get", *role, "-o", "jsonpath={.rules}") == rules
    assert kubectl.secret("infisical", "infisical-secrets") == secret
    assert kubectl("get", "deployment", "infisical", "-n", "infisical", "-o", "jsonpath={.spec.replicas}") == "2"
    stack.run("up", "--yes", "--skip-preview", "--expect-no-changes", quiet=True)


def test_the_policy_pack_has_nothing_to_say_of_what_runs(stack: Stack) -> None:
    subprocess.run(["policy/sync.sh"], cwd=PROJECT, check=True, env=os.environ | {"PYTHON": sys.executable})
    stack.run("preview", "--policy-pack", "policy", "--expect-no-changes", quiet=True)


def test_no_secret_is_in_the_state_or_in_what_is_printed(
    stack: Stack, site: Site, kubectl: Kubectl, tmp_path: Path
) -> None:
    given = {key: value.strip() for key, value in THROW_AWAY.items()}  # Pulumi takes a last line break away
    for key, value in given.items():
        _pulumi(stack, "config", "set", "--secret", f"infisical-platform:{key}", input=value)
    prod = yaml.safe_load((PROJECT / "Pulumi.prod.yaml").read_text())["config"]
    configure(stack, **{name: prod[f"infisical-platform:{name}"] for name in ("mail", "signOn", "integrations")})
    events = tmp_path / "events"
    printed = _pulumi(
        stack, "up", "--yes", "--skip-preview", "--diff", "--logtostderr", "-v=3", "--event-log", str(events)
    )
    assert_healthy(site)

    environment = kubectl.secret("infisical", "infisical-secrets")
    plain = {key: base64.b64decode(value).decode() for key, value in environment.items()}
    assert set(given.values()) <= set(plain.values())
    hidden = [plain[key] for key in ("ENCRYPTION_KEY", "AUTH_SECRET", "COOKIE_SECRET_SIGN_KEY", "REDIS_PASSWORD")]
    password = plain["DB_CONNECTION_URI"].split(":")[2].split("@")[0]
    state = "".join(path.read_text() for path in (stack.configuration.parent / "state").rglob("*") if path.is_file())
    for value in (*hidden, *given.values(), password, plain["DB_CONNECTION_URI"]):
        for text in (state, printed, events.read_text(), stack.configuration.read_text()):
            assert value not in text
            assert json.dumps(value)[1:-1] not in text
            assert base64.b64encode(value.encode()).decode() not in text
    for text in (state, printed, events.read_text()):
        assert plain["SITE_URL"] in text  # the search would find a value which is there

    for key in given:
        _pulumi(stack, "config", "rm", f"infisical-platform:{key}")
    configure(stack)


def test_another_encryption_key_is_refused_before_anything_changes(stack: Stack) -> None:
    key = "infisical-platform:encryptionKey"
    _pulumi(stack, "config", "set", "--secret", key, input="0123456789abcdef" * 2)
    with pytest.raises(EmbeddedError, match="encrypted under a different key") as caught:
        stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert "pulumi config rm --stack dev 'infisical-platform:encryptionKey'" in str(caught.value)
    assert "updated" not in str(caught.value)

    _pulumi(stack, "config", "rm", key)


def test_cert_sync_owns_its_key_and_nothing_else(kubectl: Kubectl) -> None:
    secret = json.loads(
        kubectl("get", "secret", "infisical-secrets", "-n", "infisical", "-o", "json", "--show-managed-fields")
    )
    owned = {
        entry["manager"]: set(entry["fieldsV1"]["f:data"]) - {"."} for entry in secret["metadata"]["managedFields"]
    }

    assert owned.pop("cert-sync") == {"f:DB_ROOT_CERT"}
    assert not any("f:DB_ROOT_CERT" in keys for keys in owned.values())


def test_the_other_chart_and_gateway_api(stack: Stack, site: Site, kubectl: Kubectl) -> None:
    configure(stack, infisical={"chart": OLD_CHART}, ingress={"route": GATEWAY})
    stack.run("up", "--yes", "--skip-preview", quiet=True)

    assert_healthy(site)
    assert site.request("GET", SECRET_PATH, token=login(kubectl))[1]["value"] == "kept over everything"
    assert kubectl("get", "deployments", "-n", "infisical", "-o", "name").split() == [
        "deployment.apps/infisical-backend"
    ]
    assert kubectl("get", "ingresses", "-n", "infisical", "-o", "name") == ""
    for header in BELIEVED:  # the route takes them away, or anybody could say who they are
        with contextlib.closing(site.connect()) as connection:
            connection.request("GET", "/api/status", headers={header: "203.0.113.9"})
            status = json.load(connection.getresponse())
        assert status["detail"]["client"] != "203.0.113.9", header
    assert_nothing_to_do(stack)


def test_a_migration_that_fails_changes_nothing_else_and_the_next_up_heals(stack: Stack, site: Site) -> None:
    configure(stack, infisical={"image": "embedded.local/redis:7.0", "chart": OLD_CHART})
    with pytest.raises(EmbeddedError, match=r"infisical-migration.*it is no image of Infisical's server"):
        stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert_healthy(site)

    configure(stack)
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert_healthy(site)
    assert_nothing_to_do(stack)


def test_up_killed_while_helm_works_goes_on_after_repair(stack: Stack, site: Site, kubectl: Kubectl) -> None:
    configure(stack, infisical={"replicas": 1})
    marked = ("secrets", "-n", "infisical", "-l", "owner=helm,status=pending-upgrade")
    with deployments_held(kubectl, "infisical"):
        kill_up_when_seen(stack, kubectl, *marked)
    assert kubectl("get", *marked, "-o", "name")
    with pytest.raises(EmbeddedError):
        stack.run("up", "--yes", "--skip-preview", quiet=True)

    stack.repair(quiet=True)
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert_healthy(site)
    assert_nothing_to_do(stack)


@plain
def test_destroy_leaves_nothing_and_up_at_once_works(stack: Stack, site: Site, kubectl: Kubectl) -> None:
    configure(stack)
    stack.run("destroy", "--yes", "--skip-preview", quiet=True)

    assert not set(kubectl("get", "namespaces", "-o", "name").split()) & {f"namespace/{name}" for name in NAMESPACES}
    assert kubectl("get", "persistentvolumeclaims", "-A", "-o", "name") == ""
    eventually(lambda: kubectl("get", "persistentvolumes", "-o", "name") == "", "volumes are gone")

    stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert_healthy(site)
    assert_nothing_to_do(stack)


@thorough
@plain
def test_up_killed_half_way_from_empty_goes_on_after_repair(stack: Stack, site: Site, kubectl: Kubectl) -> None:
    stack.run("destroy", "--yes", "--skip-preview", quiet=True)
    kill_up_when_seen(stack, kubectl, "postgresqls.acid.zalan.do", "-n", "platform-db-pg")

    stack.repair(quiet=True)
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert_healthy(site)
    assert_nothing_to_do(stack)
