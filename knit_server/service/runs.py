"""Use cases about Runs: find, show, stop, retry, delete, and read their logs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from knit_server.domain import runs as edges
from knit_server.domain import times
from knit_server.domain.data import Data
from knit_server.domain.errors import Conflict, NotFound, Unavailable
from knit_server.domain.ids import KnitId, RunId
from knit_server.domain.paging import Order, Page, RunPosition
from knit_server.domain.plans import IMPORTED
from knit_server.domain.runs import Exit, Run, Status
from knit_server.domain.views import RunView
from knit_server.executors.base import AttemptId
from knit_server.persistence import Transaction, data, leases, plans, queries, runs
from knit_server.service import views
from knit_server.service.context import Context
from knit_server.service.signals import FINISH, LAUNCH

LOG_NAME = "log"
"""The one file of a log's Data."""


@dataclass(frozen=True, kw_only=True)
class RunQuery:
    """What to look for: any of each list (empty: all), changed in [since, until), in milliseconds."""

    plans: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    since: int | None = None
    until: int | None = None
    order: Order = Order.OLDEST


def find(ctx: Context, query: RunQuery) -> list[RunView]:
    """Return the Runs that fit the query, in its order. Deleted Runs are never among them."""
    with ctx.db.read() as tx:
        found = queries.find_runs(
            tx, query.plans, query.inputs, query.outputs, query.statuses, query.since, query.until, order=query.order
        )
        return views.run_views(tx, found)


def page(ctx: Context, query: RunQuery, after: RunPosition | None, limit: int) -> Page[RunView]:
    """Return at most `limit` of the Runs that `find` returns, in its order, from behind `after` on."""
    with ctx.db.read() as tx:
        found = queries.page_of_runs(
            tx, query.plans, query.inputs, query.outputs, query.statuses, query.since, query.until, after, limit,
            order=query.order,
        )  # fmt: skip
        return found.showing(lambda rows: views.run_views(tx, rows))


def show(ctx: Context, run_id: str) -> RunView:
    """Return one Run. Raises `NotFound`."""
    with ctx.db.read() as tx:
        return views.run_views(tx, [runs.get(tx, run_id)])[0]


def details(ctx: Context, run_id: str) -> dict[str, object]:
    """Return what Knit knows of a Run beyond the common shape. Raises `NotFound`."""
    with ctx.db.read() as tx:
        run = runs.get(tx, run_id)
        execution = runs.execution(tx, run_id)
    return {
        "runId": run_id,
        "attempt": run.attempt,
        "executor": execution.executor,
        "imageDigest": execution.image_digest,
        "sandbox": execution.sandbox,
        "note": execution.note or None,
        "tries": execution.tries or 0,
        "againAt": None if execution.again_at is None else times.format_instant(execution.again_at),
        "causeId": run.cause,
        "hops": run.hops,
    }


def abort(ctx: Context, run_id: str) -> RunView:
    """Stop a Run and count it as failed. Raises `NotFound` or `InvalidTransition`."""
    return _stop(ctx, run_id, lambda run: edges.abort(run, ctx.now(), Exit(edges.ABORTED_BY_USER, "aborted by user")))


def tearoff(ctx: Context, run_id: str) -> RunView:
    """Stop a Run and keep what it made as its result. Raises `NotFound` or `InvalidTransition`."""
    return _stop(ctx, run_id, lambda run: edges.complete(run, ctx.now(), Exit(0, "stopped by user")), keep=True)


def _stop(ctx: Context, run_id: str, edge: Callable[[Run], Run], *, keep: bool = False) -> RunView:
    with ctx.db.write() as tx:
        run = runs.lock(tx, run_id)
        edges.refuse_idle_stop(run, keep=keep)
        stopped = edge(run)
        plan = plans.get(tx, run.plan_id)
        if plan.spec is None and stopped.status is Status.COMPLETING:
            raise Conflict(
                f"Run {run_id} is an {plan.origin}; it cannot be completed before all of it is here",
                advice=f"Stop it for good: knit run stop --fail {run_id}",
            )
        if plan.name == IMPORTED:
            leases.drop(tx, [run_id])  # nobody works on it who could end it
        if stopped.status is not run.status:
            runs.move(tx, run, stopped)
        tx.announce(FINISH)
    return show(ctx, run_id)


