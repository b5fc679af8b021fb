"""The graph and the table show what is there, all of it, and nothing secret."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from pictures.architecture import table, with_table
from pictures.graph import draw
from pictures.order import order
from tests.unit.harness import ROOT, Graph, everything, platform, sample

STACKS: dict[str, Callable[[], Graph]] = {
    "dev": platform,
    "sample": sample,
    "prod": lambda: platform("prod"),
    "everything": everything,
}


@pytest.fixture(params=STACKS)
def graph(request: pytest.FixtureRequest) -> Graph:
    return STACKS[request.param]()


INSIDE = ("Gate", "NetworkPolicies", "SecretDelivery", "OperatorCanary")  # components that are a part of others
TIERS = ("InfisicalRelease", "Bootstrap", "Ingress", "SecretsOperator", "ApplicationSecrets")


def nodes(svg: str) -> list[str]:
    return [name for element in ElementTree.fromstring(svg).iter() if (name := element.get("data-node"))]


def drawn_edges(svg: str) -> list[tuple[str, str]]:
    found = [(e.get("data-from", ""), e.get("data-to", "")) for e in ElementTree.fromstring(svg).iter()]
    return [edge for edge in found if edge[0]]


def test_the_picture_of_the_graph_is_current() -> None:
    assert (ROOT / "docs" / "graph.svg").read_text() == draw(platform()), "run `make graph`"


def test_the_picture_of_applications_is_current_and_says_what_waits_for_what() -> None:
    """From the server to a pod's Secret: the way in waits for the organisation, and the delivery for both."""
    picture = (ROOT / "docs" / "applications.svg").read_text()
    assert picture == draw(sample(), TIERS), "run `make graph`"
    tops = {node.partition(" ")[2].partition("/")[0] for node in nodes(picture) if node.startswith("component ")}
    assert tops == {*TIERS, *INSIDE}
    edges = drawn_edges(picture)
    assert ("component Bootstrap/bootstrap", "component ApplicationSecrets/application-secrets") in edges
    assert ("component SecretsOperator/secrets-operator", "component ApplicationSecrets/application-secrets") in edges


def test_the_table_of_the_architecture_is_current() -> None:
    document = (ROOT / "docs" / "architecture.md").read_text()
    assert document == with_table(document, sample()), "run `make graph`"


def test_the_table_has_every_component_and_every_wait_between_two(graph: Graph) -> None:
    rows = {cells[1]: cells for row in table(graph) if len(cells := [c.strip() for c in row.split("|")]) == 6}
    parts = {component.kind: component for component in graph.components if component.kind not in INSIDE}
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
    assert len(edges) == len(set(edges)) < 145
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
        "postgresql/platform-db-cluster",
        "RedisReplication/platform-kv-replication",
        "RedisSentinel/platform-kv-sentinel",
    }
    assert {name for name, node in marks.items() if node.secret and not name.startswith("RandomPassword/")} == {
        "Secret/infisical-migration-uri",
        "Secret/infisical-secrets",
        "Secret/platform-db-credentials",
        "Secret/platform-db-gate-login",
        "Secret/platform-kv-auth",
        "Secret/platform-kv-gate-login",
    }
    assert all(node.secret for name, node in marks.items() if name.startswith("RandomPassword/"))
    assert marks["Secret/infisical-secrets"].protected
    assert not marks["Secret/platform-db-gate-login"].protected


def test_no_secret_is_in_the_picture(graph: Graph) -> None:
    assert graph.generated
    assert not graph.reveals(draw(graph))


def test_it_asks_for_nothing_from_elsewhere(graph: Graph) -> None:
    assert not re.search(r"(href|src)=\"[^#]|@import|url\([^#]|<script", draw(graph))


def test_no_name_runs_into_its_kind_where_some_components_are_drawn() -> None:
    """Those of docs/applications.svg have the longest names."""
    root = ElementTree.fromstring(draw(sample(), ["SecretsOperator", "ApplicationSecrets"]))
    rows = [
        (name, kind)
        for group in root.iter()
        if group.get("data-node")
        for name, kind in itertools.pairwise(each for each in group if each.tag.endswith("text"))
        if kind.get("class") == "kind"
    ]
    assert len(rows) > 60
    for name, kind in rows:
        end = float(name.get("x", 0)) + len(name.text or "") * 6.5
        assert end <= float(kind.get("x", 0)) - len(kind.text or "") * 5.6, name.text
