"""What a user sees when something is missing or wrong, and that the next `up` heals it."""

from __future__ import annotations

import pytest
from views import Kubectl, Site, eventually

from embedded.errors import EmbeddedError
from embedded.programs import Programs
from embedded.stack import Stack

OPERATOR = ("deployment/postgres-operator", "-n", "postgres-operator")
STANDBY = "standby.platform-db-cluster.credentials.postgresql.acid.zalan.do"


def _fails(stack: Stack) -> str:
    with pytest.raises(EmbeddedError) as failure:
        stack.run("up", "--yes", "--skip-preview", quiet=True)
    return str(failure.value)


def test_wrong_settings_are_named_before_anything_is_created(stack: Stack) -> None:
    stack.run("destroy", "--yes", "--skip-preview", quiet=True)
    stack.init({"redis": {"sentinels": 4}, "infisical": {"siteUrl": "https://a.test/", "replicaz": 3}})

    printed = _fails(stack)

    assert "redis.sentinels: 4 is even" in printed
    assert "infisical.siteUrl" in printed
    assert "infisical.replicaz: no such key (did you mean replicas?)" in printed
    assert "Traceback" not in printed
    assert "Namespace" not in printed


def test_a_missing_operator_and_a_missing_kind_are_named(stack: Stack, kubectl: Kubectl, programs: Programs) -> None:
    stack.init()
    kubectl("scale", *OPERATOR, "--replicas=0")
    kubectl("delete", "customresourcedefinition", "redissentinels.redis.redis.opstreelabs.in")

    printed = _fails(stack)

    assert "no Zalando postgres-operator" in printed
    assert "RedisSentinel" in printed

    crds = programs.path("redis-operator-config") / "crd" / "bases"
    kubectl("apply", "--server-side", "-f", str(crds / "redis.redis.opstreelabs.in_redissentinels.yaml"))
    kubectl("rollout", "restart", "deployment/redis-operator", "-n", "redis-operator")
    kubectl("scale", *OPERATOR, "--replicas=1")


def test_the_next_up_heals(stack: Stack, site: Site) -> None:
    stack.run("up", "--yes", "--skip-preview", quiet=True)

    assert site.status()["detail"]["database"]["verified"] is True


def test_a_database_that_was_never_created_is_made_by_the_next_up(stack: Stack, site: Site, kubectl: Kubectl) -> None:
    """The operator refuses credentials whose user name is not the role's, and never tries again by itself."""
    stack.run("destroy", "--yes", "--skip-preview", quiet=True)
    kubectl("create", "namespace", "platform-db-pg")
    kubectl(
        "create", "secret", "generic", STANDBY, "-n", "platform-db-pg", "--from-literal=username=stand-by",
        "--from-literal=password=x",
    )  # fmt: skip

    assert "CreateFailed" in _fails(stack)

    kubectl("delete", "secret", STANDBY, "-n", "platform-db-pg")
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert site.status()["detail"]["database"]["verified"] is True


def test_a_certificate_that_does_not_verify_is_never_published(stack: Stack, kubectl: Kubectl) -> None:
    """Another authority appears where the database's own is expected: nothing is written, the endpoint is named."""
    before = kubectl.secret("infisical", "infisical-secrets")
    foreign = kubectl.secret("cert-manager", "embedded-ca")["tls.crt"]
    for name in ("platform-db-ca", "platform-db-tls"):
        patch = f'{{"data": {{"ca.crt": "{foreign}"}}}}'
        kubectl("patch", "secret", name, "-n", "platform-db-pg", "--type=merge", "-p", patch)
    kubectl("create", "job", "cert-sync-now", "-n", "infisical", "--from=cronjob/cert-sync")

    eventually(
        lambda: (
            "Failed" in kubectl("get", "job/cert-sync-now", "-n", "infisical", "-o", "jsonpath={.status.conditions}")
        ),
        "CertSync refuses",
        240,
    )
    last = kubectl("logs", "job/cert-sync-now", "-n", "infisical").splitlines()[-1]

    assert "platform-db-cluster" in last
    assert kubectl.secret("infisical", "infisical-secrets") == before
