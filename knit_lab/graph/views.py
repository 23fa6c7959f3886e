"""A lineage and a plan graph as a notebook holds them: a tree, a picture, DOT, and a widget to explore it."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from knit_lab.display.shown import Shown
from knit_lab.graph import drawing, picture, plans
from knit_lab.graph.elements import condensed, in_full, of_lineage, of_plan_graph
from knit_lab.graph.exploring import BUDGET, Explored
from knit_lab.graph.layout import statuses
from knit_lab.graph.model import Graph
from knit_server.client.api import Depth
from knit_server.domain.errors import InvalidInput, Unsupported
from knit_server.wire import dot, shapes, text

if TYPE_CHECKING:
    from knit_lab.session import Session

MOST_LINES = 400
"""Cards of which a tree can still be read."""


class GraphView(Shown):
    """What both graphs can do."""

    _session: Session
    is_whole: bool

    @property
    def dot(self) -> str:
        """The graph in the language of Graphviz, as `knit` writes it."""
        raise NotImplementedError

    @property
    def cards(self) -> Graph:
        """All of the graph as cards and arrows."""
        raise NotImplementedError

    @property
    def overview(self) -> Graph:
        """The graph as it is shown at first: at most `BUDGET` cards, drawn together by Plan where there are more."""
        return Explored.start(self.cards).view

    def as_svg(self) -> str:
        """Return the picture of the overview."""
        return picture.svg(self.overview)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the graph to `path`: `.dot`, `.svg` or `.png` (the last needs Graphviz). Raises `KnitError`."""
        place = Path(path)
        if place.suffix == ".dot":
            place.write_text(self.dot, encoding="utf-8")
        elif place.suffix == ".svg":
            place.write_text(self.as_svg(), encoding="utf-8")
        elif place.suffix == ".png":
            place.write_bytes(drawing.png(self.dot))
        else:
            raise InvalidInput(f"no format is known for {place.name}", advice="End it with .svg, .png or .dot")
        return place

    def again(self) -> Self:
        """Return the graph as it is now, around the same root."""
        raise NotImplementedError

    def wholly(self, whole: bool = True) -> Self:
        """Return all that hangs together with the root, or with False what lies straight above and below it."""
        raise NotImplementedError

    def explore(self, *, height: str = "560px") -> Any:
        """Return the widget in which cards are clicked and unfolded. Raises `Unsupported` without ipywidgets."""
        try:
            from knit_lab.components.explorer import Explorer
        except ImportError as err:
            advice = 'Install them: pip install "knit-platform[lab]"'
            raise Unsupported(f"the graph widgets are not installed: {err}", advice=advice) from err
        return Explorer(self._session, self, height=height)


class LineageView(GraphView):
    """What made a Data, and what was made from it. `outline` is what the server told."""

    def __init__(
        self, session: Session, root: str, upstream: Depth = "all", downstream: Depth = "all", *, whole: bool = False
    ) -> None:
        """Follow the Data `root` so many steps; `whole`: every arrow both ways, to all that hangs together with it.

        Asks the server. Raises `KnitError`, `NotFound` if there is no such Data.
        """
        self._session = session
        self._asked = (upstream, downstream)
        self.is_whole = whole
        self.outline = session.client.data_outline(root, upstream=upstream, downstream=downstream, whole=whole)

    def again(self) -> Self:
        """Return the lineage as it is now, of the same Data and as deep."""
        return type(self)(self._session, self.outline["root"], *self._asked, whole=self.is_whole)

    def wholly(self, whole: bool = True) -> Self:
        """Return all that hangs together with the Data, or with False what made it and was made from it."""
        return type(self)(self._session, self.outline["root"], *self._asked, whole=whole)

    @cached_property
    def graph(self) -> shapes.Lineage:
        """The API's answer in full; asked for when it is first needed. Without siblings, even if the view has them."""
        upstream, downstream = self._asked
        return self._session.client.data_lineage(self.outline["root"], upstream=upstream, downstream=downstream)

    @property
    def dot(self) -> str:
        """The graph in the language of Graphviz, as `knit data lineage` writes it."""
        return dot.lineage(in_full(self.outline))

    @cached_property
    def cards(self) -> Graph:
        """All Data and Runs as cards."""
        return of_lineage(self.outline)

    @property
    def overview(self) -> Graph:
        """All cards if they are few, else Runs and Data drawn together by Plan."""
        cards = self.cards
        return cards if len(cards) <= BUDGET else Explored.start(condensed(cards, self.outline)).view

    def as_text(self) -> str:
        """Return a tree; of a graph that is too large for one, what it holds by Plan."""
        if len(self.cards) <= MOST_LINES:
            return text.lineage(in_full(self.outline))
        counted = [f"{len(self.outline['runs'])} Runs and {len(self.outline['data'])} Data around {self.cards.root}"]
        counted += [" ".join([node.title, *node.lines, statuses(node)]) for node in self.overview.nodes]
        return "\n".join("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
                         for line in counted)  # fmt: skip


class PlanGraphView(GraphView):
    """Which Plans can feed a Plan, and which it can feed. `graph` is the API's answer."""

    def __init__(
        self, session: Session, graph: shapes.PlanGraph, upstream: Depth = "all", downstream: Depth = "all",
        *, whole: bool = False,
    ) -> None:  # fmt: skip
        self._session = session
        self.graph = graph
        self._depths = (upstream, downstream)
        self.is_whole = whole

    def again(self) -> Self:
        """Return the plan graph as it is now, of the same Plan and as deep."""
        return self.wholly(self.is_whole)

    def wholly(self, whole: bool = True) -> Self:
        """Return all Plans that hang together with the Plan, or with False those that it is fed by and feeds."""
        upstream, downstream = self._depths
        root, client = self.graph["root"], self._session.client
        if whole:
            found = plans.component(root, client.find_plans())
        else:
            found = client.plan_graph(root, upstream=upstream, downstream=downstream)
        return type(self)(self._session, found, upstream, downstream, whole=whole)

    @property
    def dot(self) -> str:
        """The graph in the language of Graphviz, as `knit plan graph` writes it."""
        return dot.plan_graph(self.graph)

    @cached_property
    def cards(self) -> Graph:
        """All Plans as cards."""
        return of_plan_graph(self.graph)

    def as_text(self) -> str:
        """Return a tree."""
        return text.plan_graph(self.graph)
