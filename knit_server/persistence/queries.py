"""Looking for Runs by several criteria at once."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

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
    query = sa.select(_run).where(*where).order_by(_run.c.updated_at, _run.c.seq)
    return [to_run(row) for row in tx.execute(query)]