# --- retry and deletion -----------------------------------------------------------------------------------------------


def downstream(ctx: Context, run_id: str) -> list[RunView]:
    """Return every Run that took what this one made, directly or not, in the order in which they can be deleted.

    That is what a deletion with `downstream` deletes first, and a retry with `downstream` instead of the Run itself.
    Raises `NotFound`.
    """
    with ctx.db.read() as tx:
        _existing(tx, run_id)
        return views.run_views(tx, reversed(runs.in_order(tx, _users(tx, run_id))))


def retry(ctx: Context, run_id: str, *, downstream: bool = False) -> RunView:
    """Try a Run again that has ended. Its outputs get new ids and the tags of the Plan; what it had made is gone.

    `downstream` deletes what was made from it first; it follows anew when the Run is done.
    Raises `NotFound`, `InvalidTransition` (it has not ended) or `Conflict` (an upload; a Run uses its outputs).
    """
    with ctx.db.write() as tx:
        tx.lock_matching()  # no Run may take its outputs meanwhile, and its Plan stays on or off
        run = _existing(tx, run_id)
        plan = plans.get(tx, run.plan_id)
        if plan.spec is None:
            raise edges.refuse_retry_of_upload(run, plan.origin)
        edges.retry(run, ctx.now(), active=plan.active)  # before anything is deleted for it
        run = _cleared(ctx, tx, run, downstream=downstream)
        made, users = _made(tx, run_id)
        again = edges.retry(run, ctx.now(), active=plan.active, users=users)
        runs.move(tx, run, again)
        runs.forget_execution(tx, run_id)
        _erase_made(ctx, tx, made)
        new = [
            Data(knit_id=KnitId(ctx.new_id()), tags=out.tags, run_id=run.run_id, path=out.path, status=again.status)
            for out in plan.products
        ]
        data.insert(tx, new, ctx.now())
        tx.announce(LAUNCH)
        return views.run_views(tx, [again])[0]


def delete(ctx: Context, run_id: str, *, downstream: bool = False) -> None:
    """Delete a Run that waits or has ended, with all that it made; the same combination does not run again.

    A Run without inputs, an upload, is gone without a trace. `downstream` deletes what was made from it first.
    Raises `NotFound`, `InvalidTransition` (it is under way) or `Conflict` (a Run uses its outputs).
    """
    with ctx.db.write() as tx:
        tx.lock_matching()
        run = _existing(tx, run_id)
        edges.invalidate(run, ctx.now())  # before anything is deleted for it
        _delete(ctx, tx, _cleared(ctx, tx, run, downstream=downstream))


def _existing(tx: Transaction, run_id: str) -> Run:
    """Return a Run that was not deleted. Raises `NotFound`."""
    run = runs.get(tx, run_id)
    if run.status is Status.INVALIDATED:
        raise NotFound(f"Run {run_id} was deleted", advice="List the Runs: knit run find")
    return run


def _users(tx: Transaction, run_id: str) -> list[RunId]:
    """Return all Runs that took what a Run made, directly or not."""
    found: dict[RunId, None] = {}
    frontier = [RunId(run_id)]
    while frontier:
        made = [each.knit_id for some in data.made_by(tx, frontier).values() for each in some]
        users = dict.fromkeys(user for _, _, user in runs.consumers(tx, made))
        frontier = [user for user in users if user not in found]
        found |= users
    return list(found)


def _cleared(ctx: Context, tx: Transaction, run: Run, *, downstream: bool) -> Run:
    """Lock a Run and return it as it is now; with `downstream`, after all that was made from it is deleted.

    A Run that takes a Data is always younger than the one that made it: the youngest goes first.
    """
    *locked, last = reversed(runs.lock_many(tx, [run.run_id, *(_users(tx, run.run_id) if downstream else ())]))
    edges.refuse_unfinished(last, locked)
    for each in locked:
        _delete(ctx, tx, each)
    return last


