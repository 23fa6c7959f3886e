"""A graph as a static SVG: cards and arrows that read on light and dark pages, without scripts or style sheets."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from knit_lab.display.html import COLOURS, escape
from knit_lab.graph.layout import Box, Point, cut, laid_out, lines_of, statuses
from knit_lab.graph.model import Graph, Kind, Node

Ways = Mapping[tuple[str, str], Sequence[Point]]

HUES = {
    Kind.DATA: "#1c9930", Kind.DATA_GROUP: "#1c9930", Kind.RUN: "#c77700", Kind.RUN_GROUP: "#c77700",
    Kind.PLAN: "#9a7200", Kind.PORT: "#1c9930",
}  # fmt: skip
"""The colour of each kind of card: those of the DOT graphs, dark enough for white words on them."""
ROOT_FILL = "#e3f4dc"
_MARGIN = 16.0
_FONT = "-apple-system,'Segoe UI',Helvetica,Arial,sans-serif"
GREY = "#6e7781"
_ARROWHEAD = (
    '<defs><marker id="knit-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    f'<path d="M0 0L8 4L0 8z" fill="{GREY}"/></marker></defs>'
)


def svg(graph: Graph) -> str:
    """Return the picture."""
    places, ways = laid_out(graph)
    frame = _frame(places, ways)
    head = _open(
        "svg", xmlns="http://www.w3.org/2000/svg", viewBox=" ".join(f"{each:.0f}" for each in frame),
        width=frame[2], height=frame[3], style="max-width:100%;height:auto", font_family=_FONT, font_size=11,
        role="img",
    )  # fmt: skip
    title = _element("title", f"Graph of {len(graph)} cards around {graph.root}")
    cards = (part for node in graph.nodes for part in _card(node, places[node.id]))
    return "".join([head, title, _ARROWHEAD, *_arrows(ways), *cards, *_labels(graph, ways), "</svg>"])


def _frame(places: Mapping[str, Box], ways: Ways) -> tuple[float, float, float, float]:
    """Return left, top, width and height of all cards and arrows with a margin."""
    if not places:
        return (0, 0, 1, 1)
    xs = [x for way in ways.values() for x, _ in way]
    xs += [box.x + sign * box.width / 2 for box in places.values() for sign in (-1, 1)]
    ys = [box.y + sign * box.height / 2 for box in places.values() for sign in (-1, 1)]
    left, top = min(xs) - _MARGIN, min(ys) - _MARGIN
    return left, top, max(xs) + _MARGIN - left, max(ys) + _MARGIN - top


def _arrows(ways: Ways) -> Iterator[str]:
    for way in ways.values():
        drawn = f"M{way[0][0]:.0f} {way[0][1]:.0f}"
        for (x1, y1), (x2, y2) in itertools.pairwise(way):
            middle = (y1 + y2) / 2
            drawn += f"C{x1:.0f} {middle:.0f} {x2:.0f} {middle:.0f} {x2:.0f} {y2:.0f}"
        yield _element("path", d=drawn, fill="none", stroke=GREY, stroke_width=1.2, marker_end="url(#knit-arrow)")


def _labels(graph: Graph, ways: Ways) -> Iterator[str]:
    """Write what arrows say near the card that has the fewer of them, so that they do not lie on each other."""
    told: dict[tuple[str, str], list[str]] = {}
    for edge in graph.edges:
        words = edge.label + (f" ×{edge.count}" if edge.count > 1 else "")
        if words and (edge.source, edge.target) in ways:
            told.setdefault((edge.source, edge.target), []).append(words)
    for (source, target), labels in told.items():
        way = ways[source, target]
        at_target = len(graph.up.get(target, ())) < len(graph.down.get(source, ()))
        (x1, y1), (x2, y2) = (way[-1], way[-2]) if at_target else (way[0], way[1])
        share = 0.35
        x, y, written = x1 + (x2 - x1) * share**2, y1 + (y2 - y1) * share, cut(", ".join(labels))
        width = 5.2 * len(written) + 4  # pixels of so many characters of 9 px
        yield _element("rect", x=x - width / 2, y=y - 7, width=width, height=13, rx=3, fill="#fff", fill_opacity=0.9)
        yield _element("text", written, x=x, y=y + 3, text_anchor="middle", font_size=9, fill="#424a53")


def _card(node: Node, box: Box) -> Iterator[str]:
    x, y, width, height = box.x - box.width / 2, box.y - box.height / 2, box.width, box.height
    hue = HUES[node.kind]
    yield "<g>" + _element("title", " ".join([node.title, *node.lines]))
    if node.is_group:  # a second sheet behind the first
        yield _element("rect", x=x + 4, y=y + 4, width=width, height=height, rx=5, fill="#fff", stroke=hue)
    yield _element(
        "rect", x=x, y=y, width=width, height=height, rx=5, stroke=hue,
        fill=ROOT_FILL if node.is_root else "#fff", stroke_width=2.4 if node.is_root else 1.2,
    )  # fmt: skip
    yield _element("rect", x=x, y=y, width=5, height=height, rx=2, fill=hue)
    yield _element("text", node.title, x=x + 12, y=y + 16, font_weight="bold", fill="#1f2328")
    colour = "#57606a" if len(node.statuses) > 1 else COLOURS.get(node.status, "#57606a")
    yield _element("text", statuses(node), x=x + width - 8, y=y + 16, text_anchor="end", fill=colour)
    for at, line in enumerate(lines_of(node)):
        yield _element("text", line, x=x + 12, y=y + 32 + 15 * at, fill="#424a53")
    if node.more_up:
        yield _element("text", f"▴ {node.more_up}", x=box.x, y=y - 4, text_anchor="middle", font_size=9, fill=GREY)
    if node.more_down:
        below = y + height + 11
        yield _element("text", f"▾ {node.more_down}", x=box.x, y=below, text_anchor="middle", font_size=9, fill=GREY)
    yield "</g>"


def _element(tag: str, text: str | None = None, /, **attributes: str | float) -> str:
    opened = _open(tag, **attributes)
    return f"{opened[:-1]}/>" if text is None else f"{opened}{escape(text)}</{tag}>"


def _open(tag: str, /, **attributes: str | float) -> str:
    written = (
        f' {name if name == "viewBox" else name.replace("_", "-")}="{escape(_number(value))}"'
        for name, value in attributes.items()
    )
    return f"<{tag}{''.join(written)}>"


def _number(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
