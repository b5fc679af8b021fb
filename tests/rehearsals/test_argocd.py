"""A real ArgoCD has deployed the replaced setup, and its owner moves in by docs/moving-in.md and runbooks/argocd.md.

Each step is what these pages say, in their order. Clients write from before ArgoCD stops until it is gone.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedded.cluster import Cluster
from embedded.instance import Instance
from embedded.programs import Programs
from embedded.stack import PROJECT, Stack
from tests.e2e.steps import assert_healthy, assert_nothing_to_do, configure, login
from tests.e2e.views import Kubectl, Site
from tests.e2e.waits import CHANGE, DELETION, JOB, ROLLOUT, eventually, kubectl_timeout
from tests.rehearsals import sealed_secrets
from tests.rehearsals.argo_cd import APPLICATION, NAMESPACE, ArgoCD, repository, running
from tests.rehearsals.living import begin_again, lives_on, servers
from tests.rehearsals.replaced import NAMESPACES
from tests.rehearsals.writers import EVERY, Writers, course

pytestmark = [pytest.mark.chain, pytest.mark.usefixtures("tidy")]

RELEASE, DATABASE, REDIS = NAMESPACES
DATABASE_LOGIN = "infisical-user.platform-db-cluster.credentials.postgresql.acid.zalan.do"
KEPT = ("ENCRYPTION_KEY", "AUTH_SECRET", "COOKIE_SECRET_SIGN_KEY", "REDIS_PASSWORD")
CHART = {"flavour": "infisical", "version": "0.4.2", "path": "embedded/charts/infisical"}


@dataclass(kw_only=True, slots=True)
class Moving:
    """The deployment, who works with it, and what was there before."""

    argocd: ArgoCD
    stack: Stack
    kubectl: Kubectl
    instance: Instance
    site: Site
    writers: Writers
    begun: float
    before: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    secret: dict[str, str] = field(default_factory=dict[str, str])
    plan: str = ""

    def run(self, *command: str, input: str = "") -> str:
        """Run a command as the stack's owner would, and return what it prints."""
        done = subprocess.run(
            command, cwd=PROJECT, env=self.stack.environment(), input=input, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def operate(self, command: str, *arguments: str, input: str = "") -> str:
        """Run an operation on the stack, and return what it prints."""
        return self.run(sys.executable, "-m", "operations", command, *self.stack.options, *arguments, input=input)


def secret(namespace: str, name: str, **data: str) -> dict[str, Any]:
    """What its owner has sealed."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


def passwords() -> Iterator[dict[str, Any]]:
    """The three Secrets of the replaced setup."""
    database, redis = secrets.token_hex(12), secrets.token_hex(12)
    pooler = "platform-db-cluster-pooler.platform-db-pg.svc.cluster.local"
    yield secret(DATABASE, DATABASE_LOGIN, username="infisical_user", password=database)
    yield secret(REDIS, "platform-kv-auth", password=redis)
    yield secret(
        RELEASE,
        "infisical-secrets",
        SITE_URL="https://secrets.infisical.test",
        ENCRYPTION_KEY=secrets.token_hex(16),
        AUTH_SECRET=base64.b64encode(secrets.token_bytes(32)).decode(),
        COOKIE_SECRET_SIGN_KEY=secrets.token_hex(32),
        DB_CONNECTION_URI=f"postgresql://infisical_user:{database}@{pooler}:5432/infisical",
        REDIS_SENTINEL_HOSTS="platform-kv-sentinel-sentinel.platform-kv-redis-cluster.svc.cluster.local:26379",
        REDIS_SENTINEL_MASTER_NAME="platform-kv-master",
        REDIS_PASSWORD=redis,
        TELEMETRY_ENABLED="false",
    )


def sealed(kubectl: Kubectl, programs: Programs, folder: Path) -> Mapping[str, str]:
    """What the repository has of them, by file name."""
    certificate = folder / "tls.crt"
    certificate.write_bytes(sealed_secrets.certificate_of(kubectl))
    found: dict[str, str] = {}
    for each in passwords():
        manifest = json.loads(sealed_secrets.sealed(programs, certificate, each))
        manifest["metadata"]["annotations"] = {"argocd.argoproj.io/sync-wave": "-4"}
        found[f"sealed-{each['metadata']['namespace']}.yaml"] = yaml.safe_dump(manifest)
    return found


@pytest.fixture(scope="module")
def moving(
    cluster: Cluster, stack: Stack, kubectl: Kubectl, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Moving]:
    """What ArgoCD has deployed into a cluster with nothing but operators, and clients that write."""
    assert cluster
    begin_again(stack)
    programs, folder = kubectl.programs, tmp_path_factory.mktemp("argocd")
    sealed_secrets.install(kubectl, programs)
    source = repository(folder, sealed(kubectl, programs, folder))
    with running(kubectl, programs, folder) as argocd:
        begun = time.monotonic()
        argocd.deploy(source)
        try:
            eventually(
                lambda: argocd.application("status.operationState.phase") == "Succeeded", "it is synced", 2 * JOB
            )
            kubectl("rollout", "status", "deployment/infisical-backend", "-n", RELEASE, kubectl_timeout(ROLLOUT))
            site.status()
        except AssertionError as error:
            raise AssertionError(f"{error}\n{argocd.application('status')}\n{argocd.said()}") from None
        print(f"\nArgoCD deployed it in {time.monotonic() - begun:.0f} s")
        writers = Writers(site, login(kubectl))
        with writers.at_work():
            yield Moving(
                argocd=argocd,
                stack=stack,
                kubectl=kubectl,
                instance=cluster.instance,
                site=site,
                writers=writers,
                begun=time.monotonic(),
            )


def test_argocd_has_deployed_it(moving: Moving) -> None:
    """As its owner knows it: in waves, with a hook, tracked, and healed when somebody changes it."""
    kubectl = moving.kubectl
    ingress = json.loads(kubectl("get", "ingress", "infisical", "-n", RELEASE, "--show-managed-fields", "-o", "json"))
    assert ingress["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"].startswith(f"{APPLICATION}:")
    assert "argocd-controller" in {each["manager"] for each in ingress["metadata"]["managedFields"]}
    kubectl("wait", "--for=condition=Complete", "job/extract-certificate", "-n", RELEASE, kubectl_timeout(CHANGE))
    kubectl("scale", "deployment", "infisical-backend", "-n", RELEASE, "--replicas=3")
    replicas = ("get", "deployment", "infisical-backend", "-n", RELEASE, "-o", "jsonpath={.spec.replicas}")
    eventually(lambda: kubectl(*replicas) == "2", "ArgoCD heals")


def test_a_stack_is_made_with_the_keys_of_the_live_secret(moving: Moving) -> None:
    """Step 1."""
    configure(moving.stack, infisical={"chart": CHART})
    live = moving.kubectl("get", "secret", "infisical-secrets", "-n", RELEASE, "-o", "yaml")
    said = moving.operate("import-secrets", "/dev/stdin", input=live)
    assert "0 kept as the stack has them" in said


def test_nothing_is_taken_while_argocd_acts(moving: Moving) -> None:
    """Step 2, and step 1 of the runbook: the command that adopt prints is run as it stands."""
    command = [sys.executable, "-m", "operations", "adopt", *moving.stack.options, "--take"]
    done = subprocess.run(command, cwd=PROJECT, env=moving.stack.environment(), capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    [refused] = re.findall(r"REFUSED: ArgoCD's Application platform .*: `(kubectl .*)`", done.stdout)
    moving.run("sh", "-c", refused)
    assert moving.argocd.application("metadata.finalizers") == ""


def test_the_plan_names_what_restarts_and_keeps_what_is_there(moving: Moving) -> None:
    moving.operate("adopt", "--write")
    memory = ("config", "get", "--path", "infisical-platform:database.memoryLimit")
    assert moving.stack.run(*memory, quiet=True).strip() == "640Mi"
    moving.plan = moving.operate("adopt")
    print(moving.plan)
    assert "keeps users of others: reporting" in moving.plan
    assert "log_min_duration_statement" in moving.plan
    assert effect(moving.plan, "postgresql") == "is changed, and nothing restarts"
    assert effect(moving.plan, "RedisReplication") == "servers restart one by one, with a fail-over"


def test_it_is_adopted_while_clients_write(moving: Moving) -> None:
    """Steps 3 and 4."""
    moving.before = {namespace: servers(moving.kubectl, namespace) for namespace in (DATABASE, REDIS)}
    moving.secret = moving.kubectl.secret(RELEASE, "infisical-secrets")
    for step, act in {
        "adopt --take": lambda: moving.operate("adopt", "--take"),
        "up": lambda: moving.stack.run("up", "--yes", "--skip-preview", quiet=True),
        "repair": lambda: moving.operate("repair", "--yes"),
    }.items():
        begun = time.monotonic()
        act()
        print(f"{step}: {time.monotonic() - begun:.0f} s")


def test_only_pods_of_the_plan_are_new_and_keys_are_as_before(moving: Moving) -> None:
    # Redis has another configuration, the pooler another certificate: the plan says so.
    for namespace, stay in ((DATABASE, "application=spilo"), (REDIS, "redis_setup_type=sentinel")):
        found = servers(moving.kubectl, namespace, selector=stay)
        assert found
        assert found.items() <= moving.before[namespace].items()
    live = moving.kubectl.secret(RELEASE, "infisical-secrets")
    assert {key: live[key] for key in KEPT} == {key: moving.secret[key] for key in KEPT}
    password = moving.kubectl.secret(DATABASE, DATABASE_LOGIN)["password"]
    uri = base64.b64decode(live["DB_CONNECTION_URI"]).decode()
    assert f":{base64.b64decode(password).decode()}@" in uri
    assert uri.replace(".svc:", ".svc.cluster.local:") == base64.b64decode(moving.secret["DB_CONNECTION_URI"]).decode()
    assert "reporting" in moving.kubectl("get", "postgresql", "-n", DATABASE, "-o", "json")


def test_argocd_goes_and_takes_nothing_with_it(moving: Moving) -> None:
    """Step 5, and steps 3 and 4 of the runbook."""
    kubectl = moving.kubectl
    assert_nothing_to_do(moving.stack)
    pods = {namespace: servers(kubectl, namespace) for namespace in NAMESPACES}
    moving.run("sh", "-c", f"kubectl delete -n {NAMESPACE} applications.argoproj.io {APPLICATION} --cascade=orphan")
    kubectl("delete", "job", "extract-certificate", "-n", RELEASE)
    for namespace in NAMESPACES:
        kubectl("delete", "sealedsecrets", "-n", namespace, "--all")
    kubectl("rollout", "restart", "deployment/sealed-secrets-controller", "-n", sealed_secrets.NAMESPACE)
    rolled = ("deployment/sealed-secrets-controller", "-n", sealed_secrets.NAMESPACE, kubectl_timeout(ROLLOUT))
    kubectl("rollout", "status", *rolled)
    kubectl("delete", "namespace", NAMESPACE, sealed_secrets.NAMESPACE, kubectl_timeout(DELETION))
    for namespace, name in ((DATABASE, DATABASE_LOGIN), (REDIS, "platform-kv-auth"), (RELEASE, "infisical-secrets")):
        assert kubectl.secret(namespace, name)
    assert {namespace: servers(kubectl, namespace) for namespace in NAMESPACES} == pods


def test_nothing_of_argocd_is_left(moving: Moving) -> None:
    """Neither a field that it would own, nor an annotation, but where operators copy these into pods."""
    deployers = re.compile(r"argocd|kubectl-(client|create|edit)|cert-manager-ingress-shim")
    for resource in moving_objects(moving):
        metadata = resource["metadata"]
        name = f"{resource['kind']} {metadata['name']}"
        assert not [m["manager"] for m in metadata.get("managedFields", []) if deployers.search(m["manager"])], name
        assert not [each["kind"] for each in metadata.get("ownerReferences", [])], name
        if resource["kind"] not in ("postgresql", "RedisReplication", "RedisSentinel", "Certificate", "Issuer"):
            assert not [a for a in metadata.get("annotations", {}) if a.startswith("argocd.")], name


def moving_objects(moving: Moving) -> Iterator[dict[str, Any]]:
    """What ArgoCD had deployed and the stack has now."""
    state = json.loads(moving.stack.pulumi("stack", "export", "--stack", "dev", quiet=True))
    for resource in state["deployment"]["resources"]:
        made = resource.get("outputs", {})
        if not resource["type"].startswith("kubernetes:") or resource.get("external") or "kind" not in made:
            continue
        if "metadata" in made and made["kind"] != "Job":
            group, _, version = made["apiVersion"].rpartition("/")
            where = ["-n", made["metadata"]["namespace"]] if "namespace" in made["metadata"] else []
            kind = f"{made['kind']}.{version}.{group}"
            yield json.loads(
                moving.kubectl("get", kind, made["metadata"]["name"], *where, "--show-managed-fields", "-o", "json")
            )


def test_no_acknowledged_write_is_lost(moving: Moving) -> None:
    moving.writers.stop()
    seen = course(moving.writers.requests, moving.begun, time.monotonic())
    print(f"{seen.acknowledged} acknowledged, {seen.errors} errors, longest gap {seen.longest_gap:.1f} s")
    assert moving.writers.lost(EVERY) == []
    assert_healthy(moving.site)


def test_it_lives_on(moving: Moving) -> None:
    """A later password and image, then the end. The platform is left as other rehearsals expect it."""
    lives_on(moving.stack, moving.kubectl, moving.instance, moving.site, "infisical-backend")
    moving.stack.init()
    moving.stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert_healthy(moving.site)


def effect(plan: str, kind: str) -> str:
    """What the plan says that `up` does to the object of a kind."""
    [line] = [line for line in plan.splitlines() if line.startswith(f"{kind} ")]
    return re.split(r"  +", line)[-1]
