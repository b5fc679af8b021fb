"""What may be deleted: never the newest, never the newest that a rehearsal has restored, nothing of another cluster."""

import calendar
import json
import time
from pathlib import Path

from backup_bench import Bench, stamped
from backup_manifest import complete
from hypothesis import given
from hypothesis import strategies as st
from retention import Retention, expired

DAMAGED = "infisical-20200101T000000Z-0000dead"
NOW = calendar.timegm(time.strptime("2026-11-26", "%Y-%m-%d"))
parts = st.sampled_from(["both", "object", "manifest"])
backups = st.lists(st.tuples(st.integers(0, 100), parts), max_size=12, unique_by=lambda each: each[0])


@given(backups, st.integers(1, 90), st.integers(1, 9), st.data())
def test_what_stays(made: list[tuple[int, str]], days: int, at_least: int, data: st.DataObject) -> None:
    names = ["notes.txt", "infisical-other.json"]
    for age, parts in made:
        stem = f"infisical-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(NOW - 86400 * age))}-{age:08x}"
        ends = {"both": [".dump.gpg", ".json"], "object": [".dump.gpg"], "manifest": [".json"]}[parts]
        names += [stem + end for end in ends]
    whole = complete(names)
    verified = data.draw(st.sampled_from(["", *whole]))
    theirs = data.draw(st.sets(st.sampled_from(whole))) if whole else set[str]()
    found = expired(names, Retention(days, at_least), verified, NOW, lambda name: name not in theirs)
    going, ours = found.objects, [name for name in whole if name not in theirs]
    stays = complete(set(names) - set(going))
    assert set(ours[-at_least:]) | theirs <= set(stays)
    assert not verified or verified in stays
    assert {"notes.txt", "infisical-other.json"}.isdisjoint(going)
    ages = {name: int(name.split("-")[2].split(".")[0], 16) for name in names if name.startswith("infisical-2")}
    assert all(ages[name] > days for name in going)
    assert found.others == len([name for name in theirs - {verified} if ages[name + ".json"] > days])
    old = [name for name in ours if ages[name + ".json"] > days and name not in ours[-at_least:] and name != verified]
    assert {name + end for name in old for end in (".dump.gpg", ".json")} <= set(going)
    # A kill at any point leaves no manifest whose backup is gone.
    for cut in range(len(going) + 1):
        left = set(names) - set(going[:cut])
        assert all(n + ".dump.gpg" in left for n in whole if n + ".json" in left)


def test_the_volume_is_swept(bench: Bench) -> None:
    for days, number in ((40, 1), (35, 2), (10, 3)):
        stem = f"infisical-{stamped(86400 * days)}-{number:08x}"
        for end in (".dump.gpg", ".json"):
            bench.account.file(bench.volume / (stem + end), json.dumps({"cluster": bench.uid}))
        if number == 2:
            bench.cluster.call(
                "PATCH",
                f"/api/v1/namespaces/{bench.namespace}/configmaps/backup-status",
                {"data": {"rehearsedName": stem}},
            )
    bench.account.file(Path(bench.volume, "somebody's"), "file")
    for stem, content in ((f"infisical-{stamped(86400 * 50)}-{9:08x}", '{"cluster": "another"}'), (DAMAGED, "{")):
        for end in (".dump.gpg", ".json"):
            bench.account.file(bench.volume / (stem + end), content)
    done = bench.back_up(retention={"days": 30, "at_least": 1})
    assert done.status == 0, done.output
    left = [name for name in bench.objects if name.endswith(".json")]
    ends = [name.rpartition("-")[2] for name in left]
    assert ends[:4] == ["0000dead.json", "00000009.json", "00000002.json", "00000003.json"]
    assert len(left) == 5
    assert "somebody's" in bench.objects
    assert "2 objects deleted; 2 past their time are of another cluster, and stay" in done.last_line
