"""Lineage on small graphs, and on random ones against the plainest possible way to walk them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from knit_server.domain import lineage
from knit_server.domain.ids import KnitId, RunId
from knit_server.domain.lineage import Edge, Links
from knit_server.domain.runs import Assignment


class Table:
    """Facts from a list of Runs: (name, inputs, outputs, log), inputs and outputs as Data ids."""

    def __init__(self, *runs: tuple[str, list[str], list[str], str | None]) -> None:
        self.runs = {
            RunId(name): Links(
                run_id=RunId(name),
                inputs=tuple(Assignment(path=f"/in/{n}", knit_id=KnitId(each)) for n, each in enumerate(inputs)),
                outputs=tuple(Assignment(path=f"/out/{n}", knit_id=KnitId(each)) for n, each in enumerate(outputs)),
                log=None if log is None else KnitId(log),
            )
            for name, inputs, outputs, log in runs
        }
        self.asked: list[Sequence[str]] = []

    def producers(self, data: Sequence[KnitId]) -> Mapping[KnitId, RunId]:
        self.asked.append(data)
        return {each: run for each in data for run, links in self.runs.items() if each in made(links)}

    def consumers(self, data: Sequence[KnitId]) -> Mapping[KnitId, Sequence[RunId]]:
        self.asked.append(data)
        return {each: [run for run, links in self.runs.items() if each in taken(links)] for each in data}

    def links(self, runs: Sequence[RunId]) -> Mapping[RunId, Links]:
        return {run: self.runs[run] for run in runs if run in self.runs}


def made(links: Links) -> list[KnitId]:
    return [*(each.knit_id for each in links.outputs), *([links.log] if links.log else [])]


def taken(links: Links) -> list[KnitId]:
    return [each.knit_id for each in links.inputs]


def trace(table: Table, root: str, up: int | None = None, down: int | None = None) -> lineage.LineageGraph:
    return lineage.trace(KnitId(root), table, upstream=up, downstream=down)


def test_alone() -> None:
    """Depth zero in both directions, and a Data that nothing made and nobody took, give the Data alone."""
    for graph in (trace(Table(("r", [], ["d"], None)), "d", 0, 0), trace(Table(), "d")):
        assert (graph.data, graph.runs, graph.edges) == (["d"], [], [])


def test_siblings_are_shown_but_not_traced() -> None:
    """Other outputs of an ancestor's Run and other inputs of a descendant's are there; what lies behind is not."""
    table = Table(
        ("up", [], ["root", "sibling"], "log"),
        ("of-sibling", ["sibling"], ["x"], None),
        ("of-log", ["log"], ["y"], None),
        ("of-other", [], ["other"], None),
        ("down", ["root", "other"], ["z"], None),
    )
    graph = trace(table, "root")
    assert graph.runs == ["up", "down"]
    assert graph.data == ["root", "sibling", "log", "z", "other"]


def test_edges_of_a_run() -> None:
    """A Data mounted twice has two arrows; a Run without inputs has one from nowhere; logs are labelled."""
    graph = trace(Table(("a", [], ["d"], None), ("b", ["d", "d"], ["e"], "l")), "d")
    assert graph.edges == [
        Edge(None, RunId("a"), ""), Edge(RunId("a"), KnitId("d"), "/out/0"), Edge(RunId("b"), KnitId("e"), "/out/0"),
        Edge(RunId("b"), KnitId("l"), lineage.LOG_LABEL), Edge(KnitId("d"), RunId("b"), "/in/0"),
        Edge(KnitId("d"), RunId("b"), "/in/1"),
    ]  # fmt: skip


def test_a_deleted_run_leads_nowhere() -> None:
    """A Run that was deleted made nothing that is left; if it is still named as a consumer, it is a dead end."""
    table = Table(("a", [], ["d"], None), ("gone", ["d"], [], None))
    assert trace(table, "d").runs == ["a", "gone"]


def test_each_step_asks_once() -> None:
    """A whole frontier is asked for at a time: the number of questions is that of steps, not of Data."""
    wide = [("a", [], ["root"], None), *((f"r{n}", ["root"], [f"d{n}"], None) for n in range(50))]
    table = Table(*wide, *((f"s{n}", [f"d{n}"], [f"e{n}"], None) for n in range(50)))
    trace(table, "root", 0, None)
    assert [len(asked) for asked in table.asked] == [1, 50, 50]


@st.composite
def histories(draw: st.DrawFn) -> Table:
    """Runs in the order they were made, each taking some Data of earlier ones."""
    runs: list[tuple[str, list[str], list[str], str | None]] = []
    data: list[str] = []
    for number in range(draw(st.integers(1, 7))):
        inputs = draw(st.lists(st.sampled_from(data), max_size=3)) if data else []
        outputs = [f"d{number}.{each}" for each in range(draw(st.integers(0, 2)))]
        log = f"d{number}.log" if draw(st.booleans()) or not outputs else None
        runs.append((f"r{number}", inputs, outputs, log))
        data += [*outputs, *([log] if log else [])]
    return Table(*runs)


def runs_within(table: Table, root: KnitId, depth: int | None, *, up: bool) -> set[RunId]:
    """Find the Runs within so many steps the slow way."""
    reached, frontier = set[RunId](), {root}
    for _ in range(len(table.runs) if depth is None else depth):
        found = {run for run, links in table.runs.items() if frontier & set(made(links) if up else taken(links))}
        reached |= found
        frontier = {each for run in found for each in (taken if up else made)(table.runs[run])}
    return reached


@given(histories(), st.none() | st.integers(0, 4), st.none() | st.integers(0, 4), st.data())
def test_against_brute_force(table: Table, up: int | None, down: int | None, data: st.DataObject) -> None:
    """The graph has exactly the Runs within reach, all Data they touch, and all their arrows, each once."""
    every = sorted({each for links in table.runs.values() for each in made(links)})
    root = data.draw(st.sampled_from(every))
    graph = trace(table, root, up, down)
    expected = runs_within(table, root, up, up=True) | runs_within(table, root, down, up=False)
    assert set(graph.runs) == expected
    assert set(graph.data) == {root}.union(*({*made(table.runs[run]), *taken(table.runs[run])} for run in expected))
    for each in (graph.runs, graph.data, graph.edges):
        assert len(set(each)) == len(each)
    arrows = sum(len(made(links)) + max(len(links.inputs), 1) for run, links in table.runs.items() if run in expected)
    assert len(graph.edges) == arrows


@given(histories(), st.data())
def test_component(table: Table, data: st.DataObject) -> None:
    """Whichever Data it begins with, a component is the same: what arrows join, whichever way they point."""
    every = sorted({each for links in table.runs.values() for each in made(links)})
    root = data.draw(st.sampled_from(every))
    reached, before = {root}, set[KnitId]()
    while reached != before:
        before = set(reached)
        for links in table.runs.values():
            if reached & {*made(links), *taken(links)}:
                reached |= {*made(links), *taken(links)}
    graph = lineage.component(root, table)
    assert set(graph.data) == reached
    other = lineage.component(data.draw(st.sampled_from(sorted(reached))), table)
    assert (set(other.data), set(other.runs), set(other.edges)) == (set(graph.data), set(graph.runs), set(graph.edges))
