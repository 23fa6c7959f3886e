"""Graphs: the lineage of a Data, and the Plans around a Plan."""

from __future__ import annotations

from tornado import web

from knit_server.handlers.base import KnitHandler
from knit_server.service import lineage
from knit_server.wire import codecs, requests, shapes


class _Graph(KnitHandler):
    def depths(self) -> tuple[int | None, int | None]:
        """Return how far to go upstream and downstream."""
        upstream, downstream = (requests.depth(name, self.one(name)) for name in ("upstream", "downstream"))
        return upstream, downstream


class DataLineage(_Graph):
    """/data/{knitId}/lineage"""

    @web.authenticated
    async def get(self, knit_id: str) -> None:
        """Follow a Data."""
        await self.reply(_lineage, lineage.data_lineage, knit_id, *self.depths())


class DataOutline(_Graph):
    """/data/{knitId}/lineage/outline"""

    @web.authenticated
    async def get(self, knit_id: str) -> None:
        """Follow a Data, or all that hangs together with it, and tell what a card shows."""
        whole = requests.boolean("whole", self.one("whole")) or False
        await self.reply(_outline, lineage.data_outline, knit_id, *self.depths(), whole=whole)


class PlanGraph(_Graph):
    """/plans/{planId}/graph"""

    @web.authenticated
    async def get(self, plan_id: str) -> None:
        """Follow a Plan."""
        await self.reply(_plan_graph, lineage.plan_graph, plan_id, *self.depths())


def _lineage(view: lineage.LineageView) -> shapes.Lineage:
    return codecs.lineage(view.graph, view.data, view.runs)


def _outline(view: lineage.LineageOutline) -> shapes.LineageOutline:
    return codecs.lineage_outline(view.graph, view.data, view.runs, view.plans)


def _plan_graph(view: lineage.PlanGraphView) -> shapes.PlanGraph:
    return codecs.plan_graph(view.graph, view.plans)
