"""Ways back and on of Infisical's release. In order: each test starts where the last one ended."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator

import pytest
from steps import SECRET_PATH, assert_healthy, assert_nothing_to_do, configure, login, sql
from traffic import Traffic
from views import Kubectl, Site
from waits import ROLLOUT, eventually

from embedded.errors import EmbeddedError
from embedded.stack import Stack
from tests.thorough import thorough

pytestmark = [pytest.mark.platform, pytest.mark.chain]
MIGRATION = "**Job::infisical-migration"
OLD_CHART = {"flavour": "infisical", "version": "0.4.2", "path": "embedded/charts/infisical"}
NEWER = "insert into infisical_migrations (name, batch, migration_time) values ('20990101000000_newer.mjs', 9, now())"
OF_ANOTHER_LINE = NEWER.replace("20990101000000_newer", "20240615000000_elsewhere")
BACK = "delete from infisical_migrations where name like '%newer.mjs' or name like '%elsewhere.mjs'"
PENDING = """
    delete from infisical_migrations where name like '20250101%';
    drop index secrets_updated_at_index"""


def _migrate(stack: Stack) -> str:
    """What `up` prints with a migration that runs again, as it does for a different image."""
    return stack.run("up", "--yes", "--skip-preview", "--replace", MIGRATION, quiet=True)


def _log(kubectl: Kubectl) -> str:
    return kubectl("logs", "job/infisical-migration", "-n", "infisical")


@contextlib.contextmanager
def _table_held(kubectl: Kubectl, table: str) -> Iterator[None]:
    """Nobody else can change `table`."""
    command = [str(kubectl.programs.path("kubectl")), f"--kubeconfig={kubectl.instance.kubeconfig}", "exec", "-i"]
    command += [
        "platform-db-cluster-0",
        "-n",
        "platform-db-pg",
        "--",
        "psql",
        "-U",
        "postgres",
        "-d",
        "infisical",
        "-XAtq",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as psql:
        assert psql.stdin
        assert psql.stdout
        psql.stdin.write(f"begin;\nlock table {table} in share row exclusive mode;\n\\echo held\n")
        psql.stdin.flush()
        assert psql.stdout.readline() == "held\n"
        yield
        psql.stdin.close()


def test_an_image_that_is_set_back_starts_on_the_newer_database(stack: Stack, site: Site, kubectl: Kubectl) -> None:
    configure(stack)
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert site.request("PUT", SECRET_PATH, {"value": "kept over everything"}, login(kubectl))[0] == 200
    sql(kubectl, NEWER)

    _migrate(stack)

    assert "does not know (20990101000000_newer). Its server starts on a newer database" in _log(kubectl)
    assert_healthy(site)
    sql(kubectl, BACK)


def test_a_database_of_another_line_of_releases_is_refused_in_one_sentence(
    stack: Stack, site: Site, kubectl: Kubectl
) -> None:
    sql(kubectl, OF_ANOTHER_LINE)

    with pytest.raises(EmbeddedError, match=r"neither can follow the other\. Set infisical\.image to"):
        _migrate(stack)

    assert_healthy(site)
    sql(kubectl, BACK)
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert_nothing_to_do(stack)


def test_a_migration_that_was_killed_is_healed_by_the_next_up(stack: Stack, site: Site, kubectl: Kubectl) -> None:
    """Its pod is killed in the middle of a migration that does without a transaction."""
    locked = "select is_locked from infisical_migrations_lock"
    pods = ("pods", "-n", "infisical", "-l", "job-name=infisical-migration")
    sql(kubectl, PENDING)
    failures: list[EmbeddedError] = []

    def run() -> None:
        try:
            _migrate(stack)
        except EmbeddedError as failure:
            failures.append(failure)

    up = threading.Thread(target=run)
    with _table_held(kubectl, "secrets"):
        up.start()
        eventually(lambda: sql(kubectl, locked) == "1", "the migration is at work", ROLLOUT)
        kubectl("delete", *pods, "--grace-period=0", "--force")
        up.join()
    assert failures
    assert sql(kubectl, locked) == "1"

    stack.run("up", "--yes", "--skip-preview", quiet=True)

    log = _log(kubectl)
    assert "freed the lock of a migration that was killed: for 15 s nobody was migrating" in log
    assert "the database has all of its 6 migrations" in log
    assert sql(kubectl, locked) == "0"
    assert_healthy(site)
    assert_nothing_to_do(stack)


@thorough
@pytest.mark.parametrize(("chart", "deployment"), [(OLD_CHART, "infisical-backend"), (None, "infisical")])
def test_a_switch_of_charts_is_no_outage(
    stack: Stack, site: Site, kubectl: Kubectl, chart: dict[str, object] | None, deployment: str
) -> None:
    configure(stack, infisical={"chart": chart} if chart else {})
    traffic = Traffic(site, login(kubectl))

    with traffic.flowing():
        stack.run("up", "--yes", "--skip-preview", quiet=True)
        seen = traffic.written
        eventually(lambda: traffic.written > seen + 50, "50 requests after the old release has gone")

    assert {error for _, error in traffic.errors} <= {"PUT: 502"}, traffic.errors
    assert traffic.outage < 5
    assert kubectl("get", "deployments", "-n", "infisical", "-o", "name").split() == [f"deployment.apps/{deployment}"]
    assert_healthy(site)
    assert site.request("GET", SECRET_PATH, token=login(kubectl))[1]["value"] == "kept over everything"
    assert_nothing_to_do(stack)
