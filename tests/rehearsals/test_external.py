"""Infisical on a PostgreSQL and a Redis of others: refused with a wrong password, then up, and unchanged."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from embedded.cluster import Cluster
from embedded.errors import EmbeddedError
from embedded.stack import PROJECT, Stack
from tests.e2e.views import Kubectl, Site
from tests.e2e.waits import eventually

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


def test_the_platform_comes_up_on_databases_of_others(
    kubectl: Kubectl, stack: Stack, site: Site, authority: str
) -> None:
    password = base64.b64decode(kubectl.secret("outside", LOGIN)["password"]).decode()
    config: dict[str, object] = {
        "database": DATABASE | {"authority": authority},
        "redis": REDIS | {"authority": authority},
    }
    stack.init(config)
    for key, value in {"databasePassword": "not-the-password", "redisPassword": "p@ss/of-redis"}.items():
        _set(stack, key, value)
    with pytest.raises(EmbeddedError, match='password authentication failed for user "app"'):
        stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert not kubectl("get", "secret", "-n", "infisical", "infisical-secrets", "-o", "name", check=False)
    _set(stack, "databasePassword", password)
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert site.status()
    assert "unchanged" in stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert kubectl("get", "postgresql", "-n", "platform-db-pg", "-o", "name") == ""


def _set(stack: Stack, key: str, value: str) -> None:
    command = [stack.program, "config", "set", "--secret", f"infisical-platform:{key}", *stack.options]
    subprocess.run(command, cwd=PROJECT, env=stack.environment(), input=value, text=True, check=True)
