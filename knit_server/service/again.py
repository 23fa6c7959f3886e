"""Another attempt of a Run that ended badly: put off by the Plan's policy, and due at an instant that SQL knows.

Meanwhile the Run stays where it stands and nobody works on it: its room is free, a stop by a user ends it at once, and
whoever schedules when the instant comes takes it over like any Run that a server left.
Rules: docs/rules.md, "Retry and time-out".
"""

from __future__ import annotations

from knit_server.domain import retries, times
from knit_server.domain.retries import End, NextAttempt
from knit_server.domain.runs import Exit
from knit_server.persistence import events, leases, plans, runs
from knit_server.persistence.runs import Execution
from knit_server.service.context import Context
from knit_server.service.lifecycle import EXECUTING, Work, owned
from knit_server.service.signals import FINISH


def postpone(ctx: Context, work: Work, end: End, exit_: Exit) -> NextAttempt | None:
    """Let another attempt follow one that ended so, if the Plan asks for it now; returns which one.

    Nothing is changed of a Run that a user has stopped. Raises `Overtaken`.
    """
    with ctx.db.read() as tx:
        if plans.get(tx, work.run.plan_id).retry is None:
            return None
    with ctx.db.write() as tx:
        run = owned(ctx, tx, work)
        policy = plans.get(tx, run.plan_id).retry
        done = runs.execution(tx, run.run_id)
        failed = retries.failed_before(policy, done.tries or 0, done.losses or 0)
        follows = retries.next_attempt(policy, end, exit_.code, failed)
        if follows is None or run.status not in EXECUTING or run.exit is not None:
            return None
        due = ctx.now() + follows.wait
        note = _told(follows, exit_, due)
        runs.record(tx, run.run_id, Execution(note=note, tries=(done.tries or 0) + 1, again_at=due))
        leases.drop(tx, [run.run_id])
        payload = {"status": run.status.value, "planId": run.plan_id, "attempt": run.attempt}
        events.record(tx, "run", [(run.run_id, {**payload, "againAt": times.format_instant(due)})], ctx.now())
        tx.announce(FINISH)
        return follows


def next_at(ctx: Context) -> int | None:
    """Return when the first attempt is due that is not due yet."""
    with ctx.db.read() as tx:
        return leases.next_attempt_at(tx, ctx.now())


def _told(follows: NextAttempt, exit_: Exit, due: int) -> str:
    said = f" ({exit_.message})" if exit_.message else ""
    return (
        f"attempt {follows.number - 1} of {follows.tries} failed with exit {exit_.code}{said}; "
        f"tries again at {times.format_instant(due)}"
    )
