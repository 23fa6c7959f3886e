"""What the scheduler does to Runs: claim, start, end, finish, and start anew. One transaction each.

Every function may be repeated after a crash: it writes only if the Run still stands where the caller saw it. A server
that slept longer than its lease may find that another has begun the Run anew: it is told (`Overtaken`), and its attempt
counts for nothing.
Rules: docs/rules.md, "Runs".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from knit_server.domain import resources, retries
from knit_server.domain import runs as edges
from knit_server.domain.data import Content, Data
from knit_server.domain.plans import IMPORTED, Plan
from knit_server.domain.runs import TERMINAL, Assignment, Exit, Run, Status
from knit_server.executors.base import AttemptId, Started
from knit_server.persistence import Transaction, data, events, leases, plans, runs
from knit_server.persistence.runs import Execution, Lease
from knit_server.service import data as data_service
from knit_server.service import projection
from knit_server.service.context import Context
from knit_server.service.signals import LAUNCH
from knit_server.storage import Snapshot


class Overtaken(Exception):
    """Another server works on this Run now, or a user had it retried or deleted.

    For the scheduler only, so not in the tree of errors for people.
    """


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a Run asks of the machine: cores and bytes of memory."""

    cpu: float
    memory: int


@dataclass(frozen=True, kw_only=True)
class Work:
    """A Run that this process works on, with all it needs to know about it."""

    run: Run
    plan: Plan
    inputs: tuple[tuple[Assignment, Content], ...]
    made: tuple[Data, ...]  # outputs by path, the log last
    held: str | None = None  # why it only gets ready, and starts later

    @property
    def attempt(self) -> AttemptId:
        """The present try."""
        return AttemptId(self.run.run_id, self.run.attempt)


EXECUTING = (Status.STARTING, Status.RUNNING)
"""Where a Run stands whose program is about to run, or runs."""

Choose = Callable[[Needs], bool | str]
"""Asked for each waiting Run: True takes it, False leaves it and all behind it, a text holds it back with that note."""


def needs(plan: Plan) -> Needs:
    """Return what a Run of `plan` asks for; what the Plan does not limit counts as nothing."""
    asked = plan.spec.resources if plan.spec else {}
    return Needs(
        cpu=float(resources.parse(asked.get("cpu", "0"))), memory=int(resources.parse(asked.get("memory", "0")))
    )


Busy = Callable[[str], bool]
"""Asked whether this process still tidies up after an earlier attempt of a Run: a retried Run waits for that."""


def claim(
    ctx: Context,
    choose: Choose,
    *,
    held: bool = False,
    busy: Busy = lambda run_id: False,
    limit: int = 64,
    stepwise: bool = False,
) -> list[Work]:
    """Take Runs that wait, oldest first: waiting -> ready -> starting, with a lease.

    `held` asks again for Runs that were held back before. Those that are `busy` are passed over. Where hooks are asked
    before each change, Runs are taken `stepwise`: they only get the lease, and `stepping` moves them. One that is to be
    held back is taken too, with `Work.held`, until it is ready.
    """
    with ctx.db.write() as tx:
        now = ctx.now()
        claimed: list[Run] = []
        held_back: dict[str, str] = {}
        waiting = leases.available(tx, (Status.READY,), now) if held else []
        waiting += leases.available(tx, (Status.WAITING,), now, limit=limit)
        known = plans.many(tx, {run.plan_id for run in waiting})
        passed = 0
        for run in waiting:
            if busy(run.run_id):
                passed += 1
                continue
            choice = choose(needs(known[run.plan_id]))
            if choice is False:
                break
            if stepwise and (choice is True or run.status is Status.WAITING):
                claimed.append(run)
                if choice is not True:
                    held_back[run.run_id] = str(choice)
                continue
            ready = _prepared(tx, run, now)
            if choice is True:
                starting = edges.launch(ready, now)
                runs.move(tx, ready, starting)
                claimed.append(starting)
            else:
                runs.record(tx, run.run_id, Execution(note=str(choice)))
        else:
            if len(waiting) >= limit and passed < len(waiting):
                tx.announce(LAUNCH)  # there may be more behind those
        leases.take(tx, [run.run_id for run in claimed], _lease(ctx))
        return [replace(work, held=held_back.get(work.run.run_id)) for work in _works(tx, claimed)]


