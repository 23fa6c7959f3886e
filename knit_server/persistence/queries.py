"""Looking for Runs by several criteria at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from knit_server.domain.paging import Order, Page, RunPosition
from knit_server.domain.runs import Run, Status
from knit_server.persistence import tables
from knit_server.persistence.batches import possible
from knit_server.persistence.database import Transaction
from knit_server.persistence.runs import to_run

_run = tables.run


def find_runs(
    tx: Transaction,
    plans: Sequence[str],
    inputs: Sequence[str],
    outputs: Sequence[str],
    statuses: Sequence[Status],
    since: int | None,
    until: int | None,
    *,
    order: Order = Order.OLDEST,
) -> list[Run]:
    """Return Runs that fit any value of each list that is not empty and changed in [since, until), latest last."""
    where = _conditions(plans, inputs, outputs, statuses, since, until)
    return [to_run(row) for row in _rows(tx, where, order, None)]


def page_of_runs(
    tx: Transaction,
    plans: Sequence[str],
    inputs: Sequence[str],
    outputs: Sequence[str],
    statuses: Sequence[Status],
    since: int | None,
    until: int | None,
    after: RunPosition | None,
    limit: int,
    *,
    order: Order = Order.OLDEST,
) -> Page[Run]:
    """Return at most `limit` of the Runs that `find_runs` finds, in its order, from behind `after` on.

    A Run that changes while a reader goes through the pages comes to the end of the list, so it may be told again;
    the newest first, it may be passed over, for it is before the first page by then.
    The index over `updated_at` finds a page wherever it lies.
    """
    where = _conditions(plans, inputs, outputs, statuses, since, until)
    at, seq = _run.c.updated_at, _run.c.seq
    if after is not None and order is Order.OLDEST:
        where += [at >= after.updated_at, sa.or_(at > after.updated_at, seq > after.seq)]
    elif after is not None:
        where += [at <= after.updated_at, sa.or_(at < after.updated_at, seq < after.seq)]
    rows = _rows(tx, where, order, limit + 1)  # one more tells whether there is a next page
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(
        rows=[to_run(row) for row in rows[:limit]],
        next=None if last is None else RunPosition(updated_at=last.updated_at, seq=last.seq),
    )


def _conditions(
    plans: Sequence[str],
    inputs: Sequence[str],
    outputs: Sequence[str],
    statuses: Sequence[Status],
    since: int | None,
    until: int | None,
) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = []
    if plans:
        where.append(_run.c.plan_id.in_(possible(plans)))
    if inputs:
        took = sa.select(tables.run_input.c.run_id).where(tables.run_input.c.knit_id.in_(possible(inputs)))
        where.append(_run.c.run_id.in_(took))
    if outputs:
        made = sa.select(tables.data.c.run_id).where(tables.data.c.knit_id.in_(possible(outputs)))
        where.append(_run.c.run_id.in_(made))
    if statuses:
        where.append(_run.c.status.in_([status.value for status in statuses]))
    if since is not None:
        where.append(_run.c.updated_at >= since)
    if until is not None:
        where.append(_run.c.updated_at < until)
    where.append(_run.c.status != Status.INVALIDATED.value)
    return where


def _rows(tx: Transaction, where: Sequence[sa.ColumnElement[bool]], order: Order, limit: int | None) -> list[Any]:
    by_time = (_run.c.updated_at, _run.c.seq)
    ordered = by_time if order is Order.OLDEST else (each.desc() for each in by_time)
    query = sa.select(_run).where(*where).order_by(*ordered).limit(limit)
    return list(tx.execute(query).all())