def _delete(ctx: Context, tx: Transaction, run: Run) -> None:
    made, users = _made(tx, run.run_id)
    runs.move(tx, run, edges.invalidate(run, ctx.now(), users=users))
    if run.status is Status.WAITING:
        tx.announce(FINISH)  # its hooks may just be asked
    _erase_made(ctx, tx, made)
    if not runs.inputs_of(tx, [run.run_id]):
        runs.erase(tx, [run.run_id])


def _made(tx: Transaction, run_id: str) -> tuple[list[KnitId], list[RunId]]:
    """Return what a Run made, and the Runs that took it."""
    made = [each.knit_id for each in data.made_by(tx, [run_id]).get(run_id, [])]
    return made, list(dict.fromkeys(user for _, _, user in runs.consumers(tx, made)))


def _erase_made(ctx: Context, tx: Transaction, made: Sequence[KnitId]) -> None:
    """Erase Data, and the deleted Runs that were still known for having taken them: nothing can combine them again."""
    runs.erase(tx, runs.deleted_consumers(tx, made))
    data.erase(tx, made, ctx.now())


# --- logs -------------------------------------------------------------------------------------------------------------


class RunLog:
    """What a Run's program printed: a growing file while it runs, a stored one afterwards."""

    def __init__(self, ctx: Context, run: Run, file: int | None) -> None:
        self._ctx = ctx
        self._run = run
        self._file = file

    def read(self, offset: int, size: int) -> bytes:
        """Return at most `size` bytes from `offset`; nothing means that there is no more now."""
        if self._file is None:
            self._file = _open_log(self._ctx, self._run)
        return b"" if self._file is None else os.pread(self._file, size, offset)

    def is_live(self) -> bool:
        """Whether the program may still print something."""
        with self._ctx.db.read() as tx:
            now = runs.many(tx, [self._run.run_id]).get(self._run.run_id)
        if now is None or (now.attempt != self._run.attempt and not self._goes_on(now)):
            return False  # it was deleted, or another attempt prints elsewhere by now
        self._run = now
        return now.status in (Status.STARTING, Status.RUNNING)

    def _goes_on(self, now: Run) -> bool:
        """Whether a later attempt prints, or will print, into the file that is open."""
        if self._file is None:
            return True
        mine = os.fstat(self._file)
        try:
            return os.path.samestat(mine, os.stat(_log_file(self._ctx, now)))
        except FileNotFoundError:
            return mine.st_nlink > 0  # not moved there yet

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class StoredLog(RunLog):
    """The log of a Run whose log is a Data."""

    def __init__(self, ctx: Context, run: Run, manifest: str) -> None:
        super().__init__(ctx, run, None)
        self._manifest = ctx.store.manifest(manifest)

    def read(self, offset: int, size: int) -> bytes:
        """Return at most `size` bytes from `offset`; nothing means its end."""
        return self._ctx.store.read(self._manifest, LOG_NAME, offset, size)

    def is_live(self) -> bool:
        """It is not."""
        return False


def open_log(ctx: Context, run_id: str) -> RunLog:
    """Open the log of a Run.

    Raises `NotFound` (no such Run, or its Plan keeps no log) or `Unavailable` (it has not started).
    """
    with ctx.db.read() as tx:
        run = runs.get(tx, run_id)
        plan = plans.get(tx, run.plan_id)
        log = next((each for each in data.made_by(tx, [run_id]).get(run_id, []) if each.path is None), None)
    if plan.spec is None:
        raise NotFound(
            f"Run {run_id} is an {plan.origin}: no program ran, so there is no log",
            advice=f"See what came in: knit run show {run_id}",
        )
    if plan.log is None or log is None:
        raise NotFound(f"Run {run_id} has no log", advice="Its Plan keeps none; add `log:` to a Plan to keep it.")
    if run.status in (Status.DEACTIVATED, Status.WAITING, Status.READY):
        raise Unavailable(f"Run {run_id} has not started; it is {run.status.value}", advice="Try again when it runs.")
    if log.content is not None:
        return StoredLog(ctx, run, log.content.manifest)
    return RunLog(ctx, run, _open_log(ctx, run))


def _log_file(ctx: Context, run: Run) -> Path:
    return ctx.folder(AttemptId(run.run_id, run.attempt)).log_file


def _open_log(ctx: Context, run: Run) -> int | None:
    try:
        return os.open(_log_file(ctx, run), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
