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
from knit_lab.graph.framing import READABLE, framed
from knit_lab.graph.layout import Box, cut, laid_out, lines_of, statuses
from knit_lab.graph.model import Graph, Node
from knit_lab.graph.picture import GREY, HUES, ROOT_FILL

WIDTH = 660.0
"""About as many pixels as a canvas is wide in a notebook; only the browser knows how many."""


class Canvas(widgets.Box):  # type: ignore[misc]
    """Shows one graph after another."""

    def __init__(self, clicked: Callable[[str | None], None], height: int = 560) -> None:
        """`clicked` is told the id of the card that was clicked, None for the background; `height` is in pixels."""
        super().__init__(layout=widgets.Layout(width="100%", height=f"{height}px", overflow="hidden", min_width="0"))
        self.add_class("knit-canvas")
        self._clicked = clicked
        self._height = height
        self._cards: dict[str, Any] = {}
        self._classes: dict[str, str] = {}
        self._boxes: dict[str, Box] = {}
        self._zoom = 0.0
        self._selected: str | None = None
        self._turns = 0

    @property
    def zoom(self) -> float:
        """The zoom that was asked for last; turns of a mouse wheel are not told."""
        return self._zoom

    def show(self, graph: Graph, selected: str | None = None, *, anew: bool = False) -> None:
        """Show `graph` in place of what is shown, around the card `selected`; `anew`: with a zoom that fits it."""
        before: tuple[Any, ...] = tuple(self.children)  # type: ignore[has-type]
        self._boxes = laid_out(graph).boxes
        self._classes = {node.id: classes(node) for node in graph.nodes}
        self._selected = selected
        self._cards = {node.id: self._card(node, self._boxes[node.id]) for node in graph.nodes}
        drawn = ipycytoscape.Graph()
        with drawn.hold_sync():
            drawn.add_nodes(list(self._cards.values()))
            drawn.add_edges([_arrow(source, target, words, graph) for (source, target), words in told(graph).items()],
                            directed=True)  # fmt: skip
        canvas = ipycytoscape.CytoscapeWidget(
            drawn, cytoscape_layout=self._framed(0.0 if anew else self._zoom), cytoscape_style=STYLE,
            min_zoom=0.1, max_zoom=3, layout=widgets.Layout(width="100%", height=f"{self._height}px"),
        )  # fmt: skip
        canvas.on("node", "click", self._click)
        self.children = [canvas]
        _close(before)

    def zoom_by(self, factor: float) -> None:
        """Draw larger or smaller, with the chosen card in the middle."""
        self._lay(self._framed(min(3.0, max(0.1, self._zoom * factor))))

    def fit(self) -> None:
        """Show all of the graph, however small."""
        self._lay({"name": "preset", "fit": True, "padding": 12})

    def centre(self) -> None:
        """Show the chosen card, readable."""
        self._lay(self._framed(max(self._zoom, READABLE)))

    def resize(self, height: int) -> None:
        """Become so many pixels high."""
        self._height = height
        self.layout.height = f"{height}px"
        for canvas in self.children:
            canvas.layout.height = f"{height}px"

    def close(self) -> None:
        """Take the canvas with all its elements from the page and from the kernel."""
        before, self.children = tuple(self.children), []
        _close(before)
        super().close()

    def _framed(self, zoom: float) -> dict[str, Any]:
        frame = framed(self._boxes, self._selected, WIDTH, self._height, zoom)
        self._zoom = frame.zoom
        return {"name": "preset", "fit": False, "zoom": frame.zoom, "pan": {"x": frame.x, "y": frame.y}}

    def _lay(self, layout: dict[str, Any]) -> None:
        self._turns += 1  # the same words again would change nothing
        for canvas in self.children:
            canvas.cytoscape_layout = {**layout, "turn": self._turns}

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
        if card.data["label"] != (words := label(node)):  # each change is a message
            card.data = {**card.data, "label": words}
        if self._classes[node.id] != (dressed := classes(node)):
            self._classes[node.id] = dressed
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
    lines = [f"{node.title}   {statuses(node)}", *lines_of(node), *(["   ".join(more)] if more else [])]
    return "\n".join("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
                     for line in lines)  # fmt: skip


def classes(node: Node) -> str:
    """Return the classes by which a card is styled: its kind, its status, and whether it is the root."""
    return " ".join([f"kind-{node.kind.value}", f"status-{node.status}", *(["root-card"] if node.is_root else [])])


def told(graph: Graph) -> dict[tuple[str, str], str]:
    """Return what the arrow between two cards says; those between the same two are one."""
    words: dict[tuple[str, str], list[str]] = {}
    for edge in graph.edges:
        words.setdefault((edge.source, edge.target), []).append(
            edge.label + (f" ×{edge.count}" if edge.count > 1 else "")
        )
    return {ends: cut(", ".join(dict.fromkeys(filter(None, each)))) for ends, each in words.items()}


def _arrow(source: str, target: str, words: str, graph: Graph) -> Any:
    """Draw an arrow; its words stand near the card that has the fewer of them, so that they lie apart."""
    at_target = len(graph.up.get(target, ())) <= len(graph.down.get(source, ()))
    return ipycytoscape.Edge(
        data={"id": f"{source}>{target}", "source": source, "target": target, "label": words},
        classes="told-at-target" if at_target else "told-at-source",
    )


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
            "curve-style": "bezier", "source-endpoint": "0 50%", "target-endpoint": "0 -50%",
            "font-size": 9, "color": "#424a53",
            "text-background-color": "#ffffff", "text-background-opacity": 0.9, "text-background-padding": "2px",
            "text-background-shape": "round-rectangle",
        },
    },
    {"selector": ".told-at-target", "style": {"target-label": "data(label)", "target-text-offset": 26}},
    {"selector": ".told-at-source", "style": {"source-label": "data(label)", "source-text-offset": 22}},
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
