"""Where cards lie: in rows from top to bottom, every arrow pointing down, with few crossings and short ways.

The usual method in steps (Sugiyama, Tagawa and Toda, 1981): rows by the longest way from a source; a bend for every row
that an arrow passes; order in the rows by the mean place of the neighbours; then the places themselves, each as near to
its neighbours' mean as the order allows (least squares with fixed order: isotonic regression). Pixels, y downwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from knit_lab.display.html import MARKS
from knit_lab.graph.model import Graph, Node
from knit_server.wire.graphs import local_time

_SWEEPS = 10
_GAP_X, _GAP_Y = 26.0, 58.0
_BEND = 12.0  # the width that an arrow takes in a row that it passes
_CHAR, _LINE = 6.0, 15.0  # a character of 11 px sans-serif, and a line
_WIDEST = 42  # characters; longer lines are cut
_MOST_LINES = 6

Point = tuple[float, float]


class Box(NamedTuple):
    """The place of a card: its centre and its size."""

    x: float
    y: float
    width: float
    height: float


class Layout(NamedTuple):
    """The place of every card, and the points that the arrow between two cards passes (source, target)."""

    boxes: dict[str, Box]
    ways: dict[tuple[str, str], list[Point]]


def lines_of(node: Node) -> list[str]:
    """Return the lines of a card below its title, as many and as long as fit; the last of them is when it changed."""
    when = [local_time(node.moment, None)] if node.moment else []
    lines = [cut(line) for line in (*node.lines, *when)]
    return lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 1], f"… {len(lines) - _MOST_LINES + 1} more"]


def cut(text: str) -> str:
    """Return `text` as long as fits into a card."""
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def size(node: Node) -> tuple[float, float]:
    """Return the width and height of a card."""
    lines = lines_of(node)
    longest = max([len(node.title) + 3 + len(statuses(node)), *map(len, lines)])
    return 24 + _CHAR * longest, 26 + _LINE * len(lines)


def statuses(node: Node) -> str:
    """Return the statuses of a card as marks and words, with how many of each if it is a group."""
    counted = ((word, f" {count}" if node.is_group else "") for word, count in node.statuses.items())
    return " ".join(f"{MARKS.get(word, '•')} {word}{count}" for word, count in counted)


def laid_out(graph: Graph) -> Layout:
    """Return the places of all cards and arrows."""
    depth = _depths(graph)
    net = _Net(graph, depth)
    net.order()
    xs = net.places()
    boxes: dict[str, Box] = {}
    spans: list[tuple[float, float]] = []  # top and bottom of each row: an arrow that passes it goes straight
    y = 0.0
    for row in net.rows:
        height = max(net.sizes[each][1] for each in row)
        spans.append((y, y + height))
        boxes |= {each: Box(xs[each], y + height / 2, *net.sizes[each]) for each in row if each in graph}
        y += height + _GAP_Y
    ways: dict[tuple[str, str], list[Point]] = {}
    for (source, target), bends in net.bends.items():
        a, b = boxes[source], boxes[target]
        if a.y == b.y:  # part of a cycle that was cut
            continue
        sign = 1 if a.y < b.y else -1
        between = [(xs[bend], edge) for bend in bends for edge in spans[net.row_of[bend]][::sign]]
        ways[source, target] = [(a.x, a.y + sign * a.height / 2), *between, (b.x, b.y - sign * b.height / 2)]
    return Layout(boxes, ways)


def _depths(graph: Graph) -> dict[str, int]:
    """Put every card one row below the last of those it comes from; a cycle, if there is one, is cut somewhere."""
    depth = dict.fromkeys(graph.by_id, 0)
    waits = {node: len(graph.up.get(node, ())) for node in depth}
    left = dict.fromkeys(depth)
    ready = [node for node in depth if not waits[node]]
    while left:
        row = ready or [next(iter(left))]
        ready = []
        for node in row:
            left.pop(node, None)
        for node in row:
            for other in graph.down.get(node, ()):
                if other in left:
                    depth[other] = max(depth[other], depth[node] + 1)
                    waits[other] -= 1
                    if waits[other] == 0:
                        ready.append(other)
    for node in depth:  # sources lie next to what they go to: arrows are short then
        below = [depth[each] for each in graph.down.get(node, ())]
        if below and not graph.up.get(node):
            depth[node] = max(depth[node], min(below) - 1)
    return depth


class _Net:
    """Cards and bends in rows; neighbours are always in adjacent rows."""

    def __init__(self, graph: Graph, depth: Mapping[str, int]) -> None:
        self.rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
        self.sizes = {node.id: size(node) for node in graph.nodes}
        self.bends: dict[tuple[str, str], list[str]] = {}
        self.row_of = dict(depth)
        for node_id, row in depth.items():
            self.rows[row].append(node_id)
        pairs: list[tuple[str, str]] = []
        for source, target in dict.fromkeys((edge.source, edge.target) for edge in graph.edges):
            steps = range(min(depth[source], depth[target]) + 1, max(depth[source], depth[target]))
            names = [f"{source}\0{target}\0{row}" for row in steps]
            for name, row in zip(names, steps, strict=True):
                self.rows[row].append(name)
                self.sizes[name], self.row_of[name] = (_BEND, 0.0), row
            upper, lower = (source, target) if depth[source] <= depth[target] else (target, source)
            chain = [upper, *names, lower]
            pairs += list(itertools.pairwise(chain))
            self.bends[source, target] = names if upper == source else names[::-1]
        self.up = _links((lower, upper) for upper, lower in pairs)
        self.down = _links(pairs)

    def order(self) -> None:
        """Sort each row by the mean place of the neighbours, up and down again and again."""
        for sweep in range(_SWEEPS):
            links, rows = self._direction(sweep)
            for at in rows:
                place: dict[str, float] = {name: index for each in self.rows for index, name in enumerate(each)}
                self.rows[at].sort(key=_mean_of(links, place))

    def places(self) -> dict[str, float]:
        """Return the x of every card and bend."""
        xs: dict[str, float] = {}
        for row in self.rows:
            apart = self._offsets(row)
            xs |= {name: at - apart[-1] / 2 for name, at in zip(row, apart, strict=True)}
        for sweep in range(_SWEEPS):
            links, rows = self._direction(sweep)
            for at in rows:
                names = self.rows[at]
                wanted = list(map(_mean_of(links, xs), names))
                apart = self._offsets(names)
                fitted = _rising([want - offset for want, offset in zip(wanted, apart, strict=True)])
                xs |= {name: fit + offset for name, fit, offset in zip(names, fitted, apart, strict=True)}
        return xs

    def _direction(self, sweep: int) -> tuple[Mapping[str, list[str]], range]:
        forth = sweep % 2 == 0
        return (self.up, range(1, len(self.rows))) if forth else (self.down, range(len(self.rows) - 2, -1, -1))

    def _offsets(self, row: Sequence[str]) -> list[float]:
        """Return how far each of a row lies from the first at least."""
        offsets = [0.0]
        for left, right in itertools.pairwise(row):
            offsets.append(offsets[-1] + (self.sizes[left][0] + self.sizes[right][0]) / 2 + _GAP_X)
        return offsets


def _links(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one, other in pairs:
        found.setdefault(one, []).append(other)
    return found


def _mean_of(links: Mapping[str, list[str]], place: Mapping[str, float]) -> Callable[[str], float]:
    def mean(name: str) -> float:
        others = [place[each] for each in links.get(name, ())]
        return sum(others) / len(others) if others else place[name]

    return mean


def _rising(wanted: Sequence[float]) -> list[float]:
    """Return the never falling numbers nearest to `wanted` by least squares (pool adjacent violators)."""
    pools: list[tuple[float, int]] = []
    for value in wanted:
        pools.append((value, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, n), (b, m) = pools[-2:]
            pools[-2:] = [((a * n + b * m) / (n + m), n + m)]
    return [value for value, count in pools for _ in range(count)]
