"""Pods and passwords are replaced while the platform is in use. In order: each test starts where the last one ended."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from steps import (
    SECRET_PATH,
    assert_healthy,
    assert_nothing_to_do,
    configure,
    kill_up_when_seen,
    login,
    make_second_owner,
)
from traffic import Traffic
from views import Kubectl, Site
from waits import DELETION, RESTART, ROLLOUT, eventually, kubectl_timeout

from embedded.errors import EmbeddedError
from embedded.stack import Stack
from tests.thorough import thorough

pytestmark = pytest.mark.chain
DATABASE, REDIS = "platform-db-pg", "platform-kv-redis-cluster"
CLIENT, POOLER = "password-client", "platform-db-cluster-pooler"
GATE = "**platform-kv-gate"
OUTAGE_SECONDS = 30


@dataclass(frozen=True)
class Passwords:
    """What Infisical has been given."""

    database: str
    redis: str

    @classmethod
    def of(cls, kubectl: Kubectl) -> Passwords:
        environment = kubectl.secret("infisical", "infisical-secrets")
        uri, redis = (base64.b64decode(environment[key]).decode() for key in ("DB_CONNECTION_URI", "REDIS_PASSWORD"))
        return cls(urlsplit(uri).password or "", redis)


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left(stack: Stack) -> Iterator[None]:
    """A number that goes back to 1 is refused: what comes later starts from empty."""
    yield
    stack.run("destroy", "--yes", "--skip-preview", quiet=True)


def _rotate(stack: Stack, number: int) -> None:
    configure(stack, database={"passwordRotation": number}, redis={"passwordRotation": number})


def _client(kubectl: Kubectl) -> str:
    """A pod with psql that NetworkPolicies take for the database's gate, which may reach the pooler too."""
    pod = (CLIENT, "-n", DATABASE)
    if not kubectl("get", "pod", *pod, "--ignore-not-found", "-o", "name"):
        image = kubectl(
            "get", "pod/platform-db-cluster-0", "-n", DATABASE, "-o", "jsonpath={.spec.containers[0].image}"
        )
        label = "infisical-platform/job=platform-db-gate-login"
        kubectl("run", *pod, "--image", image, "--labels", label, "--restart=Never", "--command", "--", "sleep", "3600")
    kubectl("wait", "--for=condition=Ready", f"pod/{CLIENT}", "-n", DATABASE, kubectl_timeout(RESTART))
    return CLIENT


def _database_takes(kubectl: Kubectl, password: str, host: str) -> bool:
    """Whether a new session through `host` may begin. The password goes over stdin: arguments are for all to read."""
    login = f"read -r PGPASSWORD; export PGPASSWORD; psql -h {host} -U infisical_user -d infisical -XwAtc 'select 1'"
    inside = ("exec", "-i", _client(kubectl), "-n", DATABASE, "--", "sh", "-c", login)
    return kubectl(*inside, stdin=f"{password}\n", check=False).strip() == "1"


def _redis_takes(kubectl: Kubectl, password: str, pod: str) -> bool:
    login = "read -r REDISCLI_AUTH; export REDISCLI_AUTH; redis-cli ping"
    inside = ("exec", "-i", pod, "-n", REDIS, "-c", "platform-kv", "--", "sh", "-c", login)
    return "PONG" in kubectl(*inside, stdin=f"{password}\n", check=False)


def _starts(kubectl: Kubectl, *pods: str) -> dict[str, str]:
    """Since when each container of the pods runs."""
    running = "{range .items[*]}{.metadata.name} {.status.containerStatuses[*].state.running.startedAt}{'\\n'}{end}"
    lines = kubectl("get", "pods", *pods, "-o", f"jsonpath={running}").splitlines()
    return dict(line.split(" ", 1) for line in lines)


def _servers(kubectl: Kubectl) -> dict[str, str]:
    """Pods of PostgreSQL, PgBouncer, Redis and Sentinel, and since when they run."""
    return _starts(kubectl, "-n", DATABASE, "-l", "cluster-name=platform-db-cluster") | _starts(
        kubectl, "-n", REDIS, "-l", "redis_setup_type in (replication, sentinel)"
    )


def _migration(kubectl: Kubectl) -> str:
    """Which run of the Job is the last one."""
    return kubectl("get", "job/infisical-migration", "-n", "infisical", "-o", "jsonpath={.metadata.uid}")


def test_a_roll_of_infisical_holds_up_no_request(stack: Stack, site: Site, kubectl: Kubectl) -> None:
    """The ingress controller sends some to a pod which has just ended."""
    configure(stack)
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    deployment = ("deployment/infisical", "-n", "infisical")
    old = kubectl("get", "pods", "-n", "infisical", "-l", "release=infisical", "-o", "name").split()
    traffic = Traffic(site, login(kubectl))

    with traffic.flowing():
        kubectl("rollout", "restart", *deployment)
        kubectl("rollout", "status", *deployment, kubectl_timeout(ROLLOUT))
        kubectl("wait", *old, "-n", "infisical", "--for=delete", kubectl_timeout(DELETION))
        seen = traffic.written
        eventually(lambda: traffic.written > seen + 50, "50 requests after the last pod has ended")

    # A pod that ends may close a connection under a write: 502 at once, and the client can try again. None hangs.
    assert {error for _, error in traffic.errors} <= {"PUT: 502"}
    assert traffic.outage < 15