def take_over(ctx: Context, choose: Choose, *, busy: Busy = lambda run_id: False) -> list[Work]:
    """Take Runs that somebody began and nobody works on any more, oldest first; programs only while they fit.

    Those that are `busy` are passed over.
    """
    begun = (*EXECUTING, Status.COMPLETING, Status.ABORTING)
    with ctx.db.write() as tx:
        found = leases.abandoned(tx, (Status.READY,), ctx.now()) + leases.available(tx, begun, ctx.now())
        known = plans.many(tx, {run.plan_id for run in found})
        found = [run for run in found if not busy(run.run_id) and not _lies_elsewhere(ctx, known[run.plan_id], run)]
        taken: list[Run] = []
        choice: bool | str = True
        for run in found:
            plan = known[run.plan_id]
            if run.status in (Status.READY, *EXECUTING) and plan.spec is not None:
                choice = choice is not False and choose(needs(plan))
                if isinstance(choice, str):
                    runs.record(tx, run.run_id, Execution(note=choice))
                    if run.status is Status.READY:
                        leases.drop(tx, [run.run_id])  # it is held back now like any other
                if choice is not True:
                    continue
            taken.append(run)
        leases.take(tx, [run.run_id for run in taken if run.status is Status.READY], _lease(ctx))
        leases.inherit(tx, [run.run_id for run in taken if run.status is not Status.READY], _lease(ctx))
        return _works(tx, taken)


def _lies_elsewhere(ctx: Context, plan: Plan, run: Run) -> bool:
    """Whether this is an import to be stored, whose folder is in the home of another server."""
    ended = plan.name == IMPORTED and run.status is Status.COMPLETING
    return ended and not ctx.folder(AttemptId(run.run_id, run.attempt)).path.exists()


def free_all(ctx: Context, *, alone: bool = False) -> None:
    """Void the leases of dead processes. Only for the holder of the home: nobody else schedules on it.

    Uploads may go on in other processes that serve the home, unless this one is `alone`.
    """
    with ctx.db.write() as tx:
        leases.drop_others(tx, ctx.owner, None if alone else data_service.upload_plan(ctx, tx))


def leave(ctx: Context, run_ids: Collection[str]) -> None:
    """Give Runs up in good order: whoever comes next begins them anew, and they do not count as lost."""
    if run_ids:
        with ctx.db.write() as tx:
            ours = leases.renew(tx, run_ids, _lease(ctx))  # but not those that another has taken over
            ready = {run_id for run_id, run in runs.many(tx, ours).items() if run.status is Status.READY}
            leases.expire(tx, ready)  # without any lease, they would seem to be held back
            leases.drop(tx, ours - ready)


def renew(ctx: Context, run_ids: Collection[str]) -> set[str]:
    """Prolong the leases of the Runs that this process works on; returns those that it still holds."""
    if not run_ids:
        return set()
    with ctx.db.write() as tx:
        return leases.renew(tx, run_ids, _lease(ctx))


def standing(ctx: Context, run_ids: Collection[str]) -> Mapping[str, Run]:
    """Return those of the Runs that there are, as they stand now: a user may have stopped or deleted them."""
    with ctx.db.read() as tx:
        return runs.many(tx, run_ids)


def relaunch(ctx: Context, work: Work) -> Run:
    """Begin a new attempt of a Run whose attempt was lost.

    There is none for a Run whose program has ended; one that was lost too often counts as such, and has an exit then.
    """
    with ctx.db.write() as tx:
        run = owned(ctx, tx, work)
        if run.status not in EXECUTING or run.exit is not None:
            return run
        why = given_up(ctx, tx, run)
        if why is not None:
            new = edges.exited(run, ctx.now(), Exit(edges.VANISHED, why))
        else:
            new = edges.relaunch(run, ctx.now())
        runs.move(tx, run, new)
        payload = {"status": new.status.value, "planId": new.plan_id, "attempt": new.attempt}
        events.record(tx, "run", [(new.run_id, payload)], ctx.now())
        return new


def given_up(ctx: Context, tx: Transaction, run: Run) -> str | None:
    """Return why a Run is not begun anew, whose attempts were lost too often; None if it is."""
    done = runs.execution(tx, run.run_id)
    policy = plans.get(tx, run.plan_id).retry
    return retries.given_up(policy, tries=done.tries or 0, losses=done.losses or 0, limit=ctx.limits.losses)


