"""Making Runs: from a Data or a Plan that is new or changed, to nominations, to combinations, to Runs.

All of it happens inside the transaction of its cause, so that a chain never waits for a poll; what would make that
transaction too large stays pending and is done by the scheduler's `project` step. Nobody works off what others left
pending in his own transaction: a huge product of one Plan holds up no push and no other chain. Rules: docs/rules.md,
"Matching".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from knit_server.domain import matching
from knit_server.domain.data import Data
from knit_server.domain.ids import CauseId, KnitId
from knit_server.domain.plans import Plan
from knit_server.persistence import Transaction, causes, data, nominations, plans
from knit_server.persistence.causes import Decision
from knit_server.persistence.nominations import InputRef, Nomination
from knit_server.service.context import Context
from knit_server.service.projecting import Step
from knit_server.service.signals import PROJECT

_TOGETHER = 500
"""Nominations projected together."""


@dataclass(frozen=True)
class Cause:
    """The outside event that a decision goes back to, and how many Runs lie between."""

    id: CauseId | None
    hops: int


def open_cause(ctx: Context, tx: Transaction, kind: str, subject: str) -> Cause:
    """Record an outside event: kind is push, import, plan or tag."""
    cause_id = CauseId(ctx.new_id())
    causes.insert(tx, cause_id, kind, subject, ctx.now())
    return Cause(cause_id, 0)


def nominate_data(ctx: Context, tx: Transaction, changed: Iterable[Data], cause: Cause) -> None:
    """Compare each Data with the inputs it may fit, keep what changed, and make the Runs that follow."""
    decisions: list[Decision] = []
    owing: list[Nomination] = []
    for each in changed:
        before = {ref.input_id: ref for ref in nominations.of_data(tx, [each.knit_id]).get(each.knit_id, [])}
        candidates = before | {ref.input_id: ref for ref in nominations.anchored(tx, matching.probes(each))}
        fitting = _judge(tx, each, candidates.values(), decisions)
        nominations.remove(tx, each.knit_id, before.keys() - fitting.keys())
        fresh = [ref for input_id, ref in fitting.items() if input_id not in before]
        owing += [_nomination(ref, each.knit_id, cause) for ref in fresh]
    nominations.add(tx, owing)
    _file(ctx, tx, cause, decisions)
    _project(ctx, tx, owing)


def nominate_plan(ctx: Context, tx: Transaction, plan: Plan, cause: Cause) -> None:
    """Find the usable Data that fit the inputs of a new Plan, and make the Runs that follow."""
    asked = {each.path: each for each in plan.inputs}
    owing = [
        _nomination(ref, knit_id, cause)
        for ref in nominations.inputs_of(tx, plan.plan_id)
        for knit_id in data.fitting(tx, asked[ref.path].tags)
    ]
    nominations.add(tx, owing)
    _project(ctx, tx, owing)


def catch_up(ctx: Context, tx: Transaction) -> int:
    """Make Runs that pending nominations owe, at most `limits.runs_per_step`; returns how many were made."""
    room = ctx.limits.runs_per_step
    while room > 0 and (owing := nominations.pending(tx, limit=_TOGETHER)):
        room -= _step(ctx, tx, owing, room)
    if room <= 0:
        tx.announce(PROJECT)
    return ctx.limits.runs_per_step - room


def _project(ctx: Context, tx: Transaction, owing: Sequence[Nomination]) -> None:
    """Make the Runs that new nominations owe, in their order, while there is room; the rest stays pending."""
    room = ctx.limits.runs_per_step
    for at in range(0, len(owing), _TOGETHER):
        room -= _step(ctx, tx, owing[at : at + _TOGETHER], room)
        if room <= 0:
            tx.announce(PROJECT)
            return


def _step(ctx: Context, tx: Transaction, owing: Sequence[Nomination], room: int) -> int:
    step = Step(ctx, tx, owing)
    made = step.project(room)
    step.write()
    return made


def _judge(
    tx: Transaction, subject: Data, candidates: Iterable[InputRef], decisions: list[Decision]
) -> dict[int, InputRef]:
    refs = list(candidates)
    known = plans.many(tx, {ref.plan_id for ref in refs})
    fitting = {}
    for ref in refs:
        asked = next(each for each in known[ref.plan_id].inputs if each.path == ref.path)
        verdict = matching.judge(asked, subject)
        if verdict.fits:
            fitting[ref.input_id] = ref
        else:
            detail = {"missing": [str(tag) for tag in verdict.missing]}
            decisions.append(
                Decision(
                    knit_id=subject.knit_id, plan_id=ref.plan_id, path=ref.path, reason=verdict.reason, detail=detail
                )
            )
    return fitting


def _nomination(ref: InputRef, knit_id: KnitId, cause: Cause) -> Nomination:
    return Nomination(input=ref, knit_id=knit_id, cause=cause.id, hops=cause.hops)


def _file(ctx: Context, tx: Transaction, cause: Cause, decisions: Sequence[Decision]) -> None:
    if cause.id is not None:
        causes.record(tx, cause.id, decisions, ctx.now())
