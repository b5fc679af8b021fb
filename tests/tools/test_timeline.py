"""The timeline tells waiting from working, and takes over no value."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from pictures import timeline

DATA = Path(__file__).parent / "data"


def state(name: str) -> dict[str, Any]:
    return json.loads((DATA / f"{name}-state.json").read_text())


def read(name: str) -> timeline.Timeline:
    return timeline.read(DATA / f"{name}.jsonl", state(name))


def bar(of: timeline.Timeline, kind: str, name: str) -> timeline.Bar:
    (found,) = [b for b in of.bars.values() if b.name == name and b.type.endswith(f":{kind}")]
    return found


def shown(page: str) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert match
    return json.loads(match[1])


def test_waiting_is_told_from_working() -> None:
    of = read("up")
    gate = bar(of, "Job", "platform-kv-gate")
    assert (gate.ready.second, gate.begin.second, gate.done.second) == (8, 8, 97)
    assert of.bars[gate.held_by].name == "platform-kv-gate-scripts"
    provider = bar(of, "kubernetes", "kubernetes")
    assert (provider.ready.second, provider.begin.second) == (2, 4), "it was the program that it waited for"


def test_a_member_waits_for_what_its_component_does() -> None:
    of = read("up")
    release, uri = bar(of, "InfisicalRelease", "infisical"), bar(of, "Secret", "infisical-migration-uri")
    assert of.bars[release.held_by].name == "platform-kv-gate"
    assert uri.held_by == release.urn
    assert uri.begin.second == 97


def test_a_component_is_there_when_it_is_registered() -> None:
    of = read("up")
    component = bar(of, "PlatformKv", "platform-kv")
    assert component.done == component.begin < bar(of, "Namespace", "platform-kv-namespace").begin


def test_the_critical_path_leads_back_over_what_was_there_last() -> None:
    of = read("up")
    assert [f"{b.type.split(':')[-1]}/{b.name}" for b in of.critical_path if not b.component] == [
        "RandomPassword/platform-kv-password",
        "Secret/platform-kv-auth",
        "RedisReplication/platform-kv-replication",
        "RedisSentinel/platform-kv-sentinel",
        "ConfigMap/platform-kv-gate-scripts",
        "Job/platform-kv-gate",
        "Secret/infisical-migration-uri",
        "Job/infisical-migration",
    ]
    assert not bar(of, "Namespace", "platform-db-namespace").critical


def test_within_a_second_the_sequence_decides(tmp_path: Path) -> None:
    """a and b end in the same second, b after a; c waited for both."""
    events = [("pre", "a"), ("pre", "b"), ("out", "a"), ("out", "b"), ("pre", "c"), ("out", "c")]
    log = write_log(tmp_path, [(7, what, urn(name)) for what, name in events])
    of = timeline.read(log, states({"c": ["a", "b"]}))
    assert [b.name for b in of.critical_path] == ["b", "c"]


def test_what_failed_says_why() -> None:
    of = read("failed")
    migration = bar(of, "Job", "infisical-migration")
    assert migration.failed
    assert migration.op == "replace"
    assert [b.name for b in of.bars.values() if b.failed] == ["infisical-migration"]
    assert of.critical_path[-1] is migration
    assert "DeadlineExceeded" in migration.said
    assert [name for name, _ in of.errors] == ["infisical-migration"]


def test_of_each_resource_the_last_thing_said_is_kept() -> None:
    assert bar(read("up"), "Job", "platform-kv-gate").said.endswith("(Active: 0 | Succeeded: 1 | Failed: 0)")


def test_what_follows_an_error_does_not_take_its_place(tmp_path: Path) -> None:
    log = write_log(tmp_path, [(0, "pre", urn("a")), (1, "failed", urn("a"))])
    for severity, message in (("error", "the cause"), ("info", "retry"), ("debug", "x"), ("info", "\n")):
        said = {"urn": urn("a"), "message": message, "severity": severity}
        log.write_text(log.read_text() + json.dumps({"sequence": 9, "timestamp": 1, "diagnosticEvent": said}) + "\n")
    assert timeline.read(log, states({})).bars[urn("a")].said == "the cause"


def test_what_pulumi_was_killed_in_is_unfinished(tmp_path: Path) -> None:
    """The log of a killed run ends within a line."""
    log = write_log(tmp_path, [(7, "pre", urn("a")), (8, "pre", urn("b")), (11, "out", urn("b"))])
    log.write_text(log.read_text() + '{"sequence": 3, "timest')
    of = timeline.read(log, states({}))
    assert not of.complete
    assert [step.ended for step in of.bars[urn("a")].steps] == [False]
    assert of.bars[urn("a")].done.second == 4


def test_nobody_waits_for_a_deletion(tmp_path: Path) -> None:
    log = write_log(
        tmp_path,
        [
            (0, "pre", urn("a"), "create-replacement"),
            (1, "out", urn("a")),
            (1, "pre", urn("b")),
            (2, "out", urn("b")),
            (2, "pre", urn("a"), "delete-replaced"),
            (9, "out", urn("a")),
        ],
    )
    of = timeline.read(log, states({"b": ["a"]}))
    assert of.bars[urn("b")].ready.second == of.bars[urn("a")].done.second == 1
    assert [b.name for b in of.critical_path] == ["a", "b"]


@pytest.mark.parametrize("text", ["", "no log\n{}\n", '{"sequence": 0}\n{}\n'])
def test_what_is_not_a_log_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "log").write_text(text)
    with pytest.raises(timeline.TimelineError, match="--event-log"):
        timeline.read(tmp_path / "log", {})


def test_what_is_not_a_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("error: no stack")
    with pytest.raises(timeline.TimelineError, match="pulumi stack export"):
        timeline.write(DATA / "up.jsonl", tmp_path / "state", tmp_path / "up.html")


def test_the_page_has_every_resource_below_its_component(tmp_path: Path) -> None:
    timeline.write(DATA / "up.jsonl", DATA / "up-state.json", tmp_path / "up.html")
    rows = shown((tmp_path / "up.html").read_text())["rows"]
    assert sorted(row["name"] for row in rows) == sorted(
        b.name for b in read("up").bars.values() if b.type != "pulumi:pulumi:Stack"
    )
    names = [(row["depth"], row["name"], row["type"].split(":")[-1]) for row in rows]
    place = names.index((1, "platform-kv-gate", "Gate"))
    assert names[place + 1 : place + 3] == [
        (2, "platform-kv-gate-scripts", "ConfigMap"),
        (2, "platform-kv-gate", "Job"),
    ]
    assert rows[place]["members"] == 2


def test_the_page_takes_over_no_value(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (DATA / "up.jsonl").read_text().splitlines()]
    for event in lines:
        if metadata := (event.get("resourcePreEvent") or event.get("resOutputsEvent") or {}).get("metadata"):
            metadata["new"] |= {"inputs": {"password": "hunter2"}, "outputs": {"result": "hunter2"}, "id": "hunter2"}
    (tmp_path / "log").write_text("\n".join(map(json.dumps, lines)))
    full = state("up")
    for entry in full["deployment"]["resources"]:
        entry |= {"inputs": {"password": "hunter2"}, "outputs": {"result": "hunter2"}, "id": "hunter2"}
    timeline.write(tmp_path / "log", full, tmp_path / "up.html")
    assert "hunter2" not in (tmp_path / "up.html").read_text()


def test_a_message_can_not_end_the_script(tmp_path: Path) -> None:
    log = write_log(tmp_path, [(0, "pre", urn("a")), (1, "out", urn("a"))])
    said = {"urn": urn("a"), "message": "</script><script>alert(1)</script>", "severity": "info"}
    line = json.dumps({"sequence": 9, "timestamp": 1, "diagnosticEvent": said})
    log.write_text(log.read_text() + line + "\n")
    page = timeline.page(timeline.read(log, states({})))
    assert "<script>alert" not in page
    assert shown(page)["rows"][0]["said"] == said["message"]


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    page = timeline.page(read("up"))
    assert not re.search(r"\b(src|href)=|@import|url\(|fetch\(|https?://", page)


def test_a_thousand_resources_are_quick_and_small(tmp_path: Path) -> None:
    log, full = synthetic(tmp_path, 1000)
    start = time.perf_counter()
    timeline.write(log, full, tmp_path / "up.html")
    assert time.perf_counter() - start < 2
    assert (tmp_path / "up.html").stat().st_size < 1.5e6
    assert len(shown((tmp_path / "up.html").read_text())["rows"]) > 1000


# --- logs to order ---------------------------------------------------------------------------------------------------


def urn(name: str, type_: str = "test:index:Thing") -> str:
    return f"urn:pulumi:dev::p::{type_}::{name}"


def write_log(folder: Path, events: list[tuple[Any, ...]]) -> Path:
    """Each: second, "pre", "out" or "failed", URN, and of "pre" an operation and whether it is a component."""
    lines = []
    for sequence, (second, what, of, *rest) in enumerate(events):
        op, custom = (rest[0] if rest else "create"), not rest[1:]
        metadata = {"op": op, "urn": of, "type": of.split("::")[2], "new": {"custom": custom}, "provider": ""}
        key = {"pre": "resourcePreEvent", "out": "resOutputsEvent", "failed": "resOpFailedEvent"}[what]
        lines.append(json.dumps({"sequence": sequence, "timestamp": second, key: {"metadata": metadata}}))
    (folder / "log").write_text("\n".join(lines) + "\n")
    return folder / "log"


def states(needs: dict[str, list[str]]) -> dict[str, Any]:
    entries = [{"urn": urn(name), "dependencies": [urn(need) for need in earlier]} for name, earlier in needs.items()]
    return {"deployment": {"resources": entries}}


def synthetic(folder: Path, count: int) -> tuple[Path, dict[str, Any]]:
    """An `up` of `count` resources in components of 40, three of which wait for each other; one resource fails."""
    events: list[tuple[Any, ...]] = []
    entries: list[dict[str, Any]] = []
    ends: dict[int, int] = {}
    began = 0
    for n in range(count):
        part, place = divmod(n, 40)
        component = urn(f"part-{part}", "test:index:Part")
        if place == 0:
            needs = [urn(f"part-{part - 3}-thing-{m}") for m in range(40)] if part >= 3 else []
            began = max((ends[m] for m in range((part - 3) * 40, (part - 2) * 40)), default=0) if part >= 3 else 0
            events.append((began, "pre", component, "create", True))
            entries.append({"urn": component, "dependencies": needs})
        begin = max(began, ends[n - 1 - n % 7]) if place > 7 else began
        ends[n] = begin + (n * 7919) % 11 + (30 if n % 97 == 0 else 0)
        me = urn(f"part-{part}-thing-{place}")
        earlier = [urn(f"part-{part}-thing-{place - 1 - n % 7}")] if place > 7 else []
        entries.append({"urn": me, "parent": component, "dependencies": earlier})
        events += [(begin + n % 3, "pre", me), (max(ends[n], begin + n % 3), "failed" if n == count - 1 else "out", me)]
        ends[n] = max(ends[n], begin + n % 3)
    log = write_log(folder, sorted(events, key=lambda event: event[0]))
    summary = {
        "sequence": len(events),
        "timestamp": max(ends.values()),
        "summaryEvent": {"resourceChanges": {"create": count - 1}},
    }
    log.write_text(log.read_text() + json.dumps(summary) + "\n")
    return log, {"deployment": {"resources": entries}}
