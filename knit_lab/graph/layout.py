"""Where cards lie: in layers from left to right, every arrow pointing right, with few crossings.

The usual method in three steps (Sugiyama, Tagawa and Toda, 1981): layers by the longest way from a source, order in the
layers by the mean of the neighbours' places, then coordinates. Pixels, y growing downwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from knit_lab.graph.model import Graph, Node

_SWEEPS = 8
_GAP_X, _GAP_Y = 90.0, 22.0
_CHAR, _LINE = 6.6, 15.0  # a character of 11 px sans-serif, and a line
_WIDEST = 44  # characters; longer lines are cut
_MOST_LINES = 7


class Box(NamedTuple):
    """The place of a card: its centre and its size."""

    x: float
    y: float
    width: float
    height: float


def lines_of(node: Node) -> list[str]:
    """Return the lines of a card below its title, as many and as long as fit."""
    lines = [cut(line) for line in node.lines]
    return lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 1], f"… {len(lines) - _MOST_LINES + 1} more"]


def cut(text: str) -> str:
    """Return `text` as long as fits into a card."""
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def boxes(graph: Graph) -> dict[str, Box]:
    """Return the place of every card."""
    sizes = {node.id: _size(node) for node in graph.nodes}
    columns = _ordered(_layers(graph), graph)
    placed: dict[str, Box] = {}
    x = 0.0
    for column in columns:
        width = max(sizes[each][0] for each in column)
        height = sum(sizes[each][1] + _GAP_Y for each in column) - _GAP_Y
        y = -height / 2
        for each in column:
            own_width, own_height = sizes[each]
            placed[each] = Box(x + width / 2, y + own_height / 2, own_width, own_height)
            y += own_height + _GAP_Y
        x += width + _GAP_X
    return placed


def _size(node: Node) -> tuple[float, float]:
    lines = lines_of(node)
    longest = max([len(node.title) + 14, *map(len, lines)])
    return 22 + _CHAR * min(longest, _WIDEST + 2), 26 + _LINE * len(lines)


def _layers(graph: Graph) -> list[list[str]]:
    """Put every card one layer behind the last of those it comes from; a cycle, if there is one, is cut somewhere."""
    depth: dict[str, int] = {}
    waits = {node.id: sum(each in graph for each in graph.up.get(node.id, ())) for node in graph.nodes}
    ready = [node.id for node in graph.nodes if not waits[node.id]]
    left = dict.fromkeys(node.id for node in graph.nodes)
    while left:
        if not ready:
            ready = [next(iter(left))]
        for node in ready:
            left.pop(node, None)
            depth.setdefault(node, 0)
        following = []
        for node in ready:
            for other in graph.down.get(node, ()):
                if other in left:
                    depth[other] = max(depth.get(other, 0), depth[node] + 1)
                    waits[other] -= 1
                    if waits[other] == 0:
                        following.append(other)
        ready = following
    _pull_right(graph, depth)
    columns: dict[int, list[str]] = {}
    for node_id in graph.by_id:
        columns.setdefault(depth[node_id], []).append(node_id)
    return [columns[at] for at in sorted(columns)]


def _pull_right(graph: Graph, depth: dict[str, int]) -> None:
    """Move sources next to what they go to: arrows are short then."""
    for node in graph.nodes:
        below = [depth[each] for each in graph.down.get(node.id, ())]
        if below and not graph.up.get(node.id) and min(below) - 1 > depth[node.id]:
            depth[node.id] = min(below) - 1


def _ordered(columns: list[list[str]], graph: Graph) -> list[list[str]]:
    for sweep in range(_SWEEPS):
        forth = sweep % 2 == 0
        order = range(1, len(columns)) if forth else range(len(columns) - 2, -1, -1)
        links = graph.up if forth else graph.down
        for at in order:
            place = {each: index / max(1, len(column)) for column in columns for index, each in enumerate(column)}
            columns[at] = _by_neighbours(columns[at], links, place)
    return columns


def _by_neighbours(
    column: Sequence[str], links: Mapping[str, tuple[str, ...]], place: Mapping[str, float]
) -> list[str]:  # fmt: skip
    def mean(node: str) -> float:
        others = [place[each] for each in links.get(node, ()) if each in place]
        return sum(others) / len(others) if others else place[node]

    return sorted(column, key=mean)
