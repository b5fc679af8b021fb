"""Draw the order in which a stack comes up as SVG, with the same bytes on every machine, so nothing measures a font.

Components are boxes in layers, earlier ones above. A box lists the resources in their order. Rails on their left lead
from each resource to what waits for it.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

from pictures.order import Node, Order, order
from tests.unit.harness import Graph

_WIDTH, _GAP, _MARGIN, _BOX = 900, 24, 15, 274
_LETTER, _SMALL_LETTER = 6.5, 5.6  # what one of a name takes, and of a kind
_TITLE, _ROW, _LANE, _LABEL, _BETWEEN, _TRACK = 30, 19, 6.5, 60, 44, 8
_STYLE, _SYMBOLS = (Path(__file__).with_name(f"graph.{name}").read_text() for name in ("css", "symbols.svg"))

Point = tuple[float, float]


@dataclass
class _Box:
    """The box of a top-level component, with the place of each node in it."""

    node: Node
    x: float = 0
    y: float = 0
    width: float = _BOX
    rows: list[tuple[Node, int]] = field(default_factory=list)  # with its depth in the tree, 1 for a member

    def __post_init__(self) -> None:
        self.rows = [row for member in self.node.members for row in _rows(member, 1)]

    @property
    def needs(self) -> float:
        """Return the width in which no name runs into its kind."""
        rows = (
            (depth - 1) * 6 + len(node.label) * _LETTER + len(node.kind) * _SMALL_LETTER for node, depth in self.rows
        )
        return _LABEL + max(rows, default=0) + 18

    @property
    def height(self) -> float:
        return _TITLE + len(self.rows) * _ROW + 8

    @property
    def center(self) -> float:
        return self.x + self.width / 2

    def row(self, urn: str) -> float:
        """Return the middle of a row."""
        return self.y + _TITLE + (self.index(urn) + 0.5) * _ROW

    def index(self, urn: str) -> int:
        return next(index for index, (node, _) in enumerate(self.rows) if node.urn == urn)


def _rows(node: Node, depth: int) -> Iterator[tuple[Node, int]]:
    yield node, depth
    for member in node.members:
        yield from _rows(member, depth + 1)


def draw(graph: Graph, only: Collection[str] = ()) -> str:
    """Return the picture of a recorded graph, or of these components of it."""
    stack = next(iter(graph)).urn.split(":")[2]
    found = order(graph)
    return _Picture(found.only(only), stack, roomy=True).svg() if only else _Picture(found, stack).svg()


class _Picture:
    def __init__(self, what: Order, stack: str, *, roomy: bool = False) -> None:
        self.stack = stack
        self.boxes = {node.urn: _Box(node) for node in what.components}
        self.home = {node.urn: box for box in self.boxes.values() for node in box.node.walk()}
        self.nodes = {node.urn: node for box in self.boxes.values() for node in box.node.walk()}
        self.edges = sorted(what.edges)
        self.layers = self._layers()
        # The picture of a whole stack keeps to the width of a page.
        self.box = max(_BOX, *(box.needs for box in self.boxes.values())) if roomy else _BOX
        for box in self.boxes.values():
            box.width = self.box
        self.width = max(_WIDTH, max(map(len, self.layers)) * (self.box + _GAP) - _GAP + 2 * _MARGIN)
        self.tops: list[float] = []
        y = 74.0
        for layer in self.layers:
            self.tops.append(y)
            x = (self.width - len(layer) * (self.box + _GAP) + _GAP) / 2
            for box in layer:
                box.x, box.y = x, y
                x += self.box + _GAP
            y += max(box.height for box in layer) + _BETWEEN
        self.bottom = y

    # --- where the boxes stand ---

    def _layers(self) -> list[list[_Box]]:
        """Sort boxes into layers by the longest way to each, and within a layer so that edges are short."""
        between = {(self.home[a].node.urn, self.home[b].node.urn) for a, b in self.edges if {a, b} & self.boxes.keys()}
        level: dict[str, int] = dict.fromkeys(self.boxes, 0)
        for _ in self.boxes:
            for earlier, later in between:
                level[later] = max(level[later], level[earlier] + 1)
        layers = [[self.boxes[urn] for urn in self.boxes if level[urn] == n] for n in range(max(level.values()) + 1)]
        return [min(map(list, itertools.permutations(layer)), key=self._stretch) for layer in layers]

    def _stretch(self, layer: Sequence[_Box]) -> float:
        place = {box.node.urn: index for index, box in enumerate(layer)}
        ends = [(self.home[a].node.urn, self.home[b].node.urn) for a, b in self.edges]
        return sum(abs(place[a] - place[b]) for a, b in ends if a in place and b in place)

    # --- drawing ---

    def svg(self) -> str:
        parts = [*self._between(), *itertools.chain(*map(self._box, self.boxes.values()))]
        height = self.bottom - _BETWEEN + 64
        head = f'viewBox="0 0 {self.width:g} {height:g}" width="{self.width:g}" height="{height:g}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {head} role="img" aria-labelledby="title">',
                f'<title id="title">What waits for what in stack {escape(self.stack)}</title>',
                f"<style>\n{_STYLE}</style>",
                _SYMBOLS.rstrip(),
                f'<rect class="card" x=".5" y=".5" width="{self.width - 1:g}" height="{height - 1:g}" rx="10"/>',
                f'<text class="heading" x="{_MARGIN}" y="36">What waits for what</text>',
                f'<text class="muted" x="{_MARGIN}" y="55">stack {escape(self.stack)}, from top to bottom</text>',
                *parts,
                *self._legend(height - 28),
                "</svg>\n",
            ]
        )

    def _box(self, box: _Box) -> Iterator[str]:
        node, x, y = box.node, box.x, box.y
        yield f'<g data-node="{node}">'
        yield f'<rect class="box" x="{x:g}" y="{y:g}" width="{self.box:g}" height="{box.height:g}" rx="7"/>'
        yield f'<path class="rule" d="M{x:g},{y + _TITLE - 4:g}h{self.box:g}"/>'
        yield f'<text class="title" x="{x + 12:g}" y="{y + 18:g}">{escape(node.kind)}</text>'
        yield f'<text class="kind" x="{x + self.box - 10:g}" y="{y + 18:g}">{escape(node.name)}</text>'
        for nested, depth in box.rows:
            if nested.component:
                top, left = box.row(nested.urn) - _ROW / 2, x + _LABEL - 28 + depth * 4
                size = f'width="{x + self.box - 3 - left:g}" height="{len(list(nested.walk())) * _ROW:g}"'
                yield f'<rect class="nested" x="{left:g}" y="{top:g}" {size} rx="5"/>'
        yield from self._rails(box)
        for member, depth in box.rows:
            yield from self._row(member, x, box.row(member.urn), depth)
        yield "</g>"

    def _row(self, node: Node, x: float, y: float, depth: int) -> Iterator[str]:
        kind = "data" if node.data else "secret" if node.secret else "gate" if node.gate else "dot"
        yield f'<g data-node="{node}"><title>{escape(str(node))}</title>'
        if not node.component:
            yield f'<use href="#{kind}" x="{x + _LABEL - 20:g}" y="{y - 6:g}"/>'
        classes = f"name {kind}" if not node.component else "title"
        yield f'<text class="{classes}" x="{x + _LABEL + (depth - 1) * 6:g}" y="{y + 4:g}">{escape(node.label)}</text>'
        right = x + self.box - (22 if node.protected else 8)
        what = f"{node.kind}, read" if node.read else node.kind
        yield f'<text class="kind" x="{right:g}" y="{y + 4:g}">{escape(what)}</text>'
        if node.protected:
            yield f'<use href="#lock" x="{x + self.box - 18:g}" y="{y - 6:g}"/>'
        yield "</g>"

    def _rails(self, box: _Box) -> Iterator[str]:
        """Draw the rails. Sources with the same targets share a rail, and short rails are closest to the rows."""
        inner = [(a, b) for a, b in self.edges if self.home[a] is box and self.home[b] is box]
        targets: defaultdict[str, set[str]] = defaultdict(set)
        for a, b in inner:
            targets[a].add(b)
        rails: defaultdict[frozenset[str], set[str]] = defaultdict(set)
        for a, bs in targets.items():
            rails[frozenset(bs)].add(a)
        spans = {bs: _span(box.index(urn) for urn in (*bs, *sources)) for bs, sources in rails.items()}
        dot = box.x + _LABEL - 14
        lanes: list[list[tuple[float, float]]] = []
        for bs in sorted(rails, key=lambda bs: (spans[bs][1] - spans[bs][0], spans[bs])):
            (a, *more), (b, *others) = sorted(rails[bs]), sorted(bs)
            if not (more or others) and spans[bs][1] - spans[bs][0] == 1:
                yield self._path(a, b, f"M{dot:g},{box.row(a) + 6:g}V{box.row(b) - 7:g}")
                continue
            x = dot - 12 - _LANE * _free(lanes, spans[bs])
            for a, b in itertools.product(sorted(rails[bs]), sorted(bs)):
                start, end = box.row(a), box.row(b)
                turn = 4 if end > start else -4
                way = f"M{dot - 6:g},{start:g}H{x + 4:g}Q{x:g},{start:g} {x:g},{start + turn:g}"
                yield self._path(a, b, f"{way}V{end - turn:g}Q{x:g},{end:g} {x + 4:g},{end:g}H{dot - 7:g}")

    def _path(self, a: str, b: str, d: str, kind: str = "edge") -> str:
        return f'<path class="{kind}" data-from="{self.nodes[a]}" data-to="{self.nodes[b]}" d="{d}"/>'

    # --- edges between boxes ---

    def _between(self) -> Iterator[str]:
        across = [(a, b) for a, b in self.edges if self.home[a] is not self.home[b]]
        sides = [edge for edge in across if edge[0] not in self.boxes or edge[1] not in self.boxes]
        downs = [edge for edge in across if edge not in sides]
        for number, (a, b) in enumerate(sides):
            yield self._path(a, b, _bent(self._sideways(a, b, number)), "edge across")
        tracks: defaultdict[int, list[list[tuple[float, float]]]] = defaultdict(list)
        for a, b in downs:
            yield self._path(a, b, _bent(self._downwards(a, b, downs, tracks)), "edge between")

    def _sideways(self, a: str, b: str, number: int) -> list[Point]:
        """Return the way between rows of two boxes, through the space between the columns."""
        source, target = self.home[a], self.home[b]
        start = source.row(a) if a not in self.boxes else source.y + 13
        end = target.row(b) if b not in self.boxes else target.y + 13
        rightwards = source.x < target.x
        lane = target.x - _GAP / 2 if rightwards else target.x + self.box + _GAP / 2
        lane += (number % 3 - 1) * 4
        sx, tx = (source.x + self.box, target.x) if rightwards else (source.x, target.x + self.box)
        if source.x == target.x:  # one above the other: along their right sides
            sx = tx
        return [(sx, start), (lane, start), (lane, end), (tx + (-2 if rightwards else 2), end)]

    def _downwards(
        self, a: str, b: str, downs: list[tuple[str, str]], tracks: defaultdict[int, list[list[tuple[float, float]]]]
    ) -> list[Point]:
        """Return the way from the foot of one box to the head of the other, past the layers between them."""
        source, target = self.boxes[a], self.boxes[b]
        below = sorted((self.boxes[t].center, t) for s, t in downs if s == a)
        above = sorted((self.boxes[s].center, s) for s, t in downs if t == b)
        sx = _port(source.center, below.index((target.center, b)), len(below))
        tx = _port(target.center, above.index((source.center, a)), len(above))
        first, last = (next(n for n, layer in enumerate(self.layers) if box in layer) for box in (source, target))
        passed = [box for layer in self.layers[first + 1 : last] for box in layer]
        xs = [sx, tx, *(x for box in passed for x in (box.x - _GAP / 2, box.x + self.box + _GAP / 2))]
        free = [x for x in xs if not any(box.x - 8 < x < box.x + self.box + 8 for box in passed)]
        way = min(free, key=lambda x: (abs(x - sx) + abs(x - tx), xs.index(x)))
        points: list[Point] = [(sx, source.y + source.height)]
        for layer, x, to in ((first + 1, sx, way), (last, way, tx)):
            if abs(x - to) > 0.5:
                track = _free(tracks[layer], _span((x, to)))
                y = self.tops[layer] - _BETWEEN / 2 + (track + 1) // 2 * _TRACK * (-1 if track % 2 else 1)
                points += [(x, y), (to, y)]
        return [*points, (tx, target.y - 2)]

    # --- the legend ---

    def _legend(self, y: float) -> Iterator[str]:
        entries = [("data", "data service", 100), ("secret", "carries a secret", 118)]
        entries.append(("gate", "Job, the next waits for it", 172))
        if any(node.protected for node in self.nodes.values()):
            entries.append(("lock", "protected", 84))
        x = float(_MARGIN)
        for symbol, text, width in entries:
            yield f'<use href="#{symbol}" x="{x:g}" y="{y - 10:g}"/>'
            yield f'<text class="kind legend" x="{x + 17:g}" y="{y:g}">{text}</text>'
            x += width
        for kind, text, width in (("between", "whole component waits", 180), ("across", "one resource waits", 150)):
            yield f'<path class="edge {kind}" d="M{x:g},{y - 4:g}h26"/>'
            yield f'<text class="kind legend" x="{x + 34:g}" y="{y:g}">{text}</text>'
            x += width


def _span(numbers: Iterable[float]) -> tuple[float, float]:
    numbers = list(numbers)
    return min(numbers), max(numbers)


def _free(lanes: list[list[tuple[float, float]]], span: tuple[float, float]) -> int:
    """Return the first lane where nothing overlaps, and take the span there."""
    fits = (n for n, taken in enumerate(lanes) if all(span[1] < low or high < span[0] for low, high in taken))
    number = next(fits, len(lanes))
    if number == len(lanes):
        lanes.append([])
    lanes[number].append(span)
    return number


def _port(center: float, index: int, count: int) -> float:
    return center + (index - (count - 1) / 2) * 26


def _bent(points: Sequence[Point], radius: float = 6) -> str:
    """Return a path of straight lines with rounded corners."""
    d = [f"M{points[0][0]:g},{points[0][1]:g}"]
    for (px, py), (x, y), (nx, ny) in zip(points, points[1:], points[2:], strict=False):
        before, after = (min(radius, (abs(x - a) + abs(y - b)) / 2) for a, b in ((px, py), (nx, ny)))
        ax, ay = x - _sign(x - px) * before, y - _sign(y - py) * before
        bx, by = x + _sign(nx - x) * after, y + _sign(ny - y) * after
        d.append(f"L{ax:g},{ay:g}Q{x:g},{y:g} {bx:g},{by:g}")
    return "".join([*d, f"L{points[-1][0]:g},{points[-1][1]:g}"])


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)
