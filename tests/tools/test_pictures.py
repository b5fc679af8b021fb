"""The pictures show what is there, all of it, and nothing secret."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pictures import timeline
from pictures.architecture import table, with_table
from pictures.graph import draw
from pictures.order import order
from tests.unit.harness import ROOT, Graph, everything, platform

DATA = Path(__file__).parent / "data"
STACKS: dict[str, Callable[[], Graph]] = {
    "dev": platform,
    "prod": lambda: platform("prod"),
    "everything": everything,
}


# --- the graph -------------------------------------------------------------------------------------------------------


@pytest.fixture(params=STACKS)
def graph(request: pytest.FixtureRequest) -> Graph:
    return STACKS[request.param]()


def nodes(svg: str) -> list[str]:
    return [name for element in ElementTree.fromstring(svg).iter() if (name := element.get("data-node"))]


def drawn_edges(svg: str) -> list[tuple[str, str]]:
    found = [(e.get("data-from", ""), e.get("data-to", "")) for e in ElementTree.fromstring(svg).iter()]
    return [edge for edge in found if edge[0]]


def test_the_picture_of_the_graph_is_current() -> None:
    assert (ROOT / "docs" / "graph.svg").read_text() == draw(platform()), "run `make graph`"


def test_the_table_of_the_architecture_is_current() -> None:
    document = (ROOT / "docs" / "architecture.md").read_text()
    assert document == with_table(document, platform()), "run `make graph`"


def test_the_table_has_every_component_and_every_wait_between_two(graph: Graph) -> None:
    rows = {cells[1]: cells for row in table(graph) if len(cells := [c.strip() for c in row.split("|")]) == 6}
    parts = {component.kind: component for component in graph.components if component.kind != "Gate"}
    assert rows.keys() == {"component", "---", *parts}
    for later, earlier in ((a, b) for a in parts for b in parts if a != b and graph.made_by(parts[b].name)):
        if re.search(rf"\b{earlier}\b", rows[later][4].partition(" alone")[0]):
            assert graph.waits(parts[later].name, for_=parts[earlier].name)


def test_a_document_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks a line"):
        with_table("# Architecture\n", platform())


def test_everything_that_is_made_or_read_is_there_once(graph: Graph) -> None:
    components = [f"component {r}" for r in graph.components]
    assert sorted(nodes(draw(graph))) == sorted([*components, *map(str, graph.objects), *graph.reads.values()])


def test_the_edges_say_what_the_program_declared_no_more_and_no_less(graph: Graph) -> None:
    """A resource waits for what leads to it or to a component that it is in, and for what that waits for."""
    parents = {str(node): str(c) for top in order(graph).components for c in top.walk() for node in c.members}
    name = {r.urn: str(r) if r.custom else f"component {r}" for r in graph} | dict(graph.reads)
    drawn: dict[str, set[str]] = {node: set() for node in nodes(draw(graph))}
    for earlier, later in drawn_edges(draw(graph)):
        drawn[later].add(earlier)
    declared: dict[str, set[str]] = {node: set() for node in drawn}
    for resource in graph:
        if (node := name[resource.urn]) in declared:
            declared[node] = {name[urn] for urn in resource.dependencies}

    def waits(edges: dict[str, set[str]], node: str, known: dict[str, set[str]]) -> set[str]:
        if node not in known:
            found, needs = set[str](), edges[node]
            for need in needs:
                inside = [n for n in edges if need in lineage(n) and not n.startswith("component ")]
                found.update(*({n} | waits(edges, n, known) for n in inside))
            if node in parents:
                found |= waits(edges, parents[node], known)
            known[node] = found
        return known[node]

    def lineage(node: str) -> list[str]:
        return [node, *(lineage(parents[node]) if node in parents else [])]

    for node in drawn:
        assert waits(drawn, node, {}) == waits(declared, node, {}), node


def test_no_edge_follows_from_the_others() -> None:
    edges = drawn_edges(draw(platform()))
    assert len(edges) == len(set(edges)) < 70
    assert ("Namespace/platform-db-namespace", "postgresql/platform-db-cluster") not in edges
    assert ("component PlatformDb/platform-db", "component InfisicalRelease/infisical") not in edges
    assert ("component CertSync/cert-sync", "component InfisicalRelease/infisical") in edges
    assert ("component PlatformKv/platform-kv", "Release/infisical") in edges


def test_boxes_do_not_overlap_and_lie_within_the_picture(graph: Graph) -> None:
    root = ElementTree.fromstring(draw(graph))
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    rects = [e for e in root.iter() if e.get("class") == "box"]
    boxes = [tuple(float(e.get(k, 0)) for k in ("x", "y", "width", "height")) for e in rects]
    assert width == 900
    for x, y, w, h in boxes:
        assert 0 <= x < x + w <= width
        assert 0 <= y < y + h <= height
    for n, (x, y, w, h) in enumerate(boxes):
        for a, b, c, d in boxes[:n]:
            assert x + w <= a or a + c <= x or y + h <= b or b + d <= y


def test_earlier_stands_above_later() -> None:
    root = ElementTree.fromstring(draw(platform()))
    places = [e.get("data-node", "") for e in root.iter() if e.get("data-node")]
    for earlier, later in drawn_edges(draw(platform())):
        if not {earlier, later} & {"Secret/infisical-secrets"}:  # beside the boxes of what it waits for
            assert places.index(earlier) < places.index(later), (earlier, later)


def test_what_is_marked_is_what_it_says() -> None:
    marks = {str(node): node for top in order(platform("prod")).components for node in top.walk()}
    assert {name for name, node in marks.items() if node.data} == {
        "postgresql/platform-db-cluster", "RedisReplication/platform-kv-replication",
        "RedisSentinel/platform-kv-sentinel",
    }  # fmt: skip
    assert {name for name, node in marks.items() if node.secret and not name.startswith("RandomPassword/")} == {
        "Secret/infisical-migration-uri", "Secret/infisical-secrets", "Secret/platform-db-credentials",
        "Secret/platform-db-gate-login", "Secret/platform-kv-auth", "Secret/platform-kv-gate-login",
    }  # fmt: skip
    assert all(node.secret for name, node in marks.items() if name.startswith("RandomPassword/"))
    assert marks["Secret/infisical-secrets"].protected
    assert not marks["Secret/platform-db-gate-login"].protected


def test_no_secret_is_in_the_picture(graph: Graph) -> None:
    assert graph.generated
    assert not graph.reveals(draw(graph))


def test_it_asks_for_nothing_from_elsewhere(graph: Graph) -> None:
    assert not re.search(r"(href|src)=\"[^#]|@import|url\([^#]|<script", draw(graph))


# --- the timeline ----------------------------------------------------------------------------------------------------


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
