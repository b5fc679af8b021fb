"""Two clusters in one place: each proves and deletes its own backups, and restores another's by its whole name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from backup_bench import STATUS, Bench, of_another
from job_cluster import Cluster
from job_engines import Postgres
from job_pki import Pair
from job_redis import Redis, running
from restore_bench import Platform, backed_up
from restore_script import DROP


@pytest.fixture(scope="module")
def redis(servers_folder: Path) -> Iterator[Redis]:
    with running(servers_folder / "own-redis") as redis:
        yield redis


@pytest.fixture
def platform(cluster: Cluster, postgres: Postgres, ca: Pair, servers_folder: Path, redis: Redis) -> Iterator[Platform]:
    with backed_up(redis, cluster, postgres, ca, servers_folder) as platform:
        yield platform


def forget(bench: Bench, *keys: str) -> None:
    maps = f"/api/v1/namespaces/{bench.namespace}/configmaps/{STATUS}"
    bench.cluster.call("PATCH", maps, {"data": dict.fromkeys(keys)})


def test_latest_is_the_newest_of_this_cluster(platform: Platform) -> None:
    mine, theirs = platform.manifest()["name"], of_another(platform)
    refused = platform.restore()
    assert f"would be replaced by {mine}, of 20" in refused.last_line
    assert (
        f"1 newer ones are of another cluster, and only a whole name means one of them: {theirs}" in refused.last_line
    )
    done = platform.confirmed()
    assert done.status == 0, done.output
    assert platform.status["restored"] == mine
    assert theirs in done.last_line


def test_another_clusters_is_restored_by_its_whole_name(platform: Platform) -> None:
    theirs = of_another(platform)
    refused = platform.restore(source=theirs.rpartition("-")[2])
    assert "no backup 0123abcd is of this cluster, and one of another is named whole" in refused.last_line
    assert platform.untouched
    done = platform.confirmed(source=theirs)
    assert done.status == 0, done.output
    assert f"; {theirs} is of another cluster; " in done.last_line


def test_latest_is_the_newest_of_all_for_a_cluster_without_a_backup(platform: Platform) -> None:
    """From nothing, and from one kind of database to the other: the bucket is all that is left."""
    theirs = of_another(platform)
    for mine in platform.volume.glob("infisical-20[0-8]*"):
        mine.unlink()
    forget(platform, "clusters", "lastName", "kept")
    platform.sql(DROP)
    done = platform.restore()
    assert done.status == 0, done.output
    assert (platform.secrets, platform.status["restored"]) == ("a b c", theirs)


def test_a_backup_that_does_not_say_its_key_is_restored_and_said(platform: Platform) -> None:
    done = platform.run("back_up.py", {**platform.config(), "before": "0123abcd4567"}, KEY_LABEL="")
    forget(platform, "keyLabel")
    done = platform.run("back_up.py", {**platform.config(), "before": "89ab0123cdef"}, KEY_LABEL="")
    assert done.status == 0, done.output
    assert platform.manifest()["key_label"] == ""
    refused = platform.restore()
    assert "does not say which encryption key it needs; nothing has changed" in refused.last_line


@pytest.mark.parametrize("known", [True, False], ids=["told", "of an older release"])
def test_a_rehearsal_proves_this_clusters_newest(bench: Bench, known: bool) -> None:
    assert bench.back_up().status == 0
    mine, theirs = bench.manifest()["name"], of_another(bench)
    if not known:
        forget(bench, "clusters")
    done = bench.rehearse()
    assert done.status == 0, done.output
    assert theirs in done.output
    assert bench.status["rehearsedName"] == mine
    for each in bench.volume.glob(f"{mine}*"):
        each.unlink()
    done = bench.rehearse()
    assert (done.status, "no backup latest is of this cluster" in done.last_line) == (1, True)


def test_a_database_that_was_made_anew_keeps_the_backups_of_the_one_before(bench: Bench) -> None:
    """As a recovery to a point in time makes it: with another uid, in the same cluster."""
    assert bench.back_up().status == 0
    first = bench.manifest()["name"]
    bench.cluster.call("DELETE", f"/apis/acid.zalan.do/v1/namespaces/{bench.namespace}/postgresqls/platform-db-cluster")
    anew = bench.cluster.postgresql(bench.namespace, "platform-db-cluster")["metadata"]["uid"]
    assert anew != bench.uid
    assert bench.rehearse().status == 0
    assert bench.back_up().status == 0
    assert bench.status["clusters"].splitlines() == [bench.uid, anew]
    assert bench.status["kept"].split()[0] == first


def test_the_list_has_this_clusters_alone(bench: Bench) -> None:
    assert bench.back_up().status == 0
    theirs = of_another(bench)
    assert bench.back_up().status == 0
    assert theirs not in bench.status["kept"]
    assert len(bench.status["kept"].split()) == 2
