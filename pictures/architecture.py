"""Write the table of docs/architecture.md: each component, its file, what it makes and what it waits for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from pictures.order import Node, Order, order
from tests.unit.harness import Graph

BEGIN, END = "<!-- begin: written by `make graph` -->", "<!-- end -->"


def with_table(document: str, graph: Graph) -> str:
    """Return the document with the table of `graph` between its two marks."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the document lacks a line {BEGIN} or {END}")
    return "".join([before, BEGIN, "\n", *(f"{line}\n" for line in table(graph)), END, after])


def table(graph: Graph) -> Iterator[str]:
    """Yield the lines of the table, components in the order in which they come up."""
    found = order(graph)
    yield from ("| component | file | makes | waits for |", "|---|---|---|---|")
    for component in found.components:
        file = f"components/{_snake(component.kind)}.py"
        yield f"| {component.kind} | [`{file}`](../{file}) | {_made(component)} | {_awaited(component, found)} |"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _made(component: Node) -> str:
    """Return what it makes as kinds with their number, Jobs last, and then the existing kinds that it reads."""
    inside = [node for node in component.walk() if not node.component]
    made = Counter(node.kind for node in inside if not node.read)
    kinds = sorted(made, key=lambda kind: (kind == "Job", [node.kind for node in inside].index(kind)))
    parts = [f"{made[kind]} {_several(kind)}" if made[kind] > 1 else kind for kind in kinds]
    if reads := sorted(node.kind for node in inside if node.read):
        parts.append(f"nothing; reads {', '.join(reads)}")
    return ", ".join(parts)


def _several(kind: str) -> str:
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"


def _awaited(component: Node, found: Order) -> str:
    """Return what the component waits for as a whole, then what single resources of it wait for in addition."""
    homes = {node.urn: top for top in found.components for node in top.walk()}
    names = {node.urn: node for top in found.components for node in top.walk()}
    across = [(a, b) for a, b in found.edges if homes[b] is component and homes[a] is not component]
    whole = sorted({_said(names[a]) for a, b in across if b == component.urn})
    alone: dict[str, set[str]] = {}
    for a, b in across:
        if b != component.urn:
            alone.setdefault(_said(names[b]), set()).add(_said(names[a]))
    parts = [", ".join(whole)] if whole else []
    parts += [f"{later} alone: {', '.join(sorted(earlier))}" for later, earlier in sorted(alone.items())]
    return "; ".join(parts) or "nothing"


def _said(node: Node) -> str:
    return node.kind if node.component else f"`{node.kind}/{node.name}`"
