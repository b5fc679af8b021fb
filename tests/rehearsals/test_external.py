"""Infisical on a PostgreSQL and a Redis of others: up, backed up, rehearsed, and never led to an empty database."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from embedded.cluster import Cluster
from embedded.imagebuild import reference
from embedded.stack import Stack
from tests.e2e.steps import SECRET_PATH, fails, login, set_secret
from tests.e2e.views import Kubectl, Site
from tests.e2e.waits import JOB, eventually, kubectl_timeout
from tests.rehearsals.recipients import recipient

__all__ = ["recipient"]  # a fixture that pytest finds here

OUTSIDE = Path(__file__).with_name("outside.yaml")
LOGIN = "app.postgres.credentials.postgresql.acid.zalan.do"
DATABASE = {"kind": "external", "host": "postgres.outside.svc", "name": "appdb", "user": "app"}
REDIS = {"kind": "external", "host": "redis.outside.svc"}


@pytest.fixture
def authority(kubectl: Kubectl, cluster: Cluster) -> str:
    """Make both servers, and return the authority that a provider would publish."""
    assert cluster
    kubectl("apply", "-f", str(OUTSIDE))
    kubectl("wait", "-n", "outside", "pod/redis", "--for=condition=Ready", "--timeout=180s")
    eventually(
        lambda: (
            kubectl("get", "postgresql", "-n", "outside", "postgres", "-o", "jsonpath={.status}", check=False)
            == '{"PostgresClusterStatus":"Running"}'
        ),
        "PostgreSQL runs outside",
    )
    return base64.b64decode(kubectl.secret("outside", "servers-tls")["ca.crt"]).decode()


def test_the_platform_lives_on_databases_of_others(
    kubectl: Kubectl, stack: Stack, site: Site, authority: str, recipient: str
) -> None:
    password = base64.b64decode(kubectl.secret("outside", LOGIN)["password"]).decode()
    config: dict[str, object] = {
        "database": DATABASE | {"authority": authority},
        "redis": REDIS | {"authority": authority},
        "backup": {"image": reference("postgres"), "target": {"kind": "volume"}, "recipients": [recipient]},
    }
    stack.init(config)
    for key, value in {"databasePassword": "not-the-password", "redisPassword": "p@ss/of-redis"}.items():
        set_secret(stack, key, value)
    assert 'password authentication failed for user "app"' in fails(stack)
    assert not kubectl("get", "secret", "-n", "infisical", "infisical-secrets", "-o", "name", check=False)
    set_secret(stack, "databasePassword", password)
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert site.status()
    assert "unchanged" in stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert kubectl("get", "postgresql", "-n", "platform-db-pg", "-o", "name") == ""
    assert site.request("PUT", SECRET_PATH, {"value": "kept"}, login(kubectl))[0] == 200

    assert "read back" in _job(kubectl, "backup")
    assert "was restored in" in _job(kubectl, "backup-rehearsal")

    empty = DATABASE | {"authority": authority, "name": "emptydb"}
    stack.init(config | {"database": empty})
    before = f"{DATABASE['host']}:5432/{DATABASE['name']}"
    assert f"this stack's data is in {before}" in fails(stack)
    stack.init(config | {"database": empty | {"movedFrom": before}})
    assert "database emptydb has none of Infisical's tables" in fails(stack)
    stack.init(config)
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert site.request("GET", SECRET_PATH, token=login(kubectl))[1]["value"] == "kept"


def _job(kubectl: Kubectl, cron: str) -> str:
    """Run a CronJob's Job now, and return its last line."""
    job, where = f"{cron}-now", ("-n", "platform-db-pg")
    kubectl("create", "job", job, *where, f"--from=cronjob/{cron}")
    kubectl("wait", "--for=condition=Complete", f"job/{job}", *where, kubectl_timeout(JOB))
    return kubectl("logs", f"job/{job}", *where).strip().splitlines()[-1]
