"""Why a Data led to Runs, or not: the inputs it fits and what came of each, and those that it nearly fits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from knit_server.domain.data import Data, transient
from knit_server.domain.plans import Input, Plan
from knit_server.domain.runs import Status
from knit_server.domain.tags import Tag, Tags
from knit_server.domain.why.codes import Code
from knit_server.domain.why.points import (
    NONE_MADE,
    At,
    Explanation,
    Kind,
    Made,
    Point,
    Receipt,
    add_tags,
    command,
    counted,
    is_lost,
    likeness,
    listed,
    lookalike,
    meant,
    missing,
    named,
    steps_of,
    stirring,
    without_data,
)

NEAR = 5
"""Inputs told that a Data nearly fits."""


@dataclass(frozen=True, kw_only=True)
class Near:
    """An input that a Data does not fit, for the lack of `gap`."""

    plan: Plan
    input: Input
    gap: Tags


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The inputs that a Data fits (or will, once its Run is done), and those it nearly fits, the nearest first."""

    fits: tuple[tuple[Plan, Input], ...]
    near: tuple[Near, ...]


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """All that is known of a Data: `survey` of the Plans; and by input, the Runs that took it there, whether more are
    owed (`pending`), how many Data fit, and for those that none fits, the Data that come nearest.
    """

    data: Data
    survey: Survey
    made: Mapping[At, Made] = field(default_factory=dict)
    pending: Collection[At] = ()
    fitting: Mapping[At, int] = field(default_factory=dict)
    nearest: Mapping[At, Sequence[Data]] = field(default_factory=dict)
    receipts: tuple[Receipt, ...] = ()
    omitted: int = 0


def survey(data: Data, plans: Sequence[Plan], uses: Callable[[Tag], int], *, every_input: bool = False) -> Survey:
    """Compare a Data with the inputs of `plans`, by `matching.judge` as everywhere.

    Near are the inputs for which it lacks one tag and has another, or a tag that looks like the missing one. Those it
    was probably meant for come first, then those with which it shares the rarest tag; `uses` says how many Data carry
    one. Other inputs of a Plan that it fits are left out. With `every_input` all that it does not fit are near. Plans
    in the archive count only for a Data that fits no other, and are never near.
    """
    fits, near = [], []
    for plan in plans:
        for asked in plan.inputs:
            gap = missing(asked, data)
            if gap == ():
                fits.append((plan, asked))
            elif gap and (every_input or (not plan.archived and _is_near(asked, gap, data.tags))):
                near.append(Near(plan=plan, input=asked, gap=gap))
    if any(not plan.archived for plan, _ in fits):
        fits = [each for each in fits if not each[0].archived]
    if is_lost(data):  # no tag helps it
        near.clear()
    if not every_input:  # what the Data does in a Plan that it fits is told already
        near = [each for each in near if all(each.plan.plan_id != plan.plan_id for plan, _ in fits)]
    near.sort(key=lambda each: _distance(each, data.tags, uses))
    return Survey(fits=tuple(fits), near=tuple(near if every_input else near[:NEAR]))


def explain_data(facts: DataFacts) -> Explanation:
    """Say why a Data led to what it did."""
    data = facts.data
    points = [*_of_itself(data), *(_of_input(facts, *each) for each in facts.survey.fits)]
    fitted = {plan.plan_id for plan, _ in facts.survey.fits}
    points += [_of_near(data, each, helps=each.plan.plan_id not in fitted) for each in facts.survey.near]
    if not (is_lost(data) or facts.survey.fits or facts.survey.near):
        text = "no input of any Plan comes near its tags" + (f": {listed(data.tags)}" if data.tags else "; it has none")
        points.append(Point(code=Code.NO_PLAN, text=text, tags=data.tags, step=command("knit", "plan", "find")))
    return Explanation(
        kind=Kind.DATA, id=data.knit_id, standing=_standing(data), points=tuple(points), receipts=facts.receipts,
        steps=steps_of(points) or (command("knit", "data", "lineage", data.knit_id),), omitted=facts.omitted,
    )  # fmt: skip


def _standing(data: Data) -> str:
    state = transient(data.status)
    return state or "usable"


