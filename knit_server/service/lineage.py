"""Use cases about graphs: lineage of Data, and Plans that feed each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from knit_server.domain.data import Data
from knit_server.domain.graphs import Neighbours, PlanGraph
from knit_server.domain.graphs import plan_graph as walk
from knit_server.domain.ids import KnitId, PlanId
from knit_server.domain.lineage import LineageGraph, component, trace
from knit_server.domain.plans import Plan
from knit_server.domain.runs import Run
from knit_server.domain.views import DataView, PlanView, RunView
from knit_server.persistence import data, plans, runs
from knit_server.persistence.lineage import SqlFacts
from knit_server.service import views
from knit_server.service.context import Context


@dataclass(frozen=True, kw_only=True)
class LineageView:
    """A lineage graph with what is shown of its nodes, in the order of the graph."""

    graph: LineageGraph
    data: tuple[DataView, ...]
    runs: tuple[RunView, ...]


@dataclass(frozen=True, kw_only=True)
class LineageOutline:
    """A lineage graph with its Data, and by id its Runs, the Runs that made its Data, and the Plans of all of them."""

    graph: LineageGraph
    data: tuple[Data, ...]
    runs: Mapping[str, Run]
    plans: Mapping[str, Plan]


@dataclass(frozen=True, kw_only=True)
class PlanGraphView:
    """A plan graph with what is shown of its Plans, in the order of the graph."""

    graph: PlanGraph
    plans: tuple[PlanView, ...]


def data_lineage(ctx: Context, knit_id: str, upstream: int | None, downstream: int | None) -> LineageView:
    """Return what made a Data and what was made from it, so many steps away (None: all). Raises `NotFound`."""
    with ctx.db.read() as tx:
        data.get(tx, knit_id)
        graph = trace(KnitId(knit_id), SqlFacts(tx), upstream=upstream, downstream=downstream)
        found, ran = data.many(tx, graph.data), runs.many(tx, graph.runs)
        return LineageView(
            graph=graph,
            data=tuple(views.data_views(tx, [found[each] for each in graph.data])),
            runs=tuple(views.run_views(tx, [ran[each] for each in graph.runs])),
        )


def data_outline(
    ctx: Context, knit_id: str, upstream: int | None, downstream: int | None, *, whole: bool = False
) -> LineageOutline:
    """Return what `data_lineage` does with as much as a card shows; `whole`: all that hangs together with the Data.

    Its cost grows with the graph alone, not with how often its Data are used elsewhere. Raises `NotFound`.
    """
    with ctx.db.read() as tx:
        data.get(tx, knit_id)
        root, facts = KnitId(knit_id), SqlFacts(tx)
        graph = component(root, facts) if whole else trace(root, facts, upstream=upstream, downstream=downstream)
        found = data.many(tx, graph.data)
        ran = runs.many(tx, {*graph.runs, *(each.run_id for each in found.values())})
        return LineageOutline(
            graph=graph,
            data=tuple(found[each] for each in graph.data),
            runs=ran,
            plans=plans.many(tx, {each.plan_id for each in ran.values()}),
        )


def plan_graph(ctx: Context, plan_id: str, upstream: int | None, downstream: int | None) -> PlanGraphView:
    """Return the Plans that can feed a Plan and those it can feed. Raises `NotFound`."""
    with ctx.db.read() as tx:
        root = plans.get(tx, plan_id)
        neighbours = Neighbours(plans.every(tx))
    neighbours.plans.setdefault(root.plan_id, root)  # one that is archived stands alone
    graph = walk(PlanId(plan_id), neighbours, upstream=upstream, downstream=downstream)
    return PlanGraphView(graph=graph, plans=tuple(views.plan_views(graph.plans, neighbours)))
