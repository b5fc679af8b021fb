"""Give one server of PostgreSQL a small disk of its own, and fill that while the server is primary."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embedded.instance import NodePlace
from tests.rehearsals.platforms import AWAY_SECONDS, DATABASE, REPLICA, Platform

_SIZE = "768M"
_SWITCHES = 60  # segments of the log, of which some are there to be used again


@dataclass(frozen=True, kw_only=True, slots=True)
class _Volume:
    """Where a server keeps its data."""

    pod: str
    place: NodePlace
    folder: Path  # on the host; a node sees there what it has mounted over it


def _volume(platform: Platform, pod: str) -> _Volume:
    ask = platform.kubectl
    claim = json.loads(ask("get", "pvc", f"pgdata-{pod}", "-n", DATABASE, "-o", "json"))
    spec = json.loads(ask("get", "pv", claim["spec"]["volumeName"], "-o", "json"))["spec"]
    folder = (spec.get("hostPath") or spec["local"])["path"]
    node = ask("get", "pod", pod, "-n", DATABASE, "-o", "jsonpath={.spec.nodeName}")
    return _Volume(pod=pod, place=platform.place(node), folder=Path(folder))


@contextlib.contextmanager
def primary_on_a_small_disk(platform: Platform) -> Iterator[None]:
    """Have a replica begin anew on a disk of its own, and make it the primary. Afterwards take the disk away."""
    [replica] = platform.pods(DATABASE, REPLICA)
    volume = _volume(platform, replica)
    image = platform.instance.folder / "small-disk"
    for command in (["truncate", f"--size={_SIZE}", image], ["mkfs.ext4", "-q", "-F", "-m", "0", image]):
        subprocess.run(command, check=True)
    platform.on_node(volume.place, "mount", "-o", "loop", str(image), str(volume.folder))
    try:
        platform.on_node(volume.place, "chmod", "0777", str(volume.folder))
        _begin_anew(platform, volume)
        platform.switch_over(replica)
        platform.await_streaming(1)
        yield
    finally:
        for left in volume.folder.iterdir():  # the old data, which the host sees and the node does not
            shutil.rmtree(left)
        platform.on_node(volume.place, "umount", "--lazy", str(volume.folder))
        _begin_anew(platform, volume)
        image.unlink()


def _begin_anew(platform: Platform, volume: _Volume) -> None:
    """Start the server on an empty folder; it copies everything from the primary."""
    platform.kubectl("delete", "pod", volume.pod, "-n", DATABASE, "--grace-period=0", "--force")
    platform.await_streaming(1)


def fill(platform: Platform) -> None:
    """Leave the primary's disk no room for a minute. Its server can't write its log, and ends."""
    primary = platform.primary()
    volume = _volume(platform, primary)
    filler = str(volume.folder / "filler")
    platform.on_node(volume.place, "dd", "if=/dev/zero", f"of={filler}", "bs=64k", check=False)
    began = time.monotonic()
    segment = "select pg_create_restore_point('full'); select pg_switch_wal()"
    try:
        crashed = not all(platform.sql(primary, segment, check=False) for _ in range(_SWITCHES))
        assert crashed, "the disk was never full"
        time.sleep(max(0, AWAY_SECONDS - (time.monotonic() - began)))
    finally:
        platform.on_node(volume.place, "rm", filler)
