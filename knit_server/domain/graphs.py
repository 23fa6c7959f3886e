"""The plan graph: which Plan can feed which, by tags alone.

Rules: docs/rules.md, "Plan graph".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from knit_server.domain.errors import NotFound
from knit_server.domain.ids import PlanId
from knit_server.domain.plans import Feeds, Input, Output, Plan


class PlanEdge(NamedTuple):
    """An output (or the log: `output` is None) of one Plan that can feed an input of another."""

    source: PlanId
    output: str | None
    target: PlanId
    input: str


@dataclass(kw_only=True)
class PlanGraph:
    """Plans in the order of discovery from `root`, and the edges between them."""

    root: PlanId
    plans: list[Plan] = field(default_factory=list)
    edges: list[PlanEdge] = field(default_factory=list)


class Neighbours:
    """What lies up- and downstream of each of a set of Plans."""

    def __init__(self, plans: Iterable[Plan]) -> None:
        self.plans = {plan.plan_id: plan for plan in plans}
        index = Feeds(self.plans.values())
        self.downstreams: dict[PlanId, list[tuple[Output, Plan, Input]]] = {}
        self.upstreams: dict[PlanId, list[tuple[Input, Plan, Output]]] = {}
        for plan in sorted(self.plans.values(), key=lambda each: each.plan_id):
            for output in plan.products:
                for fed, asked in index.fed_by(output):
                    self.downstreams.setdefault(plan.plan_id, []).append((output, fed, asked))
                    self.upstreams.setdefault(fed.plan_id, []).append((asked, plan, output))
        for sources in self.upstreams.values():
            sources.sort(key=lambda each: (each[0].path, each[1].plan_id, each[2].path or ""))


def plan_graph(
    root: PlanId, neighbours: Neighbours, *, upstream: int | None = 0, downstream: int | None = 0
) -> PlanGraph:
    """Walk from `root` so many Plans up and so many down; None means to the end. Raises `NotFound`.

    There is no zig-zag: a sibling of an upstream Plan is absent although they share it.
    """
    if root not in neighbours.plans:
        raise NotFound(f"there is no Plan {root}", advice="List the Plans: knit plan find")
    found: dict[PlanId, None] = {root: None}
    _spread(root, upstream, found, lambda plan: [source for _, source, _ in neighbours.upstreams.get(plan, ())])
    _spread(root, downstream, found, lambda plan: [fed for _, fed, _ in neighbours.downstreams.get(plan, ())])
    edges = [
        PlanEdge(plan, output.path, fed.plan_id, asked.path)
        for plan in found
        for output, fed, asked in neighbours.downstreams.get(plan, ())
        if fed.plan_id in found
    ]
    return PlanGraph(root=root, plans=[neighbours.plans[plan] for plan in found], edges=edges)


def _spread(
    root: PlanId, depth: int | None, found: dict[PlanId, None], neighbours: Callable[[PlanId], list[Plan]]
) -> None:
    frontier, seen = [root], {root}
    while frontier and depth != 0:
        following = [each.plan_id for plan in frontier for each in neighbours(plan)]
        frontier = [plan for plan in dict.fromkeys(following) if plan not in seen]
        seen.update(frontier)
        found.update(dict.fromkeys(frontier))
        depth = None if depth is None else depth - 1
