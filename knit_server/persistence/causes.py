"""Receipts: for each outside event (a push, a new Plan, a tag edit), what it led to and why not to more."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from knit_server.domain.ids import CauseId
from knit_server.domain.matching import Reason
from knit_server.persistence import tables
from knit_server.persistence.database import Transaction


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What matching said of a Data and an input: a reason, how often, and a detail (missing tags, Runs made)."""

    knit_id: str
    plan_id: str
    path: str
    reason: Reason
    count: int = 1
    detail: Mapping[str, object] = field(default_factory=dict)


def insert(tx: Transaction, cause_id: CauseId, kind: str, subject: str, now: int) -> None:
    """Keep an outside event: `kind` is push, import, plan or tag, `subject` the Data or Plan it is about."""
    tx.execute(sa.insert(tables.cause).values(cause_id=cause_id, kind=kind, subject=subject, at=now))


def record(tx: Transaction, cause_id: CauseId, decisions: Iterable[Decision], now: int) -> None:
    """File decisions under their cause."""
    rows = [
        {
            "cause_id": cause_id,
            "knit_id": each.knit_id,
            "plan_id": each.plan_id,
            "path": each.path,
            "reason": each.reason.value,
            "times": each.count,
            "detail": json.dumps(dict(each.detail)) if each.detail else None,
            "at": now,
        }
        for each in decisions
    ]
    if rows:
        tx.execute(sa.insert(tables.decision), rows)


def about(
    tx: Transaction, *, knit_id: str | None = None, plan_id: str | None = None, limit: int = 200
) -> list[Decision]:
    """Return the newest decisions about a Data, a Plan or both, newest first."""
    table = tables.decision
    query = sa.select(table).order_by(table.c.seq.desc()).limit(limit)
    query = query if knit_id is None else query.where(table.c.knit_id == knit_id)
    query = query if plan_id is None else query.where(table.c.plan_id == plan_id)
    return [decided(row) for row in tx.execute(query)]


def decided(row: sa.Row[tuple[object, ...]]) -> Decision:
    """Return the decision of a row of the decision table."""
    return Decision(
        knit_id=row.knit_id, plan_id=row.plan_id, path=row.path, reason=Reason(row.reason), count=row.times,
        detail=json.loads(row.detail) if row.detail else {},
    )  # fmt: skip


def trim(tx: Transaction, before: int) -> int:
    """Delete the decisions made before an instant (milliseconds); return how many went. Causes stay: Runs name them."""
    return tx.execute(sa.delete(tables.decision).where(tables.decision.c.at < before)).rowcount
