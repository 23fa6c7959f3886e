"""Exploring a graph: cards on a canvas, the details of the one that is clicked beside it, all of it live."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import ipywidgets as widgets

from knit_lab.components import parts
from knit_lab.components.cytoscape import Canvas
from knit_lab.components.details import Details
from knit_lab.graph import drawing, elements, picture
from knit_lab.graph.exploring import BUDGET, Explored
from knit_lab.graph.model import Graph
from knit_lab.graph.views import GraphView, LineageView
from knit_lab.session import Session
from knit_server.client.streams import Event
from knit_server.domain.errors import KnitError, NotFound


class Explorer(widgets.VBox):  # type: ignore[misc]
    """A plan graph or a lineage, to be clicked through. `close` ends its following of changes."""

    def __init__(self, session: Session, view: GraphView, *, height: str = "460px") -> None:
        self._session = session
        self._view = view
        self._cards = view.cards
        self._selected: str | None = self._cards.root
        self._explored = Explored.start(self._cards)
        self._said = parts.Said()
        self._canvas = Canvas(self.click, height)
        self._details = Details(session, height)
        self._by_plan = widgets.ToggleButton(
            value=isinstance(view, LineageView) and len(self._cards) > BUDGET, description="By Plan",
            tooltip="Draw the Runs of each Plan together", layout=widgets.Layout(width="auto"),
            disabled=not isinstance(view, LineageView),
        )  # fmt: skip
        self._search = widgets.Text(
            placeholder="Search: tags, ids, images, statuses", continuous_update=False,
            layout=widgets.Layout(width="240px"),
        )  # fmt: skip
        self._by_plan.observe(lambda _: self._restart(), "value")
        self._search.observe(lambda change: self.search(str(change["new"])), "value")
        super().__init__([self._toolbar(), self._body(), self._said])
        self.add_class("knit-explorer")
        self._restart()
        self._leave = session.changes.listen(self.changed)

    @property
    def explored(self) -> Explored:
        """What is shown of the graph."""
        return self._explored

    # --- what people do -----------------------------------------------------------------------------------------------

    def click(self, node_id: str | None) -> None:
        """Show the details of a card."""
        self._selected = node_id
        self._canvas.select(node_id)
        self._show_details()

    def search(self, words: str) -> None:
        """Show and choose the first card that holds all of `words`; say how many do."""
        found = self._explored.found(words)
        if not found:
            self._said.clear() if not words.strip() else self._said.bad(
                NotFound(f"no card holds {words!r}", advice="Search for parts of tags, ids, images or statuses.")
            )
            return
        self._explored = self._explored.reveal(found[0])
        self._selected = found[0]
        self._draw()
        self._said.good(f"{len(found)} cards hold {words!r}; this is the first")

    def unfold(self, way: str) -> None:
        """Show or hide what the chosen card comes from or goes to: up, down, without_up or without_down."""
        if self._selected is not None:
            self._explored = getattr(self._explored, way)(self._selected)
            self._draw()

    def everything(self) -> None:
        """Show all cards."""
        self._explored = self._explored.everything()
        self._draw()

    def save(self, kind: str) -> None:
        """Offer the graph as a file: svg, png or dot."""
        with self._said.doing(f"Drawing {kind} …"):
            if kind == "svg":
                content, mime = picture.svg(self._explored.view).encode(), "image/svg+xml"
            elif kind == "png":
                content, mime = drawing.png(self._view.dot), "image/png"
            else:
                content, mime = self._view.dot.encode(), "text/vnd.graphviz"
            self._said.value = parts.download(f"knit-graph.{kind}", content, mime)

    # --- what happens -------------------------------------------------------------------------------------------------

    def changed(self, events: Sequence[Event]) -> None:
        """Take changes: statuses at once; a graph that has grown is fetched anew."""
        ids = {str(event.data.get(name)) for event in events for name in ("runId", "knitId", "planId")}
        if any(event.kind == "reset" for event in events) or ids & self._cards.by_id.keys():
            try:
                self._refresh()
            except KnitError as err:
                self._said.bad(err)

    def close(self) -> None:
        """Follow changes no more, and take the widget from the page."""
        self._leave()
        super().close()

    def _refresh(self) -> None:
        """Fetch the graph again; cards that are shown stay, those that are new beside them appear."""
        before = self._cards
        self._view = self._view.again()
        self._cards = self._view.cards
        graph = self._graph()
        fresh = graph.by_id.keys() - self._explored.graph.by_id.keys()
        seen = self._explored.shown & graph.by_id.keys()
        beside = {each for each in fresh if seen & {*graph.up.get(each, ()), *graph.down.get(each, ())}}
        room = max(0, BUDGET * 2 - len(seen))
        self._explored = Explored(graph, frozenset(seen | set(sorted(beside)[:room]) | {graph.root}))
        if before.by_id.keys() == self._cards.by_id.keys() and not fresh:
            for node in self._explored.view.nodes:
                self._canvas.update(node)
            self._show_details()
        else:
            self._draw()

    def _graph(self) -> Graph:
        if self._by_plan.value and isinstance(self._view, LineageView):
            return elements.condensed(self._cards, self._view.graph)
        return self._cards

    def _restart(self) -> None:
        self._explored = Explored.start(self._graph())
        self._draw()

    def _draw(self) -> None:
        view = self._explored.view
        if self._selected is None or self._selected not in view:
            self._selected = view.root
        self._canvas.show(view, self._selected)
        self._show_details()

    def _show_details(self) -> None:
        node = None if self._selected is None else self._explored.view.by_id.get(self._selected)
        self._details.show(node)

    def _toolbar(self) -> Any:
        return parts.row(
            parts.button("▴ more", lambda: self.unfold("up"), "Show what the chosen card comes from"),
            parts.button("▴ less", lambda: self.unfold("without_up"), "Hide what the chosen card comes from"),
            parts.button("▾ more", lambda: self.unfold("down"), "Show what comes from the chosen card"),
            parts.button("▾ less", lambda: self.unfold("without_down"), "Hide what comes from the chosen card"),
            parts.button("All", self.everything, "Show all cards"),
            self._by_plan,
            self._search,
            *(
                parts.button(kind.upper(), partial(self.save, kind), f"Save as {kind.upper()}")
                for kind in ("svg", "png", "dot")
            ),
        )

    def _body(self) -> Any:
        self._canvas.layout.flex = "1 1 62%"
        self._details.layout.flex = "0 0 38%"
        return widgets.HBox([self._canvas, self._details], layout=widgets.Layout(width="100%", border=parts.BORDER))

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Return the widget, with the picture for pages that have no kernel."""
        bundle = super()._repr_mimebundle_(**kwargs)
        forms = bundle[0] if isinstance(bundle, tuple) else bundle
        return {**forms, "image/svg+xml": picture.svg(self._explored.view), "text/plain": self._view.as_text()}