def started(ctx: Context, work: Work, seen: Started, *, agreed: bool = True) -> Run:
    """Its program runs: starting -> running. Returns the Run as it is, which a user may have stopped meanwhile.

    Where hooks have not `agreed` before the program has ended, the Run is never said to be running.
    """
    with ctx.db.write() as tx:
        run = owned(ctx, tx, work)
        if run.status is Status.STARTING and agreed:
            running = edges.begin(run, ctx.now())
            runs.move(tx, run, running)
            run = running
        name = ctx.executor.describe().name
        execution = Execution(executor=name, image_digest=seen.image_digest, sandbox=seen.sandbox)
        runs.record(tx, run.run_id, execution)
        return run


def ended(ctx: Context, work: Work, exit_: Exit) -> Run:
    """Its program ended: -> completing for code 0, else -> aborting. A Run that a user stopped keeps what he said."""
    with ctx.db.write() as tx:
        run = owned(ctx, tx, work)
        if run.status in EXECUTING:
            edge = edges.complete if exit_.code == 0 else edges.abort
            new = edge(run, ctx.now(), exit_)
            runs.move(tx, run, new)
            run = new
        return run


def finish(ctx: Context, work: Work, snapshots: Mapping[str, Snapshot], remark: str | None = None) -> Run:
    """completing -> done or aborting -> failed, with the stored outputs and log by knitId; new Runs follow at once.

    All in one transaction: what is made usable is matched in it. `remark` tells people what was not kept as it was.
    """
    with ctx.db.write() as tx:
        tx.lock_matching()
        run = owned(ctx, tx, work)
        if run.status in TERMINAL:
            return run
        now = ctx.now()
        end = edges.finish(run, now) if run.status is Status.COMPLETING else edges.fail(run, now)
        runs.move(tx, run, end)
        runs.record(tx, run.run_id, Execution(note=remark))
        for each in work.made:
            snapshot = snapshots.get(each.knit_id)
            content_id = data_service.keep(ctx, tx, snapshot) if snapshot is not None else None
            data.settle(tx, each.knit_id, content_id, now)
        leases.drop(tx, [run.run_id])
        if end.status is Status.DONE:
            made = data.many(tx, [each.knit_id for each in work.made])
            hops = run.hops + (work.plan.spec is not None)  # an import is an event of its own
            projection.nominate_data(ctx, tx, made.values(), projection.Cause(run.cause, hops))
        return end


def note(ctx: Context, run_id: str, text: str) -> None:
    """Tell people why a Run does not move."""
    with ctx.db.write() as tx:
        runs.record(tx, run_id, Execution(note=text))


def project(ctx: Context) -> int:
    """Make Runs that pending nominations owe; returns how many were made."""
    with ctx.db.write() as tx:
        tx.lock_matching()
        return projection.catch_up(ctx, tx)


def present(ctx: Context, run_id: str) -> Run:
    """Return a Run as it stands now. Raises `NotFound`."""
    with ctx.db.read() as tx:
        return runs.get(tx, run_id)


def owned(ctx: Context, tx: Transaction, work: Work) -> Run:
    """Return the Run as it stands now, on PostgreSQL with its row locked. Raises `Overtaken`.

    A lease that ran out but was not taken over still counts: nobody else has begun anything.
    """
    found = leases.look(tx, work.run.run_id)
    if found is None:  # it had ended, and was deleted since
        raise Overtaken(work.run.run_id)
    run, owner = found
    if run.status not in TERMINAL and (owner != ctx.owner or run.attempt != work.run.attempt):
        raise Overtaken(run.run_id)
    return run


def _lease(ctx: Context) -> Lease:
    return Lease(owner=ctx.owner, until=ctx.now() + ctx.limits.lease)


def _prepared(tx: Transaction, run: Run, now: int) -> Run:
    if run.status is Status.READY:
        return run
    ready = edges.prepare(run, now)
    runs.move(tx, run, ready)
    return ready


def _works(tx: Transaction, found: Sequence[Run]) -> list[Work]:
    ids = [run.run_id for run in found]
    known = plans.many(tx, {run.plan_id for run in found})
    taken, made = runs.inputs_of(tx, ids), data.made_by(tx, ids)
    assigned = data.many(tx, {each.knit_id for rows in taken.values() for each in rows})
    works = []
    for run in found:
        inputs = []
        for each in taken.get(run.run_id, ()):
            content = assigned[each.knit_id].content
            assert content is not None, f"Run {run.run_id} was given Data {each.knit_id}, which has no content"
            inputs.append((each, content))
        works.append(Work(run=run, plan=known[run.plan_id], inputs=tuple(inputs), made=tuple(made.get(run.run_id, ()))))
    return works
