"""Reduce a recorded graph to components with their resources, and to the fewest edges that still tell the order."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from tests.unit.harness import Graph, Resource

Edges = frozenset[tuple[str, str]]  # (earlier, later), each a URN

DATA_SERVICES = {"postgresql", "RedisReplication", "RedisSentinel", "RedisCluster"}


@dataclass(frozen=True, kw_only=True)
class Node:
    """A resource, or a component with what it makes in the order in which that comes up."""

    urn: str
    kind: str
    name: str
    label: str  # what a picture calls it
    component: bool = False
    secret: bool = False
    data: bool = False
    protected: bool = False
    gate: bool = False
    read: bool = False
    members: tuple[Node, ...] = field(default=())

    def __str__(self) -> str:
        return f"{'component ' if self.component else ''}{self.kind}/{self.name}"

    def walk(self) -> Iterator[Node]:
        """Yield the node and all below it."""
        yield self
        for member in self.members:
            yield from member.walk()


@dataclass(frozen=True)
class Order:
    """The top-level components and the edges. An edge to or from a component stands for everything in it."""

    components: tuple[Node, ...]
    edges: Edges

    def only(self, kinds: Collection[str]) -> Order:
        """Return the order of these components alone."""
        chosen = tuple(component for component in self.components if component.kind in kinds)
        known = {node.urn for component in chosen for node in component.walk()}
        return Order(chosen, frozenset(edge for edge in self.edges if known.issuperset(edge)))


def order(graph: Graph) -> Order:
    """Return the order without providers, which everything waits for, and without edges that follow from others."""
    return _Reader(graph).read()


class _Reader:
    def __init__(self, graph: Graph) -> None:
        self.resources: dict[str, Resource | None] = {r.urn: r for r in (*graph.components, *graph.objects)}
        self.resources |= dict.fromkeys(graph.reads)
        self.reads = graph.reads
        self.parents = {urn: self._parent(urn) for urn in self.resources}
        self.objects = [urn for urn, r in self.resources.items() if r is None or r.custom]

    def _parent(self, urn: str) -> str:
        resource = self.resources[urn]
        if resource:
            return resource.parent if resource.parent in self.resources else ""
        lineage = urn.split("::")[2].rpartition("$")[0]  # a read tells only the types of its parents
        components = [u for u, r in self.resources.items() if r and not r.custom]
        return next((u for u in components if u.split("::")[2].endswith(lineage)), "")

    def inside(self, component: str, urn: str) -> bool:
        while urn and urn != component:
            urn = self.parents[urn]
        return bool(urn)

    def made_by(self, component: str) -> frozenset[str]:
        return frozenset(urn for urn in self.objects if self.inside(component, urn))

    def read(self) -> Order:
        edges = self._edges()
        depth = _depths(_times(self.parents, edges))
        return Order(tuple(self._node(urn, depth) for urn in self._below("", depth)), _reduced(self.parents, edges))

    def _below(self, parent: str, depth: Mapping[str, int]) -> list[str]:
        """Sort members by when they are complete, because the order of registration is not the same twice."""
        members = [urn for urn, above in self.parents.items() if above == parent]
        return sorted(members, key=lambda urn: (depth[_end(urn)], urn.rpartition("::")[2], urn))

    def _node(self, urn: str, depth: Mapping[str, int]) -> Node:
        members = tuple(self._node(member, depth) for member in self._below(urn, depth))
        resource = self.resources[urn]
        if not resource:
            kind, _, name = self.reads[urn].partition("/")
            return Node(urn=urn, kind=kind, name=name, label=name, read=True)
        return Node(
            urn=urn,
            kind=resource.kind,
            name=resource.name,
            label=self._label(urn),
            component=not resource.custom,
            secret=bool(resource.secrets) or resource.type.startswith("random:index/randomPassword"),
            data=resource.kind in DATA_SERVICES,
            protected=resource.protect,
            gate=resource.kind == "Job",
            members=members,
        )

    def _label(self, urn: str) -> str:
        """Return the name without those of the components that it is in. What is called like one has its label."""
        name, above = urn.rpartition("::")[2], self.parents[urn]
        label, outer = name, above
        while outer:
            label, outer = label.removeprefix(outer.rpartition("::")[2]).removeprefix("-"), self.parents[outer]
        return label or (self._label(above) if self.parents[above] else name)

    def _edges(self) -> set[tuple[str, str]]:
        components = sorted(set(self.resources) - set(self.objects), key=lambda urn: (-len(self.made_by(urn)), urn))
        made_by = {component: self.made_by(component) for component in components}
        edges: set[tuple[str, str]] = set()
        for urn, resource in self.resources.items():
            left = {need for need in resource.dependencies if need in self.resources} if resource else set[str]()
            for component, made in made_by.items():  # the largest first
                whole = made <= left and (len(made) > 1 or (made and urn not in self.objects))
                if whole and not self.inside(component, urn):
                    edges.add((component, urn))
                    left -= made
            edges |= {(need, urn) for need in left}
        return edges


def _begin(urn: str) -> str:
    return f"begin {urn}"


def _end(urn: str) -> str:
    return f"end {urn}"


def _times(parents: Mapping[str, str], edges: set[tuple[str, str]] | Edges) -> dict[str, set[str]]:
    """Return what precedes each moment. A member begins after its component, which ends after all its members."""
    after: dict[str, set[str]] = {_begin(urn): set() for urn in parents} | {_end(u): {_begin(u)} for u in parents}
    for urn, parent in parents.items():
        if parent:
            after[_begin(urn)].add(_begin(parent))
            after[_end(parent)].add(_end(urn))
    for earlier, later in edges:
        after[_begin(later)].add(_end(earlier))
    return after


def _depths(after: Mapping[str, set[str]]) -> dict[str, int]:
    @functools.cache
    def depth(moment: str) -> int:
        return max((depth(before) + 1 for before in after[moment]), default=0)

    return {moment: depth(moment) for moment in after}


def _reduced(parents: Mapping[str, str], edges: set[tuple[str, str]]) -> Edges:
    after = _times(parents, edges)

    @functools.cache
    def before(moment: str) -> frozenset[str]:
        return frozenset(after[moment]).union(*(before(earlier) for earlier in after[moment]))

    def implied(earlier: str, later: str) -> bool:
        others = after[_begin(later)] - {_end(earlier)}
        return any(_end(earlier) in before(other) for other in others)

    return frozenset(edge for edge in edges if not implied(*edge))
