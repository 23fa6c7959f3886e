"""A lineage and a plan graph as a notebook holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from knit_lab.display.shown import Shown
from knit_server.wire import dot, shapes, text

if TYPE_CHECKING:
    from knit_lab.session import Session


class LineageView(Shown):
    """What made a Data, and what was made from it."""

    def __init__(self, session: Session, graph: shapes.Lineage) -> None:
        self._session = session
        self.graph = graph

    @property
    def dot(self) -> str:
        """The graph in the language of Graphviz."""
        return dot.lineage(self.graph)

    def as_text(self) -> str:
        """Return a tree."""
        return text.lineage(self.graph)


class PlanGraphView(Shown):
    """Which Plans can feed a Plan, and which it can feed."""

    def __init__(self, session: Session, graph: shapes.PlanGraph) -> None:
        self._session = session
        self.graph = graph

    @property
    def dot(self) -> str:
        """The graph in the language of Graphviz."""
        return dot.plan_graph(self.graph)

    def as_text(self) -> str:
        """Return a tree."""
        return text.plan_graph(self.graph)
