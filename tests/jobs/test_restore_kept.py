"""What a restore replaces is backed up first, and can be lost by a word of its own alone."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from backup_bench import await_another_second
from job_cluster import Cluster
from job_engines import PASSWORD, Postgres
from job_pki import Pair
from job_redis import Redis, running
from restore_bench import Platform, backed_up

NO_SPACE = 'case "$*" in *--encrypt*) echo "No space left on device" >&2; exit 2;; esac; exec /usr/bin/gpg "$@"'


@pytest.fixture(scope="module")
def redis(servers_folder: Path) -> Iterator[Redis]:
    with running(servers_folder / "kept-redis") as redis:
        yield redis


@pytest.fixture
def platform(cluster: Cluster, postgres: Postgres, ca: Pair, servers_folder: Path, redis: Redis) -> Iterator[Platform]:
    with backed_up(redis, cluster, postgres, ca, servers_folder) as platform:
        yield platform


def test_a_restore_can_be_taken_back(platform: Platform) -> None:
    assert platform.confirmed().status == 0
    done = platform.confirmed("two", source=platform.manifest()["name"])
    assert done.status == 0, done.output
    assert platform.secrets == "a b c late"


def test_what_is_replaced_keeps_the_label_of_its_own_key(platform: Platform) -> None:
    """The stack's may be the one that this restore needs."""
    platform.tell(keyLabel="3" * 32)
    assert platform.confirmed().status == 0
    assert platform.manifest()["key_label"] == "3" * 32


def test_without_a_backup_of_what_is_replaced_nothing_is_restored_unless_that_is_confirmed(platform: Platform) -> None:
    """A bucket that is full, or a table that can't be read, must not make a restore impossible."""
    token, objects = platform.token(), platform.objects
    platform.instead_of("gpg", NO_SPACE)
    refused = platform.restore(overwrite=token)
    assert refused.status == 1, refused.output
    assert "can't be backed up, and nothing has changed: gpg ended with 2: No space left" in refused.last_line
    assert platform.untouched
    found = re.search(r"set restore\.overwrite to ([0-9a-f]{12}), which loses", refused.last_line)
    assert found, refused.output
    done = platform.restore(overwrite=found[1])
    assert done.status == 0, done.output
    assert (platform.secrets, platform.objects) == ("a b c", objects)


def test_a_restore_that_is_tried_again_does_not_take_its_own_backup_for_the_latest(platform: Platform) -> None:
    token, real = platform.token(), shutil.which("pg_restore")
    platform.instead_of("pg_restore", f'case "$*" in *--use-list*) exit 1;; esac; exec {real} "$@"')
    config = platform.restoring(overwrite=token)
    done = platform.run("restore.py", config, REDIS_PASSWORD=PASSWORD, POSTGRES_PROGRAMS="/nonexistent")
    assert "nothing has changed" in done.last_line
    assert platform.untouched
    await_another_second()
    done = platform.restore(overwrite=token)
    assert done.status == 0, done.output
    assert platform.secrets == "a b c"
