"""The tutorial by the domain's rules alone: which Runs follow, its lineage and its plan graph."""

from __future__ import annotations

import collections

import pytest
from domain_world import LOG, RAW, TUTORIAL, World, tag_set, tutorial

from knit_server.domain import graphs, lineage
from knit_server.domain.ids import KnitId, PlanId


@pytest.fixture(scope="module")
def world() -> World:
    return tutorial()


def plan_names(world: World) -> dict[PlanId, str]:
    return {plan.plan_id: name for plan in world.plans.values() for name, spec in TUTORIAL.items() if spec == plan.spec}


def data_names(world: World) -> dict[KnitId, str]:
    """Name every Data by what made it; logs with a trailing `.log`."""
    names = plan_names(world)
    return {
        data.knit_id: names.get(world.runs[data.run_id].plan_id, "raw") + ("" if data.path else ".log")
        for data in world.data.values()
    }


def named(world: World, name: str) -> KnitId:
    return next(knit_id for knit_id, each in data_names(world).items() if each == name)


def test_each_plan_runs_once(world: World) -> None:
    """One push and seven Plans give one upload and one Run of each Plan, 8 Runs and 15 Data."""
    names = plan_names(world)
    assert collections.Counter(names.get(run.plan_id, "upload") for run in world.runs.values()) == {
        "upload": 1, **dict.fromkeys(TUTORIAL, 1)
    }  # fmt: skip
    assert len(world.data) == 15
    assert sum(data.tags == tag_set(LOG) for data in world.data.values()) == 7


def test_the_order_of_plans_does_not_matter(world: World) -> None:
    """Applied backwards, or before the push, the Plans lead to the same Runs."""
    backwards = World()
    for spec in reversed(TUTORIAL.values()):
        backwards.apply(spec)
    backwards.push(RAW)
    assert backwards.settle().runs.keys() == world.runs.keys()


def test_inputs_by_name(world: World) -> None:
    """Every Run takes exactly the Data that its Plan's table of tags says."""
    names, plans = data_names(world), plan_names(world)
    taken = {
        plans[run.plan_id]: {names[each.knit_id] for each in world.made[run.run_id].inputs}
        for run in world.runs.values()
        if run.plan_id in plans
    }
    assert taken == {
        "converter": {"raw"}, "extracter": {"raw"}, "flattener": {"converter"}, "tracer": {"extracter", "flattener"},
        "gif": {"flattener", "tracer"}, "shuffler": {"gif", "extracter", "tracer"}, "collager": {"shuffler"},
    }  # fmt: skip


def test_consumers(world: World) -> None:
    """What feeds two Plans has two consumers; the collage and the logs have none."""
    names = data_names(world)
    counts = {names[knit_id]: len(taken) for knit_id, taken in world.consumers(list(world.data)).items()}
    assert counts == {
        "raw": 2, "flattener": 2, "extracter": 2, "tracer": 2, "converter": 1, "gif": 1, "shuffler": 1
    }  # fmt: skip


def test_second_push_multiplies() -> None:
    """Pushing the folder again combines everything with everything: 148 Runs and 294 Data (scenarios 37, 40)."""
    world = tutorial()
    world.push(RAW)
    world.settle()
    names = plan_names(world)
    counts = collections.Counter(names.get(run.plan_id, "upload") for run in world.runs.values())
    assert counts == {
        "upload": 2, "converter": 2, "flattener": 2, "extracter": 2, "tracer": 4, "gif": 8, "shuffler": 64,
        "collager": 64,
    }  # fmt: skip
    assert (len(world.runs), len(world.data)) == (148, 294)


# --- lineage ----------------------------------------------------------------------------------------------------------


def sizes(graph: lineage.LineageGraph) -> tuple[int, int, int, int]:
    """Count Data, Runs, Runs without inputs, and edges."""
    roots = sum(edge.source is None for edge in graph.edges)
    return len(graph.data), len(graph.runs), roots, len(graph.edges)


@pytest.mark.parametrize(
    ("depth", "expected"),
    [(0, (1, 0, 0, 0)), (1, (3, 1, 0, 3)), (2, (7, 2, 0, 8)), (3, (12, 5, 0, 19)), (4, (14, 7, 1, 24)),
     (5, (15, 8, 1, 27)), (9, (15, 8, 1, 27)), (None, (15, 8, 1, 27))],
)  # fmt: skip
def test_lineage_of_the_collage(world: World, depth: int | None, expected: tuple[int, int, int, int]) -> None:
    """Upstream of the collage, depth by depth: 15 Data, 8 Runs, one root and 27 edges in the end."""
    graph = lineage.trace(named(world, "collager"), world, upstream=depth, downstream=depth)
    assert sizes(graph) == expected