def test_both_passwords_rotate_under_traffic(stack: Stack, site: Site, kubectl: Kubectl) -> None:
    token = login(kubectl)
    assert site.request("PUT", SECRET_PATH, {"value": "kept over a rotation"}, token)[0] == 200
    old, servers, migration = Passwords.of(kubectl), _servers(kubectl), _migration(kubectl)
    traffic = Traffic(site, token)

    # What an `up` leaves that was killed between making an object and writing it down.
    make_second_owner(kubectl, "infisical", "infisical-secrets")
    make_second_owner(kubectl, REDIS, "platform-kv-auth")
    stack.repair(quiet=True)
    _rotate(stack, 2)
    with traffic.flowing():
        stack.run("up", "--yes", "--skip-preview", quiet=True)

    new = Passwords.of(kubectl)
    assert (new.database, new.redis) != (old.database, old.redis)
    assert new.database != old.database
    assert new.redis != old.redis
    assert traffic.written > 0
    assert traffic.outage < OUTAGE_SECONDS, traffic.errors
    assert _servers(kubectl) == servers, "no server was restarted"
    assert _migration(kubectl) == migration, "a password needs no migration"
    for host in (POOLER, "platform-db-cluster"):
        assert _database_takes(kubectl, new.database, host)
        assert not _database_takes(kubectl, old.database, host)
    for pod in ("platform-kv-0", "platform-kv-1", "platform-kv-2"):
        assert _redis_takes(kubectl, new.redis, pod)
    assert_healthy(site)
    assert site.request("GET", SECRET_PATH, token=token)[1]["value"] == "kept over a rotation"
    assert_nothing_to_do(stack)


@thorough
@pytest.mark.parametrize("redis", ["platform-kv-2", "platform-kv-0"])
def test_a_redis_and_a_sentinel_which_start_later_have_the_new_password(
    stack: Stack, site: Site, kubectl: Kubectl, redis: str
) -> None:
    kubectl("delete", "pod", redis, "platform-kv-sentinel-sentinel-0", "-n", REDIS)

    eventually(lambda: _redis_takes(kubectl, Passwords.of(kubectl).redis, redis), f"{redis} answers", RESTART)
    assert not _redis_takes(kubectl, "anything else", redis)
    stack.run("up", "--yes", "--skip-preview", "--replace", GATE, quiet=True)
    assert_healthy(site)


@thorough
def test_a_container_which_restarts_in_its_pod_has_both(stack: Stack, site: Site, kubectl: Kubectl) -> None:
    """Its file was written when its pod started, for the password of that time; its probes have the new one."""
    login = "read -r REDISCLI_AUTH; export REDISCLI_AUTH; redis-cli shutdown"
    before = _servers(kubectl)["platform-kv-1"]
    kubectl(
        "exec",
        "-i",
        "platform-kv-1",
        "-n",
        REDIS,
        "-c",
        "platform-kv",
        "--",
        "sh",
        "-c",
        login,
        stdin=f"{Passwords.of(kubectl).redis}\n",
        check=False,
    )

    eventually(lambda: _servers(kubectl).get("platform-kv-1", before) != before, "the container runs again", RESTART)
    kubectl("wait", "--for=condition=Ready", "pod/platform-kv-1", "-n", REDIS, kubectl_timeout(RESTART))
    stack.run("up", "--yes", "--skip-preview", "--replace", GATE, quiet=True)
    assert_healthy(site)


@thorough
@pytest.mark.parametrize(("number", "namespace"), [(3, REDIS), (4, DATABASE)])
def test_a_rotation_killed_half_way_goes_on_after_repair(
    stack: Stack, site: Site, kubectl: Kubectl, number: int, namespace: str
) -> None:
    """At the first sign of a Job: of Redis' rotation, or of the database's gate."""
    old = Passwords.of(kubectl)
    _rotate(stack, number)
    kill_up_when_seen(stack, kubectl, "jobs", "-n", namespace)

    stack.repair(quiet=True)
    stack.run("up", "--yes", "--skip-preview", quiet=True)

    new = Passwords.of(kubectl)
    assert_healthy(site)
    assert _database_takes(kubectl, new.database, POOLER)
    assert not _database_takes(kubectl, old.database, POOLER)
    assert _redis_takes(kubectl, new.redis, "platform-kv-0")
    assert site.request("GET", SECRET_PATH, token=login(kubectl))[1]["value"] == "kept over a rotation"
    assert_nothing_to_do(stack)


@thorough
def test_a_number_that_goes_back_to_one_changes_nothing_in_redis(stack: Stack, site: Site, kubectl: Kubectl) -> None:
    old = Passwords.of(kubectl)
    configure(stack, database={"passwordRotation": 4}, redis={"passwordRotation": 1})

    with pytest.raises(EmbeddedError, match=r"redis\.passwordRotation: it was lowered to 1"):
        stack.run("up", "--yes", "--skip-preview", quiet=True)

    assert Passwords.of(kubectl) == old
    assert _redis_takes(kubectl, old.redis, "platform-kv-0")
    _rotate(stack, 5)
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert_healthy(site)
    assert_nothing_to_do(stack)
