"""Exploring a graph: cards on a canvas, the details of the one that is chosen beside it, all of it live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import ipywidgets as widgets

from knit_lab.components import parts
from knit_lab.components.beside import Once, Worker
from knit_lab.components.cytoscape import Canvas
from knit_lab.components.details import Details
from knit_lab.graph import drawing, elements, picture
from knit_lab.graph.exploring import BUDGET, MOST, Explored, taken_out
from knit_lab.graph.layout import statuses
from knit_lab.graph.model import Graph, Kind, Node
from knit_lab.graph.views import GraphView, LineageView
from knit_lab.session import Session
from knit_server.client.streams import Event
from knit_server.domain.errors import InvalidInput, KnitError, NotFound
from knit_server.domain.runs import Status

REPAINT, REFETCH = 0.25, 2.0
"""Seconds between two repaintings of statuses, and between two questions for a graph that grows."""
STRANGERS = 8
"""New Runs that are looked at one by one, whether they belong to the graph; for more it is fetched anew."""
TALL = 980


class Explorer(widgets.VBox):  # type: ignore[misc]
    """A plan graph or a lineage, to be clicked through. `close` ends its following of changes."""

    _is_open = False

    def __init__(self, session: Session, view: GraphView, *, height: str = "560px") -> None:
        """`height` is that of the canvas, in pixels."""
        self._session, self._view = session, view
        self._height = int(height.removesuffix("px"))
        self._cards = view.cards
        self._apart: set[str] = set()
        self._selected: str | None = self._cards.root
        self._explored = Explored.start(self._cards)
        self._hits: list[str] = []
        self._news: dict[str, str] = {}
        self._worker = Worker()
        self._repaint, self._refetch = Once(self._paint, REPAINT), Once(self._fetch, REFETCH)
        self._said, self._count = parts.Said(), widgets.HTML()
        self._canvas = Canvas(self.click, self._height)
        self._details = Details(
            session, self._height, around=self.around, take_out=self.take_out, put_back=self.put_back
        )  # fmt: skip
        self._make_controls()
        super().__init__([*self._toolbars(), self._body(), parts.row(self._count, self._said)])
        self.add_class("knit-explorer")
        self._is_open = True
        self._restart()
        self._leave = session.changes.listen(self.changed)

    @property
    def explored(self) -> Explored:
        """What is shown of the graph."""
        return self._explored

    @property
    def selected(self) -> str | None:
        """The card whose details are shown."""
        return self._selected

    async def idle(self) -> None:
        """Wait until nothing is under way any more."""
        await self._worker.idle()
        await self._details.idle()

    # --- what people do -----------------------------------------------------------------------------------------------

    def click(self, node_id: str | None) -> None:
        """Show the details of a card."""
        self._selected = node_id
        self._canvas.select(node_id)
        self._list()
        self._show_details()

    def search(self, words: str) -> None:
        """Find the cards that hold all of `words`, shown or not, and go to the first; "" forgets the search."""
        self._hits = Explored(self._cards, frozenset()).found(words)
        if self._hits:
            self.next_hit()
        elif words.strip():
            advice = "Search for parts of tags, ids, images or statuses."
            self._said.bad(NotFound(f"no card holds {words!r}", advice=advice))
        else:
            self._said.clear()

    def next_hit(self) -> None:
        """Show and choose the next card that the search has found."""
        if not self._hits:
            return
        found = self._hits.pop(0)
        self._hits.append(found)
        if self._by_plan.value and found in self._cards:
            self._apart.add(found)
            self._explored = self._explored.of(self._graph())
        self._explored = self._explored.reveal(found)
        self._selected = found
        self._draw()
        self._said.good(
            f"{len(self._hits)} cards hold {self._search.value!r}; this is {self._cards.by_id[found].title}"
        )

    def unfold(self, way: str) -> None:
        """Show or hide what the chosen card comes from or goes to: up, down, without_up or without_down."""
        if self._selected is not None:
            before = len(self._explored.shown)
            self._explored = getattr(self._explored, way)(self._selected)
            self._draw()
            if way in ("up", "down") and len(self._explored.shown) == before:
                self._said.note("There is no more to show there." if before < MOST else _FULL)

    def everything(self) -> None:
        """Show as many cards as can be shown at all."""
        self._explored = self._explored.everything()
        self._draw()

    def take_out(self, name: str) -> None:
        """Show some members of a group alone; those that failed or go on come first."""
        group = self._explored.graph.by_id.get(name)
        if group is None or not group.is_group:
            return
        out = taken_out(group, self._cards)
        self._apart.update(out)
        graph = self._graph()
        self._explored = self._explored.of(graph).joined(out)
        self._selected = name if name in graph else out[0]
        self._draw()

    def put_back(self, name: str) -> None:
        """Draw all members of a group together again."""
        whole = elements.condensed(self._cards, self._view.outline).by_id if isinstance(self._view, LineageView) else {}
        if name in whole:
            self._apart.difference_update(whole[name].members)
            self._explored = self._explored.of(self._graph()).reveal(name)
            self._selected = name
            self._draw()

    def around(self, knit_id: str) -> None:
        """Draw the lineage of another Data in place of what is drawn."""
        self._replace(lambda: LineageView(self._session, knit_id))

    def save(self, kind: str) -> None:
        """Offer the graph as a file: what is shown as svg; all of it as png or dot."""
        self._said.busy(f"Drawing {kind.upper()} …")
        self._worker.do(partial(self._file, kind), self._offer, self._said.bad)

    # --- what happens -------------------------------------------------------------------------------------------------

    def changed(self, events: Sequence[Event]) -> None:
        """Take changes: statuses from the events themselves; only a graph that may have grown is fetched anew."""
        strangers = []
        for event in events:
            if event.kind in ("open", "lost"):
                continue
            if event.kind == "run" and isinstance(self._view, LineageView):
                run_id, told = str(event.data.get("runId")), str(event.data.get("status", ""))
                if run_id not in self._cards:
                    strangers.append(run_id)
                elif told == Status.INVALIDATED.value:
                    self._refetch.ask()
                elif told:
                    self._learn(run_id, told)
            elif event.kind == "reset" or self._is_about_us(event):
                self._refetch.ask()
        if self._news:
            self._repaint.ask()
        if strangers:
            self._meet(list(dict.fromkeys(strangers)))

    def close(self) -> None:
        """Follow changes no more, and take the widget with all its cards from the page and from the kernel."""
        if self._is_open:  # ipywidgets closes what was never made, too
            self._is_open = False
            self._leave()
            self._repaint.drop()
            self._refetch.drop()
            self._worker.close()
            self._details.close()
            self._canvas.close()
        super().close()

    def _is_about_us(self, event: Event) -> bool:
        """Whether an event tells more than a status: tags, or Plans."""
        if isinstance(self._view, LineageView):
            is_old = event.data.get("change") in ("made", "settled")  # its Run has told that
            return event.kind == "data" and not is_old and str(event.data.get("knitId")) in self._cards
        return event.kind == "plan"

    def _learn(self, run_id: str, status: str) -> None:
        self._news[run_id] = status
        for made in self._cards.down.get(run_id, ()):
            self._news[made] = elements.state_of(status)

    def _meet(self, run_ids: list[str]) -> None:
        """Look whether new Runs take Data of this graph; then it has grown."""
        client = self._session.client

        def belong() -> bool:
            runs = [client.show_run(run_id) for run_id in run_ids]
            return any(each["knitId"] in self._cards for run in runs for each in run["inputs"])

        if len(run_ids) > STRANGERS:
            self._refetch.ask()
        else:
            self._worker.do(belong, lambda ours: self._refetch.ask() if ours else None, self._missed)

    def _missed(self, err: KnitError) -> None:
        if not isinstance(err, NotFound):  # a Run that is gone already
            self._said.bad(err)

    def _paint(self) -> None:
        """Show the statuses that events have told, without asking anybody."""
        news, self._news = {each: told for each, told in self._news.items() if each in self._cards}, {}
        before = {each: self._cards.by_id[each].status for each in news}
        self._explored = self._explored.of(self._explored.graph.with_statuses(news, before))
        self._cards = self._cards.with_statuses(news, before)
        for node in self._explored.view.nodes:
            self._canvas.update(node)
        chosen = self._node()
        if chosen is not None and not news.keys().isdisjoint(chosen.members):
            self._show_details()

    def _fetch(self) -> None:
        self._worker.do(self._view.again, self._take, self._said.bad)

    def _take(self, view: GraphView) -> None:
        """Show the graph as it is now: what is shown stays, what is new beside it appears."""
        before = self._explored.view
        known = self._explored.graph.by_id.keys()
        self._view, self._cards = view, view.cards
        graph = self._graph()
        fresh = [node.id for node in graph.nodes if node.id not in known]
        self._explored = self._explored.of(graph).joined(fresh)
        after = self._explored.view
        if before.by_id.keys() == after.by_id.keys() and before.edges == after.edges:
            for node in after.nodes:
                self._canvas.update(node)
            self._show_details()
            self._tell_count()
        else:
            self._draw()

    def _replace(self, ask: Callable[[], GraphView]) -> None:
        def drawn(view: GraphView) -> None:
            self._said.clear()
            self._view, self._cards, self._selected = view, view.cards, view.cards.root
            self._restart()

        self._said.busy("Following the graph …")
        self._worker.do(ask, drawn, self._said.bad)

    def _graph(self) -> Graph:
        if self._by_plan.value and isinstance(self._view, LineageView):
            return elements.condensed(self._cards, self._view.outline, self._apart)
        return self._cards

    def _restart(self) -> None:
        self._apart.clear()
        self._explored = Explored.start(self._graph())
        self._draw(anew=True)

    def _draw(self, *, anew: bool = False) -> None:
        view = self._explored.view
        if self._selected is None or self._selected not in view:
            self._selected = view.root
        self._canvas.show(view, self._selected, anew=anew)
        self._list()
        self._tell_count()
        self._show_details()

    def _node(self) -> Node | None:
        return None if self._selected is None else self._explored.view.by_id.get(self._selected)

    def _show_details(self) -> None:
        self._details.show(self._node())

    def _tell_count(self) -> None:
        kinds = [node.kind for node in self._cards.nodes]
        names = {Kind.PLAN: "Plans", Kind.RUN: "Runs", Kind.DATA: "Data"}
        all_ = ", ".join(f"{kinds.count(kind)} {name}" for kind, name in names.items() if kind in kinds)
        shown = f"{len(self._explored.shown)} of {len(self._explored.graph)} cards are shown; {all_}"
        self._count.value = f'<span role="status" style="color:{parts.FAINT}">{shown}</span>'

    def _list(self) -> None:
        """Let the list name what is shown, for who goes through cards by keys."""
        options = [(_line(node), node.id) for node in self._explored.view.nodes]
        self._quiet = True
        try:
            if list(self._names.options) != options:
                self._names.options = options
            self._names.value = self._selected if any(each == self._selected for _, each in options) else None
        finally:
            self._quiet = False

    def _pick(self, node_id: str | None) -> None:
        if not self._quiet and node_id is not None:
            self.click(node_id)
            self._canvas.centre()

    def _file(self, kind: str) -> tuple[str, bytes, str]:
        if kind == "svg":
            return "knit-graph.svg", picture.svg(self._explored.view).encode(), "image/svg+xml"
        if kind == "dot":
            return "knit-graph.dot", self._view.dot.encode("utf-8", "backslashreplace"), "text/vnd.graphviz"
        if len(self._cards) > 4 * MOST:
            raise InvalidInput(
                f"a picture of {len(self._cards)} cards would not be readable",
                advice="Save what is shown as SVG, or all of it as DOT.",
            )
        return "knit-graph.png", drawing.png(self._view.dot), "image/png"

    def _offer(self, file: tuple[str, bytes, str]) -> None:
        self._said.value = parts.download(*file)

    # --- how it looks -------------------------------------------------------------------------------------------------

    def _make_controls(self) -> None:
        is_lineage = isinstance(self._view, LineageView)
        self._quiet = False
        self._by_plan = _toggle(
            "By Plan", "Draw the Runs of each Plan together", is_lineage and len(self._cards) > BUDGET
        )
        self._by_plan.disabled = not is_lineage
        self._whole = _toggle("Whole", "Follow every arrow both ways, also to siblings", self._view.is_whole)
        self._tall = _toggle("Tall", "A higher canvas", False)
        self._search = widgets.Text(
            placeholder="Search: tags, ids, images, statuses", continuous_update=False,
            layout=widgets.Layout(width="230px", margin="2px"),
        )  # fmt: skip
        self._names = widgets.Dropdown(layout=widgets.Layout(width="230px", margin="2px"), tooltip="Cards, by keys")
        self._by_plan.observe(lambda _: self._restart(), "value")
        self._whole.observe(lambda change: self._replace(lambda: self._view.wholly(change["new"])), "value")
        self._tall.observe(lambda change: self._resize(TALL if change["new"] else self._height), "value")
        self._search.observe(lambda change: self.search(str(change["new"])), "value")
        self._names.observe(lambda change: self._pick(change["new"]), "value")

    def _toolbars(self) -> tuple[Any, Any]:
        unfold = (
            parts.button(text, partial(self.unfold, way), tooltip)
            for text, way, tooltip in (
                ("▴ more", "up", "Show more of what the chosen card comes from"),
                ("▴ less", "without_up", "Hide what the chosen card comes from"),
                ("▾ more", "down", "Show more of what comes from the chosen card"),
                ("▾ less", "without_down", "Hide what comes from the chosen card"),
            )
        )
        look = (
            parts.button("+", partial(self._canvas.zoom_by, 1.25), "Larger"),
            parts.button("−", partial(self._canvas.zoom_by, 0.8), "Smaller"),
            parts.button("Fit", self._canvas.fit, "Show all cards, however small"),
            parts.button("Centre", self._canvas.centre, "Go to the chosen card"),
        )
        files = (
            parts.button(kind.upper(), partial(self.save, kind), f"Save as {kind.upper()}")
            for kind in ("svg", "png", "dot")
        )
        return (
            parts.row(self._names, *unfold, parts.button("All", self.everything, "Show as much as can be shown"),
                      self._by_plan, self._whole),
            parts.row(self._search, parts.button("Next", self.next_hit, "Go to the next card that was found"), *look,
                      self._tall, *files),
        )  # fmt: skip

    def _resize(self, height: int) -> None:
        self._canvas.resize(height)
        self._details.layout.height = f"{height}px"
        self._canvas.centre()

    def _body(self) -> Any:
        self._canvas.layout.flex = "1 1 60%"
        self._details.layout.flex = "0 0 40%"
        return widgets.HBox([self._canvas, self._details], layout=widgets.Layout(width="100%", border=parts.BORDER))

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Return the widget, with the picture for pages that have no kernel."""
        bundle = super()._repr_mimebundle_(**kwargs)
        forms = bundle[0] if isinstance(bundle, tuple) else bundle
        return {**forms, "image/svg+xml": picture.svg(self._explored.view), "text/plain": self._view.as_text()}


_FULL = f"No more than {MOST} cards are shown at once; hide some first."


def _line(node: Node) -> str:
    return parts.one_line(" ".join([node.title, statuses(node), *node.lines[:1]]))


def _toggle(text: str, tooltip: str, value: bool) -> Any:
    layout = widgets.Layout(width="auto", margin="2px")
    return widgets.ToggleButton(value=value, description=text, tooltip=tooltip, layout=layout)
