"""The plan graph of all Plans that hang together, put together from what each Plan says it feeds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from knit_server.wire import shapes


def component(root: str, plans: Sequence[shapes.PlanDetail]) -> shapes.PlanGraph:
    """Return the graph of `root` and of every Plan that arrows lead to from there, whichever way they point."""
    by_id = {each["planId"]: each for each in plans}
    edges = [edge for plan in plans for edge in _edges(plan) if edge["to"]["planId"] in by_id]
    beside: dict[str, list[str]] = {}
    for edge in edges:
        source, target = edge["from"]["planId"], edge["to"]["planId"]
        beside.setdefault(source, []).append(target)
        beside.setdefault(target, []).append(source)
    found = dict.fromkeys([root])
    queue = [root]
    for plan_id in queue:
        fresh = [each for each in dict.fromkeys(beside.get(plan_id, ())) if each not in found]
        found |= dict.fromkeys(fresh)
        queue += fresh
    return {
        "root": root,
        "plans": [by_id[each] for each in found if each in by_id],
        "edges": [edge for edge in edges if edge["from"]["planId"] in found],
    }


def _edges(plan: shapes.PlanDetail) -> Iterator[shapes.PlanGraphEdge]:
    for output in plan["outputs"]:
        yield from _feeding(plan["planId"], output["path"], output["downstreams"])
    if "log" in plan:
        yield from _feeding(plan["planId"], None, plan["log"]["downstreams"])


def _feeding(plan_id: str, path: str | None, fed: Iterable[shapes.DownstreamRef]) -> Iterator[shapes.PlanGraphEdge]:
    for each in fed:
        target = shapes.PlanPort(planId=each["plan"]["planId"], path=each["mountpoint"]["path"])
        yield {"from": {"planId": plan_id, "path": path}, "to": target}
