"""The one door to ipycytoscape: a canvas that shows a graph of cards, tells clicks and recolours cards.

What is known of ipycytoscape 1.3.3 and obeyed here: all handlers are set before it is displayed; cards are never
removed, another graph is another widget; elements are made in one go, since each is a message; `data` and `classes`
are replaced, never changed in place; edges have ids. It lays nothing out: places come from `graph.layout`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipycytoscape
import ipywidgets as widgets

from knit_lab.display.html import COLOURS
from knit_lab.graph.layout import Box, laid_out, lines_of
from knit_lab.graph.model import Edge, Graph, Node
from knit_lab.graph.picture import GREY, HUES, ROOT_FILL, statuses

MOST = 300
"""Cards with arrows that a canvas bears; each of them is a widget of its own (measured: 300 in about 3.5 s)."""


class Canvas(widgets.Box):  # type: ignore[misc]
    """Shows one graph after another."""

    def __init__(self, clicked: Callable[[str | None], None], height: str = "460px") -> None:
        """`clicked` is told the id of the card that was clicked, None for the background."""
        super().__init__(layout=widgets.Layout(width="100%", height=height, overflow="hidden"))
        self.add_class("knit-canvas")
        self._clicked = clicked
        self._height = height
        self._cards: dict[str, Any] = {}
        self._classes: dict[str, str] = {}
        self._selected: str | None = None

    def show(self, graph: Graph, selected: str | None = None) -> None:
        """Show `graph` in place of what is shown."""
        before: tuple[Any, ...] = tuple(self.children)  # type: ignore[has-type]
        places = laid_out(graph).boxes
        self._classes = {node.id: classes(node) for node in graph.nodes}
        self._selected = selected
        self._cards = {node.id: self._card(node, places[node.id]) for node in graph.nodes}
        drawn = ipycytoscape.Graph()
        with drawn.hold_sync():
            drawn.add_nodes(list(self._cards.values()))
            drawn.add_edges([_arrow(edge) for edge in graph.edges], directed=True)
        canvas = ipycytoscape.CytoscapeWidget(
            drawn, cytoscape_layout={"name": "preset", "padding": 12}, cytoscape_style=STYLE, min_zoom=0.1, max_zoom=3,
            layout=widgets.Layout(width="100%", height=self._height),
        )  # fmt: skip
        canvas.on("node", "click", self._click)
        self.children = [canvas]
        _close(before)

    def select(self, node_id: str | None) -> None:
        """Mark a card as the one whose details are shown."""
        before, self._selected = self._selected, node_id
        for each in {before, node_id} - {None}:
            self._dress(str(each))

    def update(self, node: Node) -> None:
        """Show a card's new words and statuses, if it is on the screen."""
        card = self._cards.get(node.id)
        if card is None:
            return
        self._classes[node.id] = classes(node)
        card.data = {**card.data, "label": label(node)}
        self._dress(node.id)

    def _dress(self, node_id: str) -> None:
        if (card := self._cards.get(node_id)) is not None:
            card.classes = self._classes[node_id] + (" selected-card" if node_id == self._selected else "")

    def _card(self, node: Node, box: Box) -> Any:
        chosen = " selected-card" if node.id == self._selected else ""
        return ipycytoscape.Node(
            data={"id": node.id, "label": label(node), "w": box.width, "h": box.height},
            position={"x": box.x, "y": box.y}, classes=self._classes[node.id] + chosen, grabbable=False,
        )  # fmt: skip

    def _click(self, event: Mapping[str, Any]) -> None:
        data = event.get("data") if isinstance(event, Mapping) else None
        self._clicked(str(data["id"]) if isinstance(data, Mapping) and "id" in data else None)


def label(node: Node) -> str:
    """Return the words on a card; a canvas draws them as text, so nothing in them can act."""
    more = [f"▴ {node.more_up} above"] * bool(node.more_up) + [f"▾ {node.more_down} below"] * bool(node.more_down)
    return "\n".join([f"{node.title}   {statuses(node)}", *lines_of(node), *(["   ".join(more)] if more else [])])


def classes(node: Node) -> str:
    """Return the classes by which a card is styled: its kind, its status, and whether it is the root."""
    return " ".join([f"kind-{node.kind.value}", f"status-{node.status}", *(["root-card"] if node.is_root else [])])


def _arrow(edge: Edge) -> Any:
    told = edge.label + (f" ×{edge.count}" if edge.count > 1 else "")
    return ipycytoscape.Edge(data={"id": edge.id, "source": edge.source, "target": edge.target, "label": told})


def _close(old: tuple[Any, ...]) -> None:
    """Close replaced canvases with all their elements: each would stay in the kernel."""
    for canvas in old:
        for element in [*canvas.graph.nodes, *canvas.graph.edges]:
            element.close()
        canvas.graph.close()
        canvas.close()


STYLE: list[dict[str, Any]] = [
    {
        "selector": "node",
        "style": {
            "shape": "round-rectangle", "width": "data(w)", "height": "data(h)", "background-color": "#ffffff",
            "border-width": 1.5, "border-color": GREY, "label": "data(label)", "color": "#1f2328", "font-size": 11,
            "text-valign": "center", "text-halign": "center", "text-wrap": "wrap", "text-max-width": "data(w)",
            "text-justification": "left", "line-height": 1.25,
        },
    },
    {
        "selector": "edge",
        "style": {
            "width": 1.3, "line-color": "#8c959f", "target-arrow-color": "#8c959f", "target-arrow-shape": "triangle",
            "curve-style": "bezier", "label": "data(label)", "font-size": 9, "color": "#57606a",
            "text-background-color": "#ffffff", "text-background-opacity": 0.85, "text-background-padding": "2px",
        },
    },
    *({"selector": f".kind-{kind.value}", "style": {"border-color": hue}} for kind, hue in HUES.items()),
    {"selector": ".kind-data-group, .kind-run-group", "style": {"border-style": "double", "border-width": 5}},
    *(
        {"selector": f".status-{word}", "style": {"background-color": colour}}
        for word, colour in {
            "failed": "#ffebe9", "aborting": "#ffebe9", "running": "#ddf4ff", "starting": "#ddf4ff",
            "completing": "#ddf4ff", "processing": "#ddf4ff", "waiting": "#f6f8fa", "ready": "#fff8c5",
            "deactivated": "#eaeef2", "inactive": "#eaeef2",
        }.items()
    ),
    {"selector": ".root-card", "style": {"background-color": ROOT_FILL, "border-width": 3}},
    {"selector": ".selected-card", "style": {"border-color": COLOURS["running"], "border-width": 4}},
]  # fmt: skip
"""How cards and arrows look: hues of kinds as in the picture, a tint for each status, whose word the card bears too."""
