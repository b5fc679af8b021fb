"""Changes of the stack under writes: settings that roll servers, releases, `up` that is killed or runs twice."""

from __future__ import annotations

import functools
import itertools
import random
import shutil
import subprocess
import threading
from collections.abc import Callable

from embedded.errors import EmbeddedError
from embedded.stack import PROJECT
from tests.e2e.steps import configure, kill_up_after
from tests.rehearsals.clients import at_work
from tests.rehearsals.platforms import RELEASE, Platform

KILLS = 10
_LINES = 150  # that an `up` prints at most
IMAGE = "embedded.local/infisical:v0.165.8"
NEWER = "embedded.local/infisical:v0.165.9"  # the same image under one more name
CHART = PROJECT / "embedded/charts/infisical-standalone"
NEWER_CHART = "1.10.1"
# One of the stand-in's migrations is to come again. It makes an index while others write, as upstream's do.
_PENDING = "delete from infisical_migrations where name like '20250101%'; drop index secrets_updated_at_index"
_HOLDERS, _HOLD_SECONDS = 3, 24  # the migration gives up on a lock after 30 s, and looks for them three times


def _up(platform: Platform) -> None:
    platform.stack.run("up", "--yes", "--skip-preview", quiet=True)


def settings(**changed: dict[str, object]) -> Callable[[Platform], None]:
    """Return an `up` with these settings, and one that sets them back."""

    def happens(platform: Platform) -> None:
        configure(platform.stack, **changed)
        _up(platform)
        configure(platform.stack)
        _up(platform)

    return happens


def image(platform: Platform) -> None:
    """Bring a newer image, one of whose migrations takes a minute, because others are at work on the table."""
    for place in (platform.instance.node, platform.instance.second_node):
        ctr = [str(platform.kubectl.programs.path("ctr")), "-a", str(place.containerd_socket), "-n", "k8s.io"]
        subprocess.run([*ctr, "images", "tag", "--force", IMAGE, NEWER], check=True, capture_output=True)
    primary = platform.primary()
    platform.sql(primary, _PENDING)

    done = threading.Event()

    def hold(number: int) -> None:
        done.wait(number * _HOLD_SECONDS / _HOLDERS)
        while not done.is_set():
            locked = "begin; lock table secrets in row exclusive mode"
            platform.sql(primary, f"{locked}; select pg_sleep({_HOLD_SECONDS}); commit")

    with at_work([functools.partial(hold, number) for number in range(_HOLDERS)], done):
        configure(platform.stack, infisical={"image": NEWER})
        _up(platform)
    assert platform.sql(primary, "select count(*) from pg_indexes where indexname = 'secrets_updated_at_index'") == "1"
    configure(platform.stack)
    _up(platform)


def chart(platform: Platform) -> None:
    """Bring a newer version of the chart, and the older one again."""
    newer = platform.instance.folder / "newer-chart"
    shutil.rmtree(newer, ignore_errors=True)
    shutil.copytree(CHART, newer)
    about = newer / "Chart.yaml"
    about.write_text(about.read_text().replace("version: 1.10.0\n", f"version: {NEWER_CHART}\n"))
    wanted = {"flavour": "infisical-standalone", "version": NEWER_CHART, "path": str(newer)}
    settings(infisical={"chart": wanted})(platform)


def kills(platform: Platform) -> None:
    """Kill `up` at ten moments of changes that roll pods, repair each time, and let the last one come to its end.

    A moment is a number of lines. Changes print different numbers of them, so one `up` or the other is over before.
    """
    moments, longest, killed = random.Random(10), _LINES, 0
    for number in itertools.count():
        configure(platform.stack, infisical={"replicas": 2 + number % 2}, redis={"maxMemoryMib": 96 - number % 2})
        lines = moments.randrange(2, longest)
        if kill_up_after(platform.stack, lines):
            killed += 1
            platform.stack.repair(quiet=True)
        else:
            longest = max(lines, 4)
        if killed == KILLS:
            break
    configure(platform.stack)
    _up(platform)


def two_ups(platform: Platform) -> None:
    """Run two at once: one does its work, and the other is refused by the stack's lock."""
    replicas = int(platform.kubectl("get", f"deployment/{RELEASE}", "-n", RELEASE, "-o", "jsonpath={.spec.replicas}"))
    configure(platform.stack, infisical={"replicas": 3 if replicas == 2 else 2})
    ended: list[str] = []

    def up() -> None:
        try:
            _up(platform)
            ended.append("done")
        except EmbeddedError as error:
            ended.append("locked" if "currently locked" in str(error) else str(error))

    threads = [threading.Thread(target=up) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["done", "locked"], ended
