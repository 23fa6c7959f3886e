"""Putting together what people are shown of Data, Plans and Runs (`domain.views`), many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from knit_server.domain.data import Data
from knit_server.domain.graphs import Neighbours
from knit_server.domain.ids import KnitId
from knit_server.domain.plans import Input, Output, Plan
from knit_server.domain.runs import Assignment, Run, Status
from knit_server.domain.views import (
    Consumer,
    DataView,
    Downstream,
    NominationView,
    PlanView,
    RunSummary,
    RunView,
    Upstream,
)
from knit_server.persistence import Transaction, data, nominations, plans, runs


def data_views(tx: Transaction, found: Sequence[Data]) -> list[DataView]:
    """Return each Data with its producer, its consumers and its nominations."""
    ids = [each.knit_id for each in found]
    taken = runs.consumers(tx, ids)
    known = runs.many(tx, [*(each.run_id for each in found), *(run_id for _, _, run_id in taken)])
    nominated = nominations.of_data(tx, ids)
    wanted = {run.plan_id for run in known.values()} | {ref.plan_id for refs in nominated.values() for ref in refs}
    plan = plans.many(tx, wanted)
    consumers: dict[str, list[Consumer]] = {}
    for knit_id, path, run_id in taken:
        run = known[run_id]
        consumers.setdefault(knit_id, []).append(
            Consumer(input=_input(plan[run.plan_id], path), run=RunSummary(run=run, plan=plan[run.plan_id]))
        )
    views = []
    for each in found:
        run = known[each.run_id]
        views.append(
            DataView(
                data=each,
                output=_output(plan[run.plan_id], each.path),
                producer=RunSummary(run=run, plan=plan[run.plan_id]),
                consumers=tuple(consumers.get(each.knit_id, ())),
                nominations=tuple(
                    NominationView(plan=plan[ref.plan_id], input=_input(plan[ref.plan_id], ref.path))
                    for ref in nominated.get(each.knit_id, ())
                ),
            )
        )
    return views


def run_views(tx: Transaction, found: Iterable[Run]) -> list[RunView]:
    """Return each Run with its Plan and the Data it takes and makes."""
    shown = list(found)
    plan = plans.many(tx, {run.plan_id for run in shown})
    taken = runs.inputs_of(tx, [run.run_id for run in shown])
    made = data.made_by(tx, [run.run_id for run in shown])
    views = []
    for run in shown:
        mine = made.get(run.run_id, [])
        outputs = [Assignment(path=each.path, knit_id=each.knit_id) for each in mine if each.path is not None]
        if run.status is Status.INVALIDATED:  # its Data are gone
            products = plan[run.plan_id].products
            outputs = [Assignment(path=out.path, knit_id=KnitId("")) for out in products if out.path is not None]
        log = next((each.knit_id for each in mine if each.path is None), None)
        views.append(
            RunView(run=run, plan=plan[run.plan_id], inputs=taken.get(run.run_id, ()), outputs=tuple(outputs), log=log)
        )
    return views


def plan_views(found: Iterable[Plan], neighbours: Neighbours) -> list[PlanView]:
    """Return each Plan with what can feed it and what it can feed."""
    return [plan_view(plan, neighbours) for plan in found]


def plan_view(plan: Plan, neighbours: Neighbours) -> PlanView:
    """Return a Plan with what can feed it and what it can feed."""
    feeding = neighbours.upstreams.get(plan.plan_id, ())
    fed = neighbours.downstreams.get(plan.plan_id, ())
    return PlanView(
        plan=plan,
        upstreams=tuple(
            tuple(Upstream(plan=source, output=output) for asked, source, output in feeding if asked == each)
            for each in plan.inputs
        ),
        downstreams=tuple(
            tuple(Downstream(plan=target, input=asked) for output, target, asked in fed if output == each)
            for each in plan.products
        ),
    )


def _input(plan: Plan, path: str) -> Input:
    return next((each for each in plan.inputs if each.path == path), Input(path=path, tags=()))


def _output(plan: Plan, path: str | None) -> Output:
    return next((each for each in plan.products if each.path == path), Output(path=path, tags=()))
