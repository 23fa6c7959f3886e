"""Looking for ids by how they begin, by a range of the ids' own index."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from knit_server.domain import ids
from knit_server.domain.runs import Status
from knit_server.persistence import tables
from knit_server.persistence.database import Transaction


def data(tx: Transaction, prefix: str, limit: int) -> list[str]:
    """Return the ids of at most `limit` Data that begin with `prefix`: in order, or the newest if it is empty."""
    return _find(tx, tables.data, tables.data.c.knit_id, prefix, limit)


def plans(tx: Transaction, prefix: str, limit: int) -> list[str]:
    """Return ids of Plans likewise."""
    return _find(tx, tables.plan, tables.plan.c.plan_id, prefix, limit)


def runs(tx: Transaction, prefix: str, limit: int) -> list[str]:
    """Return ids of Runs likewise; deleted Runs are never among them."""
    shown = (tables.run.c.status != Status.INVALIDATED.value,)
    return _find(tx, tables.run, tables.run.c.run_id, prefix, limit, shown)


def deleted_runs(tx: Transaction, prefix: str, limit: int) -> list[str]:
    """Return ids of deleted Runs likewise, and of no others."""
    gone = (tables.run.c.status == Status.INVALIDATED.value,)
    return _find(tx, tables.run, tables.run.c.run_id, prefix, limit, gone)


def _find(
    tx: Transaction, table: sa.Table, column: sa.Column[str], prefix: str, limit: int,
    where: Sequence[sa.ColumnElement[bool]] = (),
) -> list[str]:  # fmt: skip
    span = ids.span(prefix)
    if span is None:
        return []
    query = sa.select(column).where(*where).limit(limit)
    query = query.where(column.between(*span)).order_by(column) if prefix else query.order_by(table.c.seq.desc())
    return [str(row[0]) for row in tx.execute(query)]
