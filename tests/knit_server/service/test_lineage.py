"""Lineage through the services is the domain's: the tutorial, told by rows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from desk import Desk

sys.path.insert(0, str(Path(__file__).parents[1] / "domain"))

from domain_world import RAW, TUTORIAL, World, tutorial

from knit_server.domain import graphs
from knit_server.domain import lineage as rules
from knit_server.domain.errors import NotFound
from knit_server.domain.ids import KnitId
from knit_server.domain.views import PlanView
from knit_server.service import lineage, plans
from knit_server.service.plans import PlanQuery

DEPTHS = [(None, None), (0, 0), (1, 0), (0, 1), (2, 3), (None, 0), (0, None)]


@pytest.fixture
def applied(desk: Desk) -> dict[str, PlanView]:
    """The tutorial, carried to its end: one push, seven Plans, seven Runs."""
    views = {name: desk.register(spec) for name, spec in TUTORIAL.items()}
    desk.push(*RAW.split())
    assert desk.settle() == len(TUTORIAL)
    return views


def names_of_rows(desk: Desk, applied: dict[str, PlanView]) -> dict[str, str]:
    """Name each Data and Run of the database by its Plan (and path)."""
    names = {}
    for name, view in applied.items():
        for run in desk.runs(view):
            names[run.run.run_id] = name
            names |= {each.knit_id: f"{name}{each.path}" for each in run.outputs}
            if run.log is not None:
                names[run.log] = f"{name}.log"
    for view in plans.find(desk.ctx, PlanQuery()):
        if view.plan.spec is None:
            for run in desk.runs(view):
                names |= {run.run.run_id: "upload", run.outputs[0].knit_id: "raw"}
    return names


def names_of_values(world: World) -> dict[str, str]:
    """The same of the domain's world."""
    known = {
        plan.plan_id: name for plan in world.plans.values() for name, spec in TUTORIAL.items() if spec == plan.spec
    }
    names: dict[str, str] = {}
    for run in world.runs.values():
        name = known.get(run.plan_id, "upload")
        links = world.made[run.run_id]
        names[run.run_id] = name
        names |= {each.knit_id: "raw" if name == "upload" else f"{name}{each.path}" for each in links.outputs}
        if links.log is not None:
            names[links.log] = f"{name}.log"
    return names


def told(graph: rules.LineageGraph, names: dict[str, str]) -> tuple[object, ...]:
    return (
        names[graph.root],
        sorted(names[each] for each in graph.data),
        sorted(names[each] for each in graph.runs),
        sorted((names.get(edge.source or "", ""), names[edge.target], edge.label) for edge in graph.edges),
    )


def test_lineage_is_the_domains(desk: Desk, applied: dict[str, PlanView]) -> None:
    """From every Data, for many depths: the same Data, Runs and edges as by the rules alone."""
    world = tutorial()
    rows, values = names_of_rows(desk, applied), names_of_values(world)
    by_name = {name: id_ for id_, name in values.items() if id_ in world.data}
    assert sorted(rows.values()) == sorted(values.values())
    for knit_id in desk.find():
        for up, down in DEPTHS:
            view = lineage.data_lineage(desk.ctx, knit_id, up, down)
            expected = rules.trace(KnitId(by_name[rows[knit_id]]), world, upstream=up, downstream=down)
            assert told(view.graph, rows) == told(expected, values)
            assert [each.data.knit_id for each in view.data] == view.graph.data
            assert [each.run.run_id for each in view.runs] == view.graph.runs


def test_plan_graph_is_the_domains(desk: Desk, applied: dict[str, PlanView]) -> None:
    """From every Plan, for many depths."""
    every = [view.plan for view in plans.find(desk.ctx, PlanQuery())]
    for plan in every:
        for up, down in DEPTHS:
            view = lineage.plan_graph(desk.ctx, plan.plan_id, up, down)
            assert view.graph == graphs.plan_graph(plan.plan_id, graphs.Neighbours(every), upstream=up, downstream=down)
            assert [each.plan for each in view.plans] == view.graph.plans


def test_nobody_there(desk: Desk) -> None:
    """What does not exist has no lineage."""
    with pytest.raises(NotFound):
        lineage.data_lineage(desk.ctx, "ghost", None, None)


def test_wide_and_deep(desk: Desk) -> None:
    """A chain of thirty and a Data that seven hundred Runs took are traced to the end."""
    for step in range(30):
        desk.apply({"/in": f"chain:{step}"}, {"/out": f"chain:{step + 1}"})
    desk.apply({"/all": "wide:1", "/each": "each:1"})
    root = desk.push("chain:0", "wide:1")
    assert desk.settle() == 30
    graph = lineage.data_lineage(desk.ctx, root, 0, None).graph
    assert (len(graph.data), len(graph.runs)) == (31, 30)
    for number in range(26):
        desk.push("each:1", f"n:{number}")
    desk.apply({"/l": "each:1", "/r": "each:1", "/all": "wide:1"})
    graph = lineage.data_lineage(desk.ctx, root, 0, 1).graph
    assert len(graph.runs) == 1 + 26 + 26 * 26
