"""What the scheduler does to Runs, one change at a time, where hooks are asked in between. One transaction each.

The lease protects a Run while hooks are asked; users may stop, switch off or delete it all the same, and are obeyed:
each function writes only if the Run still stands where the caller saw it, and returns it as it is.
Rules: docs/rules.md, "Hooks".
"""

from __future__ import annotations

from dataclasses import replace

from knit_server.domain import runs as edges
from knit_server.domain.runs import Exit, Run, Status
from knit_server.domain.views import RunView
from knit_server.persistence import leases, runs
from knit_server.persistence.runs import Execution
from knit_server.service import views
from knit_server.service.context import Context
from knit_server.service.lifecycle import EXECUTING, Work, given_up, owned

PREPARING = (Status.WAITING, Status.READY)
"""Where a Run stands whose program is yet to be started for the first time."""


def advance(ctx: Context, work: Work) -> Run:
    """waiting -> ready, or ready -> starting. A Run that is held back is left to anybody once it is ready.

    Raises `Overtaken`.
    """
    with ctx.db.write() as tx:
        run = owned(ctx, tx, work)
        if run.status is not work.run.status or run.status not in PREPARING:
            return run
        new = edges.prepare(run, ctx.now()) if run.status is Status.WAITING else edges.launch(run, ctx.now())
        runs.move(tx, run, new)
        if new.status is Status.READY and work.held is not None:
            runs.record(tx, run.run_id, Execution(note=work.held))
            leases.drop(tx, [run.run_id])
        return new


def let_go(ctx: Context, work: Work) -> None:
    """Leave a Run to anybody whose program does not run; it does not count as lost."""
    with ctx.db.write() as tx:
        found = leases.look(tx, work.run.run_id)
        if found is None or found[1] != ctx.owner:
            return
        run, _ = found
        if run.status is Status.READY:
            leases.expire(tx, [run.run_id])  # without any lease, it would seem to be held back
        else:
            leases.drop(tx, [run.run_id])
        if run.status is Status.DEACTIVATED:
            runs.record(tx, run.run_id, Execution(note=""))  # it does not wait for a hook any more


def starts_anew(ctx: Context, work: Work) -> bool:
    """Whether `lifecycle.relaunch` would begin a new attempt."""
    with ctx.db.read() as tx:
        run = runs.many(tx, [work.run.run_id]).get(work.run.run_id)
        if run is None or run.status not in EXECUTING or run.exit is not None:
            return False
        return given_up(ctx, tx, run) is None


def exited(ctx: Context, work: Work, exit_: Exit) -> Run:
    """Keep how its program ended, before hooks are asked: whatever comes between, it is not run again.

    Raises `Overtaken`.
    """
    with ctx.db.write() as tx:
        run = owned(ctx, tx, work)
        if run.status not in EXECUTING or run.exit is not None:
            return run
        new = edges.exited(run, ctx.now(), exit_)
        runs.move(tx, run, new)
        return new


def seen(ctx: Context, run_id: str, *, status: Status | None = None) -> RunView | None:
    """Return a Run as people see it, None if it is no more; `status` says how it is to look instead."""
    with ctx.db.read() as tx:
        run = runs.many(tx, [run_id]).get(run_id)
        if run is None:
            return None
        return views.run_views(tx, [run if status is None else replace(run, status=status)])[0]