@pytest.mark.parametrize(
    ("depth", "expected"), [(1, (5, 3, 1, 8)), (2, (12, 6, 1, 20)), (3, (15, 8, 1, 27)), (None, (15, 8, 1, 27))]
)
def test_lineage_of_the_upload(world: World, depth: int | None, expected: tuple[int, int, int, int]) -> None:
    """Downstream of the upload the graph is complete after three steps, since Plans take early results late."""
    assert sizes(lineage.trace(named(world, "raw"), world, upstream=depth, downstream=depth)) == expected


def test_order_of_discovery(world: World) -> None:
    """The root comes first, then outputs and log of each Run before its inputs by path."""
    names = data_names(world)
    graph = lineage.trace(named(world, "collager"), world, upstream=None)
    assert [names[each] for each in graph.data] == [
        "collager", "collager.log", "shuffler", "shuffler.log", "tracer", "gif", "extracter", "tracer.log", "flattener",
        "gif.log", "extracter.log", "raw", "flattener.log", "converter", "converter.log",
    ]  # fmt: skip


def test_edges_are_labelled_by_path(world: World) -> None:
    """Arrows into a Run carry input paths, arrows out of it output paths, `(log)` for logs, nothing for roots."""
    graph = lineage.trace(named(world, "collager"), world, upstream=None)
    labels = collections.Counter(edge.label for edge in graph.edges)
    into = [edge for edge in graph.edges if edge.target in world.runs and edge.source is not None]
    assert len(into) == 11
    assert labels[lineage.LOG_LABEL] == 7
    assert labels["/pfs/out"] + labels["/out/images"] == 7
    assert labels["/upload"] == 1
    assert [edge.label for edge in graph.edges if edge.source is None] == [""]


# --- the plan graph ---------------------------------------------------------------------------------------------------

EDGES = {
    ("converter", "flattener"), ("flattener", "tracer"), ("flattener", "gif"), ("extracter", "tracer"),
    ("extracter", "shuffler"), ("tracer", "gif"), ("tracer", "shuffler"), ("gif", "shuffler"), ("shuffler", "collager"),
}  # fmt: skip


def graph_of(world: World, root: str, depth: int | None) -> tuple[list[str], set[tuple[str, str]]]:
    names = plan_names(world)
    ids = {name: plan_id for plan_id, name in names.items()}
    neighbours = graphs.Neighbours(world.plans.values())
    graph = graphs.plan_graph(ids[root], neighbours, upstream=depth, downstream=depth)
    assert len(graph.edges) == len(set(graph.edges))
    return [names[plan.plan_id] for plan in graph.plans], {
        (names[edge.source], names[edge.target]) for edge in graph.edges
    }


@pytest.mark.parametrize(("depth", "plans", "edges"), [(1, 2, 1), (2, 5, 6), (3, 6, 8), (4, 7, 9), (None, 7, 9)])
def test_plan_graph_of_the_collager(world: World, depth: int | None, plans: int, edges: int) -> None:
    """Upstream of the collager, depth by depth; the video converter is four Plans away."""
    found, arrows = graph_of(world, "collager", depth)
    assert (len(found), len(arrows)) == (plans, edges)
    assert found[0] == "collager"
    assert ("converter" in found) == (plans == 7)
    assert arrows <= EDGES


def test_whole_plan_graph(world: World) -> None:
    """All nine edges are there, and the extracter feeds inputs at the paths named after the raw files."""
    assert graph_of(world, "collager", None)[1] == EDGES
    names = plan_names(world)
    ids = {name: plan_id for plan_id, name in names.items()}
    graph = graphs.plan_graph(ids["collager"], graphs.Neighbours(world.plans.values()), upstream=None)
    fed = {(names[edge.target], edge.input) for edge in graph.edges if edge.source == ids["extracter"]}
    assert fed == {("tracer", "/pfs/raw_videos_and_images"), ("shuffler", "/pfs/raw_videos_and_images")}


@pytest.mark.parametrize(
    ("root", "count", "absent"),
    [("converter", 6, {"extracter"}), ("flattener", 6, {"extracter"}), ("extracter", 5, {"converter", "flattener"}),
     ("tracer", 7, set()), ("gif", 7, set()), ("shuffler", 7, set())],
)  # fmt: skip
def test_no_zig_zag(world: World, root: str, count: int, absent: set[str]) -> None:
    """From other roots, Plans that are neither up- nor downstream stay out."""
    found, _ = graph_of(world, root, None)
    assert len(found) == count
    assert set(TUTORIAL) - set(found) == absent