def _of_itself(data: Data) -> list[Point]:
    if data.status is Status.DONE:
        return []
    then = "what it left never fits any input" if is_lost(data) else "until it is done, this Data fits no input"
    status = "deleted" if data.status is Status.INVALIDATED else data.status.value
    return [
        Point(
            code=Code.NOT_DONE, text=f"its Run {data.run_id} is {status}; {then}", run_id=data.run_id,
            step=command("knit", "why", data.run_id),
        )
    ]  # fmt: skip


def _of_input(facts: DataFacts, plan: Plan, asked: Input) -> Point:
    """Say what came of an input that the Data fits."""
    at = (plan.plan_id, asked.path)
    made = facts.made.get(at, NONE_MADE)
    begins = f'fits "{asked.path}" of {named(plan)}'
    code, ends, step, below = _outcome(facts, plan, asked, made)
    return Point(
        code=code, text=f"{begins}: {ends}", plan_id=plan.plan_id, path=asked.path, runs=made.counts,
        run_id=stirring(made), step=step, below=below,
    )  # fmt: skip


def _outcome(facts: DataFacts, plan: Plan, asked: Input, made: Made) -> tuple[Code, str, str | None, tuple[Point, ...]]:
    """Return the code, the end of the sentence, the next step, and what explains it."""
    at, alive = (plan.plan_id, asked.path), made.alive
    look = stirring(made)
    see = command("knit", "why", look) if look else None
    if facts.data.status is not Status.DONE and not alive:
        return Code.NOT_DONE, "it would, were its Run done", None, ()
    empty = [
        without_data(plan, other, facts.nearest.get((plan.plan_id, other.path), ()))
        for other in plan.inputs
        if other.path != asked.path and not facts.fitting.get((plan.plan_id, other.path))
    ]
    if plan.archived and not alive:
        undo = command("knit", "plan", "archive", "--undo", plan.plan_id)
        return Code.PLAN_ARCHIVED, "no Run, since the Plan is in the archive", undo, ()
    if alive and not plan.active and Status.DEACTIVATED in alive:
        switch = command("knit", "plan", "active", "yes", plan.plan_id)
        return Code.PLAN_INACTIVE, f"{counted(made)}; the Plan is switched off", switch, ()
    if at in facts.pending and not empty:
        return Code.HELD_LIMIT, f"{counted(made) if alive else 'its Runs are owed'}; more are being made", see, ()
    if alive:
        return Code.MATCHED, counted(made), see, ()
    if made.counts:
        return Code.DONE_ALREADY, "its Runs were deleted, and do not come back by themselves", None, ()
    if empty:
        paths = ", ".join(f'"{each.path}"' for each in empty)
        return Code.NO_PARTNER, f"no Run, since {paths} {'has' if len(empty) == 1 else 'have'} no Data", None, (*empty,)
    return Code.FITS, "its Runs are about to be made", None, ()


def _of_near(data: Data, near: Near, *, helps: bool) -> Point:
    """Say what a Data lacks for an input; whether more tags help, that is, whether it is not there for another one."""
    text = f'does not fit "{near.input.path}" of {named(near.plan)}: it lacks {listed(near.gap)}'
    return Point(
        code=Code.LACKS_TAG, text=text + meant(near.gap, data.tags), plan_id=near.plan.plan_id, path=near.input.path,
        tags=near.gap, step=add_tags(data.knit_id, near.gap) if helps else None,
    )  # fmt: skip


def _is_near(asked: Input, gap: Tags, have: Tags) -> bool:
    if len(gap) > 1 or gap[0].is_system:
        return False
    return len(asked.tags) > 1 or lookalike(gap[0], have) is not None


def _distance(near: Near, have: Tags, uses: Callable[[Tag], int]) -> tuple[int, float, int, str, str]:
    """Return what to order by: fewest tags missing, most alike, rarest, and then anything that is always the same."""
    shared = [uses(tag) for tag in near.input.tags if tag in have]
    meant_it = lookalike(near.gap[0], have)
    unlike = 1.0 if meant_it is None else 1.0 - likeness(near.gap[0], meant_it)
    rarest = min(shared, default=1 << 60)
    return len(near.gap), unlike, rarest, near.plan.plan_id, near.input.path
