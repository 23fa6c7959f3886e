"""Lineage: from any Data to everything that made it and everything made from it.

The graph has Data and Runs as nodes. Walking it is pure; what lies one step away is asked of `Facts`, a whole
frontier at a time. Rules: docs/rules.md, "Lineage".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from knit_server.domain.ids import KnitId, RunId
from knit_server.domain.runs import Assignment

LOG_LABEL = "(log)"


@dataclass(frozen=True, kw_only=True)
class Links:
    """What a Run took and made. A Run that was deleted made nothing that is left."""

    run_id: RunId
    inputs: tuple[Assignment, ...] = ()
    outputs: tuple[Assignment, ...] = ()
    log: KnitId | None = None


class Facts(Protocol):
    """What is one step away."""

    def producers(self, data: Sequence[KnitId]) -> Mapping[KnitId, RunId]:
        """The Run that made each Data."""
        ...

    def consumers(self, data: Sequence[KnitId]) -> Mapping[KnitId, Sequence[RunId]]:
        """The Runs that took each Data, oldest first, without deleted ones."""
        ...

    def links(self, runs: Sequence[RunId]) -> Mapping[RunId, Links]:
        """What each Run took and made, by path."""
        ...


class Edge(NamedTuple):
    """An arrow in the direction Data flow: from a Data or a Run, to a Run or a Data, labelled by the path.

    `source` is None where a Run has no inputs: it is a root of the graph.
    """

    source: KnitId | RunId | None
    target: KnitId | RunId
    label: str


@dataclass(kw_only=True)
class LineageGraph:
    """Data, Runs and edges in the order of discovery, starting from `root`."""

    root: KnitId
    data: list[KnitId] = field(default_factory=list)
    runs: list[RunId] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)


def trace(root: KnitId, facts: Facts, *, upstream: int | None = 0, downstream: int | None = 0) -> LineageGraph:
    """Walk from `root` so many Data-to-Data steps up, then down; None means to the end.

    Siblings of an ancestor and other inputs of a descendant's Run are shown, but not traced further.
    """
    walk = _Walk(root, facts)
    walk.up(upstream)
    walk.down(downstream)
    return walk.graph


def component(root: KnitId, facts: Facts) -> LineageGraph:
    """Walk from `root` along every arrow, whichever way it points, to the end: also siblings and what they became."""
    walk = _Walk(root, facts)
    walk.around()
    return walk.graph


class _Walk:
    def __init__(self, root: KnitId, facts: Facts) -> None:
        self._facts = facts
        self._data: dict[KnitId, None] = {root: None}
        self._runs: dict[RunId, Links] = {}
        self._edges: list[Edge] = []
        self._root = root

    @property
    def graph(self) -> LineageGraph:
        return LineageGraph(root=self._root, data=list(self._data), runs=list(self._runs), edges=self._edges)

    def up(self, depth: int | None) -> None:
        frontier, seen = [self._root], {self._root}
        while frontier and depth != 0:
            producers = self._facts.producers(frontier)
            found = self._visit([producers[data] for data in frontier if data in producers])
            frontier = _new((each.knit_id for links in found for each in links.inputs), seen)
            depth = None if depth is None else depth - 1

    def down(self, depth: int | None) -> None:
        frontier, seen = [self._root], {self._root}
        while frontier and depth != 0:
            consumers = self._facts.consumers(frontier)
            found = self._visit([run for data in frontier for run in consumers.get(data, ())])
            frontier = _new((knit_id for links in found for knit_id in _made(links)), seen)
            depth = None if depth is None else depth - 1

    def around(self) -> None:
        frontier, seen = [self._root], {self._root}
        while frontier:
            producers, consumers = self._facts.producers(frontier), self._facts.consumers(frontier)
            both = ([*([producers[data]] if data in producers else []), *consumers.get(data, ())] for data in frontier)
            found = self._visit([run for runs in both for run in runs if run not in self._runs])
            frontier = _new((data for links in found for data in (*_taken(links), *_made(links))), seen)

    def _visit(self, runs: Sequence[RunId]) -> list[Links]:
        """Add the Runs that are new to the graph; return all of them, once each, in order."""
        wanted = list(dict.fromkeys(runs))
        fresh = self._facts.links([run for run in wanted if run not in self._runs])
        for run in wanted:
            if run in fresh:
                self._add(fresh[run])
        return [self._runs[run] for run in wanted if run in self._runs]

    def _add(self, links: Links) -> None:
        self._runs[links.run_id] = links
        if not links.inputs:
            self._edges.append(Edge(None, links.run_id, ""))
        for each in links.outputs:
            self._data.setdefault(each.knit_id)
            self._edges.append(Edge(links.run_id, each.knit_id, each.path))
        if links.log is not None:
            self._data.setdefault(links.log)
            self._edges.append(Edge(links.run_id, links.log, LOG_LABEL))
        for each in links.inputs:
            self._data.setdefault(each.knit_id)
            self._edges.append(Edge(each.knit_id, links.run_id, each.path))


def _taken(links: Links) -> list[KnitId]:
    return [each.knit_id for each in links.inputs]


def _made(links: Links) -> list[KnitId]:
    return [*(each.knit_id for each in links.outputs), *([links.log] if links.log is not None else [])]


def _new(found: Iterable[KnitId], seen: set[KnitId]) -> list[KnitId]:
    fresh = [data for data in dict.fromkeys(found) if data not in seen]
    seen.update(fresh)
    return fresh
