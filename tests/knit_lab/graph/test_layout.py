"""Where cards lie, and which part of that a canvas shows."""

from __future__ import annotations

import itertools
import time
import xml.etree.ElementTree as ET

import pytest
from graphs import HOSTILE, fan, graphs
from hypothesis import given, settings
from hypothesis import strategies as st

from knit_lab.graph import elements, picture
from knit_lab.graph.framing import READABLE, framed
from knit_lab.graph.layout import Box, laid_out
from knit_lab.graph.model import Edge, Graph, Kind, Node


def overlap(one: Box, other: Box) -> bool:
    return (
        abs(one.x - other.x) * 2 < one.width + other.width - 0.01
        and abs(one.y - other.y) * 2 < one.height + other.height - 0.01
    )


@given(graphs())
def test_no_overlaps_and_arrows_down(graph: Graph) -> None:
    """No card lies on another, every arrow points down, and it begins and ends at its cards."""
    boxes, ways = laid_out(graph)
    assert boxes.keys() == graph.by_id.keys()
    assert not any(overlap(one, other) for one, other in itertools.combinations(boxes.values(), 2))
    for edge in graph.edges:
        way = ways[edge.source, edge.target]
        assert all(above[1] < below[1] for above, below in itertools.pairwise(way))
        assert way[0][0] == boxes[edge.source].x
        assert way[-1][0] == boxes[edge.target].x


def test_cycles_are_drawn_too() -> None:
    """A cycle, which Knit never makes, is cut somewhere, and nothing hangs."""
    nodes = tuple(Node(id=each, kind=Kind.PLAN, title=each) for each in "abc")
    edges = tuple(Edge(source=a, target=b) for a, b in ("ab", "bc", "ca"))
    assert laid_out(Graph("a", nodes, edges)).boxes.keys() == {"a", "b", "c"}


@given(graphs(), st.data())
def test_frame(graph: Graph, data: st.DataObject) -> None:
    """Words can be read; the card in question can be seen; a graph that fits is shown from end to end."""
    boxes = laid_out(graph).boxes
    chosen = data.draw(st.sampled_from(sorted(boxes)))
    frame = framed(boxes, chosen, 660, 560)
    assert frame.zoom >= READABLE - 1e-9
    x, y = frame.x + boxes[chosen].x * frame.zoom, frame.y + boxes[chosen].y * frame.zoom
    assert -1 <= x <= 661
    assert -1 <= y <= 561
    assert framed(boxes, chosen, 660, 560, 0.5).zoom == 0.5


def test_frame_of_nothing() -> None:
    """A canvas without cards has a frame too."""
    assert framed({}, None, 660, 560).zoom == 1.0


@settings(max_examples=30)
@given(graphs())
def test_picture_is_xml_and_holds_no_script(graph: Graph) -> None:
    """Whatever tags say, the picture is well-formed, and none of it becomes an element of a page."""
    drawn = ET.fromstring(picture.svg(graph))
    assert {each.tag.rsplit("}")[-1] for each in drawn.iter()} <= {
        "svg", "title", "defs", "marker", "path", "rect", "text", "g"
    }  # fmt: skip


def test_hostile_words() -> None:
    """Each hostile text is in the picture as a text."""
    nodes = tuple(Node(id=f"n{at}", kind=Kind.DATA, title="Data", lines=(text,)) for at, text in enumerate(HOSTILE))
    drawn = picture.svg(Graph("n0", nodes, ()))
    assert "<script" not in drawn
    assert "\x1b" not in drawn
    assert "&lt;script&gt;" in drawn


@pytest.mark.parametrize("count", [40, 10_000])
def test_drawn_together_is_fast_and_small(count: int) -> None:
    """Ten thousand Runs become a few cards, in less than a breath."""
    outline = fan(count)
    begun = time.process_time()
    cards = elements.of_lineage(outline)
    drawn = laid_out(elements.condensed(cards, outline))
    assert len(drawn.boxes) == 3
    assert time.process_time() - begun < 3
