"""What a user sees when something is missing or wrong, and that the next `up` heals it."""

from __future__ import annotations

import json

import pytest
from steps import fails
from views import Kubectl, Site
from waits import JOB, eventually

from embedded.programs import Programs
from embedded.stack import Stack
from tests.thorough import thorough

pytestmark = pytest.mark.chain
OPERATOR = ("deployment/postgres-operator", "-n", "postgres-operator")
STANDBY = "standby.platform-db-cluster.credentials.postgresql.acid.zalan.do"


def test_wrong_settings_are_named_before_anything_is_created(stack: Stack) -> None:
    stack.run("destroy", "--yes", "--skip-preview", quiet=True)
    stack.init({"redis": {"sentinels": 4}, "infisical": {"siteUrl": "https://a.test/", "replicaz": 3}})

    printed = fails(stack)

    assert "redis.sentinels: set an odd number. With 4, a network split can leave no majority" in printed
    assert "infisical.siteUrl" in printed
    assert "infisical.replicaz: there is no such key (did you mean replicas?)" in printed
    assert "Traceback" not in printed
    assert "Namespace" not in printed


def test_a_missing_operator_and_a_missing_kind_are_named(stack: Stack, kubectl: Kubectl, programs: Programs) -> None:
    stack.init()
    kubectl("scale", *OPERATOR, "--replicas=0")
    kubectl("delete", "customresourcedefinition", "redissentinels.redis.redis.opstreelabs.in")

    printed = fails(stack)

    assert "no Zalando postgres-operator" in printed
    assert "RedisSentinel" in printed

    crds = programs.path("redis-operator-config") / "crd" / "bases"
    kubectl("apply", "--server-side", "-f", str(crds / "redis.redis.opstreelabs.in_redissentinels.yaml"))
    kubectl("rollout", "restart", "deployment/redis-operator", "-n", "redis-operator")
    kubectl("scale", *OPERATOR, "--replicas=1")


def test_the_next_up_heals(stack: Stack, site: Site) -> None:
    stack.run("up", "--yes", "--skip-preview", quiet=True)

    assert site.status()["detail"]["database"]["verified"] is True


@thorough
def test_a_database_that_was_never_created_is_made_by_the_next_up(stack: Stack, site: Site, kubectl: Kubectl) -> None:
    """Credentials of another user name: the operator mends them, gives up all the same, and never tries again."""
    stack.run("destroy", "--yes", "--skip-preview", quiet=True)
    kubectl("create", "namespace", "platform-db-pg")
    kubectl(
        "create",
        "secret",
        "generic",
        STANDBY,
        "-n",
        "platform-db-pg",
        "--from-literal=username=stand-by",
        "--from-literal=password=x",
    )

    assert "CreateFailed" in fails(stack)

    stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert site.status()["detail"]["database"]["verified"] is True


def test_an_authority_under_which_the_database_does_not_verify_is_never_published(kubectl: Kubectl) -> None:
    """Before the first publication another authority stands where the database's is expected."""
    own = {name: kubectl.secret("platform-db-pg", name)["ca.crt"] for name in ("platform-db-ca", "platform-db-tls")}
    foreign = kubectl.secret("cert-manager", "embedded-ca")["tls.crt"]
    _patch(kubectl, "infisical", "infisical-secrets", "DB_ROOT_CERT", None)
    for name in own:
        _patch(kubectl, "platform-db-pg", name, "ca.crt", foreign)

    refused = _run_cert_sync(kubectl, "refused", "Failed")
    assert "platform-db-cluster" in refused
    assert "FAILED" in refused
    assert "DB_ROOT_CERT" not in kubectl.secret("infisical", "infisical-secrets")

    for name, authority in own.items():
        _patch(kubectl, "platform-db-pg", name, "ca.crt", authority)
    assert "published 1 authorities" in _run_cert_sync(kubectl, "published", "Complete")
    assert "DB_ROOT_CERT" in kubectl.secret("infisical", "infisical-secrets")


def _patch(kubectl: Kubectl, namespace: str, name: str, key: str, value: str | None) -> None:
    kubectl("patch", "secret", name, "-n", namespace, "--type=merge", "-p", json.dumps({"data": {key: value}}))


def _run_cert_sync(kubectl: Kubectl, name: str, outcome: str) -> str:
    """Runs the CronJob's Job now, with a short deadline; returns its last line."""
    job = f"job/cert-sync-{name}"
    create = ("create", "job", f"cert-sync-{name}", "-n", "platform-db-pg", "--from=cronjob/cert-sync")
    manifest = json.loads(kubectl(*create, "--dry-run=client", "-o", "json"))
    [config] = [v for v in manifest["spec"]["template"]["spec"]["containers"][0]["env"] if v["name"] == "CONFIG"]
    config["value"] = json.dumps(json.loads(config["value"]) | {"deadline_seconds": 20})
    kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    conditions = ("get", job, "-n", "platform-db-pg", "-o", "jsonpath={.status.conditions[*].type}")
    eventually(lambda: outcome in kubectl(*conditions), f"{job} is {outcome}", JOB)
    return kubectl("logs", job, "-n", "platform-db-pg").splitlines()[-1]
