"""Looking for Runs by several criteria at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from knit_server.domain.paging import Page, RunPosition
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
) -> list[Run]:
    """Return Runs that fit any value of each list that is not empty and changed in [since, until), latest last."""
    where = _conditions(plans, inputs, outputs, statuses, since, until)
    return [to_run(row) for row in _rows(tx, where, None)]


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
) -> Page[Run]:
    """Return at most `limit` of the Runs that `find_runs` finds, in its order, from behind `after` on.

    A Run that changes while a reader goes through the pages comes to the end of the list, so it may be told again.
    The index over `updated_at` finds a page wherever it lies.
    """
    where = _conditions(plans, inputs, outputs, statuses, since, until)
    if after is not None:
        where.append(_run.c.updated_at >= after.updated_at)
        where.append(sa.or_(_run.c.updated_at > after.updated_at, _run.c.seq > after.seq))
    rows = _rows(tx, where, limit + 1)  # one more tells whether there is a next page
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


def _rows(tx: Transaction, where: Sequence[sa.ColumnElement[bool]], limit: int | None) -> list[Any]:
    query = sa.select(_run).where(*where).order_by(_run.c.updated_at, _run.c.seq).limit(limit)
    return list(tx.execute(query).all())
