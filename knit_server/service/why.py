"""Why did it run, why did it not, why does it not move? Looked up in one consistent read; nothing is changed.

What it means is said by `domain.why`. Rules: docs/rules.md, "Why".
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from knit_server.domain import why as rules
from knit_server.domain.data import Data
from knit_server.domain.errors import InvalidInput, KnitError, NotFound
from knit_server.domain.ids import is_short
from knit_server.domain.plans import Plan
from knit_server.domain.runs import TERMINAL, Assignment, Run, Status
from knit_server.domain.tags import Tags
from knit_server.domain.why import Explanation, Happened, Made, Receipt, Room
from knit_server.domain.why.points import At
from knit_server.executors.base import AttemptId
from knit_server.persistence import Transaction, data, plans, prefixes, runs, tags
from knit_server.persistence import why as rows
from knit_server.service import lifecycle
from knit_server.service.context import Context
from knit_server.service.runs import LOG_NAME

LOG_LINES = 20
"""Lines that are shown of the end of a log."""

_LOG_BYTES = 1 << 16  # read for that
_LOG_WIDTH = 500  # characters of a line
_RECEIPTS = 20
_INPUTS = 20  # inputs that a Data fits, and Data that a Run takes, told one by one
_LOOKED_UP = 12  # inputs without Data for which the nearest are sought
_NEAREST = 20  # Data looked at for each of them
_USES = 1_000  # Data that carry a tag are counted no further
_STARTED = (Status.STARTING, Status.RUNNING, Status.COMPLETING, Status.ABORTING)


def why(ctx: Context, what: str, plan_id: str | None = None) -> Explanation:
    """Explain a Data, a Plan or a Run, whichever has the id; with `plan_id`, a Data with regard to that Plan alone.

    Deleted Runs, which no list shows, are known by the beginning of their id, too.
    Raises `NotFound`, or `InvalidInput` if `plan_id` is given and the first id is no Data's.
    """
    with ctx.db.read() as tx:
        if (found := data.many(tx, [what]).get(what)) is not None:
            return _data(tx, found, None if plan_id is None else plans.get(tx, plan_id))
        run, plan = runs.many(tx, [what]).get(what) or _deleted(tx, what), plans.many(tx, [what]).get(what)
        if run is None and plan is None:
            raise NotFound(
                f"there is no Data, Plan or Run {what}",
                advice="List them: knit data find, knit plan find, knit run find",
            )
        if plan_id is not None:
            raise InvalidInput(
                f"{what} is a {'Plan' if plan else 'Run'}, not a Data",
                advice="With a Plan, name a Data: knit why KNIT_ID PLAN_ID",
            )
        facts = _run_facts(ctx, tx, run) if run is not None else None
        about = _plan_facts(ctx, tx, plan) if plan is not None else None
    if about is not None:
        return rules.explain_plan(replace(about, has_image=_has_image(ctx, about.plan)))
    assert facts is not None
    return rules.explain_run(replace(facts, has_image=_has_image(ctx, facts.plan), log=_last_lines(ctx, facts)))


def _deleted(tx: Transaction, beginning: str) -> Run | None:
    """Return the one deleted Run whose id begins so; whole ids of others begin nothing else."""
    if not is_short(beginning):
        return None
    found = prefixes.deleted_runs(tx, beginning, 2)
    return runs.get(tx, found[0]) if len(found) == 1 else None


# --- a Data -----------------------------------------------------------------------------------------------------------


def _data(tx: Transaction, found: Data, plan: Plan | None) -> Explanation:
    considered = plans.every(tx, archived=True) if plan is None else [plan]
    uses = functools.cache(lambda tag: tags.uses(tx, tag, at_most=_USES))  # many inputs share few tags
    survey = rules.survey(found, considered, uses, every_input=plan is not None)
    made = _by_input(rows.taking(tx, found.knit_id))
    # Those that made no Run are what people ask about; the others are told while there is room.
    fits = sorted(survey.fits, key=lambda pair: bool(made.get((pair[0].plan_id, pair[1].path))))
    shown = fits[:_INPUTS]
    several = {each.plan_id: each for each, _ in shown if len(each.inputs) > 1}
    fitting = rows.fitting(tx, several)
    lacking = [
        (each, asked) for each in several.values() for asked in each.inputs if (each.plan_id, asked.path) not in fitting
    ]
    nearest = {(each.plan_id, asked.path): _nearest(tx, asked.tags) for each, asked in lacking[:_LOOKED_UP]}
    return rules.explain_data(
        rules.DataFacts(
            data=found,
            survey=replace(survey, fits=tuple(shown)),
            made=made,
            pending=rows.pending_of(tx, found.knit_id),
            fitting=fitting,
            nearest=nearest,
            receipts=_receipts(tx, knit_id=found.knit_id, plan_id=None if plan is None else plan.plan_id),
            omitted=len(fits) - len(shown),
        )
    )


# --- a Plan -----------------------------------------------------------------------------------------------------------


def _plan_facts(ctx: Context, tx: Transaction, plan: Plan) -> rules.PlanFacts:
    fitting = {path: count for (_, path), count in rows.fitting(tx, [plan.plan_id]).items()}
    lacking = [asked for asked in plan.inputs if asked.path not in fitting]
    return rules.PlanFacts(
        plan=plan,
        fitting=fitting,
        nearest={asked.path: _nearest(tx, asked.tags) for asked in lacking[:_LOOKED_UP]},
        made=_made(rows.of_plan(tx, plan.plan_id)),
        room=_room(ctx, tx, plan),
        receipts=_receipts(tx, plan_id=plan.plan_id),
    )


# --- a Run ------------------------------------------------------------------------------------------------------------


def _run_facts(ctx: Context, tx: Transaction, run: Run) -> rules.RunFacts:
    plan, execution = plans.get(tx, run.plan_id), runs.execution(tx, run.run_id)
    event = rows.cause(tx, run.cause) if run.cause is not None else None
    until = rows.leased_until(tx, run.run_id)
    taken = runs.inputs_of(tx, [run.run_id]).get(run.run_id, ())
    made = sorted(data.made_by(tx, [run.run_id]).get(run.run_id, []), key=lambda each: each.path is None)
    return rules.RunFacts(
        run=run,
        plan=plan,
        cause=None if event is None else Happened(kind=event[0], subject=event[1], at=event[2]),
        sources=_sources(tx, taken),
        ahead=rows.ahead_of(tx, run) if run.status is Status.WAITING else 0,
        room=_room(ctx, tx, plan),
        attended=run.status not in _STARTED or (until is not None and until >= ctx.now()),
        note=execution.note,
        image_digest=execution.image_digest,
        sandbox=execution.sandbox,
        losses=execution.losses or 0,
        tries=execution.tries or 0,
        again_at=execution.again_at,
        made=tuple(each.knit_id for each in made),
        receipts=_receipts(tx, cause_id=run.cause, plan_id=run.plan_id, taken=taken) if run.cause is not None else (),
    )


def _sources(tx: Transaction, assigned: Sequence[Assignment]) -> tuple[rules.Source, ...]:
    """Return which Data a Run takes, and the Runs that made them."""
    taken = assigned[:_INPUTS]
    given = data.many(tx, [each.knit_id for each in taken])
    makers = runs.many(tx, [each.run_id for each in given.values()])
    known = plans.many(tx, [each.plan_id for each in makers.values()])
    found = []
    for each in taken:
        maker = makers[given[each.knit_id].run_id]
        found.append(rules.Source(path=each.path, knit_id=each.knit_id, run=maker, plan=known[maker.plan_id]))
    return tuple(found)


def _last_lines(ctx: Context, facts: rules.RunFacts) -> tuple[str, ...]:
    """Return the end of what the program printed. What cannot be read now is no reason to tell nothing at all."""
    run = facts.run
    if facts.plan.log is None or not (run.status in _STARTED or run.status in TERMINAL):
        return ()
    with contextlib.suppress(KnitError, OSError):
        raw, whole = _stored_end(ctx, run) if run.status in TERMINAL else _live_end(ctx, run)
        lines = raw.decode(errors="replace").splitlines()
        return tuple(line[:_LOG_WIDTH] for line in (lines if whole else lines[1:])[-LOG_LINES:])
    return ()


def _live_end(ctx: Context, run: Run) -> tuple[bytes, bool]:
    """Return the last bytes of a growing log, and whether that is all of it."""
    with ctx.folder(AttemptId(run.run_id, run.attempt)).log_file.open("rb") as file:
        start = max(0, os.fstat(file.fileno()).st_size - _LOG_BYTES)
        file.seek(start)
        return file.read(_LOG_BYTES), start == 0


def _stored_end(ctx: Context, run: Run) -> tuple[bytes, bool]:
    """Return the last bytes of a log that is a Data, and whether that is all of it."""
    with ctx.db.read() as tx:
        made = data.made_by(tx, [run.run_id]).get(run.run_id, [])
    content = next((each.content for each in made if each.path is None), None)
    if content is None:
        return b"", True
    manifest = ctx.store.manifest(content.manifest)
    with ctx.store.open(manifest, LOG_NAME) as file:
        start = max(0, file.size - _LOG_BYTES)
    return ctx.store.read(manifest, LOG_NAME, start), start == 0


# --- shared -----------------------------------------------------------------------------------------------------------


def _room(ctx: Context, tx: Transaction, plan: Plan) -> Room | None:
    """Return what a Run of `plan` asks for and what there is. Runs leased by this process take what is taken here;
    where another process schedules, those of all.
    """
    if plan.spec is None:
        return None
    capacity, asked = ctx.executor.capacity(), lifecycle.needs(plan)
    here = ctx.schedules()
    taken = rows.executing(tx, _STARTED, ctx.owner if here else None)
    known = plans.many(tx, taken)
    cpu, memory = capacity.cpu, capacity.memory
    for plan_id, count in taken.items():
        needs = lifecycle.needs(known[plan_id])
        cpu, memory = cpu - count * needs.cpu, memory - count * needs.memory
    return Room(
        asked=(asked.cpu, asked.memory), capacity=(capacity.cpu, capacity.memory),
        free=(max(cpu, 0.0), max(memory, 0)), here=here,
    )  # fmt: skip


def _has_image(ctx: Context, plan: Plan) -> bool:
    if plan.spec is None:
        return True
    try:
        ctx.executor.images.resolve(str(plan.spec.image))
    except KnitError:
        return False
    return True


def _nearest(tx: Transaction, asked: Tags) -> Sequence[Data]:
    """Return Data that share tags with an input, and the newest: one of these may have been meant for it."""
    found = list(dict.fromkeys([*rows.nearest(tx, asked, limit=_NEAREST), *rows.newest(tx, _NEAREST)]))
    known = data.many(tx, found)
    return [known[knit_id] for knit_id in found]


def _receipts(
    tx: Transaction, *, knit_id: str | None = None, plan_id: str | None = None, cause_id: str | None = None,
    taken: Sequence[Assignment] | None = None,
) -> tuple[Receipt, ...]:  # fmt: skip
    filed = rows.receipts(tx, knit_id=knit_id, plan_id=plan_id, cause_id=cause_id, taken=taken, limit=_RECEIPTS)
    return tuple(
        Receipt(
            at=each.at, event=each.event, reason=each.decision.reason, knit_id=each.decision.knit_id,
            plan_id=each.decision.plan_id, path=each.decision.path, count=each.decision.count,
            detail=each.decision.detail,
        )
        for each in filed
    )  # fmt: skip


def _made(groups: Iterable[rows.Group]) -> Made:
    found = list(groups)
    return Made(counts={each.status: each.count for each in found}, newest={each.status: each.newest for each in found})


def _by_input(groups: Iterable[rows.Group]) -> Mapping[At, Made]:
    found: dict[At, list[rows.Group]] = {}
    for each in groups:
        found.setdefault((each.plan_id, each.path), []).append(each)
    return {at: _made(some) for at, some in found.items()}
