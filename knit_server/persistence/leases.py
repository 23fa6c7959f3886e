"""Leases: who works on which Run, and until when. A dead server's leases run out and others take over."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sqlalchemy as sa

from knit_server.domain.runs import Run, Status
from knit_server.persistence import tables
from knit_server.persistence.batches import batched
from knit_server.persistence.database import Transaction
from knit_server.persistence.runs import Lease, lock_in_order, to_run

_run = tables.run


def available(tx: Transaction, statuses: Collection[Status], now: int, *, limit: int | None = None) -> list[Run]:
    """Return Runs in one of `statuses` that nobody works on, oldest first; on PostgreSQL they stay locked.

    Those whose next attempt is due later are left out.

    Another server that looks at the same time waits, and then sees what was left. If it skipped what is locked, nobody
    would come back for the Runs that this one locked but had no room for.
    """
    query = (
        sa.select(_run)
        .where(
            _run.c.status.in_([status.value for status in statuses]),
            sa.or_(_run.c.lease_until.is_(None), _run.c.lease_until < now),
            sa.or_(_run.c.again_at.is_(None), _run.c.again_at <= now),
        )
        .order_by(_run.c.seq)
        .limit(limit)
        .with_for_update()  # SQLite has no such clause and needs none: it has one writer
    )
    return [to_run(row) for row in tx.execute(query)]


def abandoned(tx: Transaction, statuses: Collection[Status], now: int) -> list[Run]:
    """Return Runs in one of `statuses` on which somebody worked who does not any more, oldest first, locked as well."""
    query = (
        sa.select(_run)
        .where(_run.c.status.in_([status.value for status in statuses]), _run.c.lease_until < now)
        .order_by(_run.c.seq)
        .with_for_update()
    )
    return [to_run(row) for row in tx.execute(query)]


def next_attempt_at(tx: Transaction, now: int) -> int | None:
    """Return when the first of those attempts is due that are due later."""
    query = sa.select(sa.func.min(_run.c.again_at)).where(_run.c.again_at.is_not(None), _run.c.again_at > now)
    found: int | None = tx.execute(query).scalar()
    return found


def take(tx: Transaction, run_ids: Iterable[str], lease: Lease) -> None:
    """Make `lease.owner` the one who works on these Runs."""
    for some in batched(run_ids):
        values = {"lease_owner": lease.owner, "lease_until": lease.until}
        tx.execute(sa.update(_run).where(_run.c.run_id.in_(some)).values(values))


def inherit(tx: Transaction, run_ids: Iterable[str], lease: Lease) -> None:
    """Like `take`, of Runs that others began: one whose owner is still named was lost together with that owner."""
    lost = sa.case((_run.c.lease_owner.is_not(None), 1), else_=0)
    for some in batched(run_ids):
        values = {"losses": _run.c.losses + lost, "lease_owner": lease.owner, "lease_until": lease.until}
        tx.execute(sa.update(_run).where(_run.c.run_id.in_(some)).values(values))


def renew(tx: Transaction, run_ids: Iterable[str], lease: Lease) -> set[str]:
    """Prolong the leases on those of the Runs that the owner still holds; return these."""
    held: set[str] = set()
    for some in batched(run_ids):
        mine = lock_in_order(tx, _run.c.run_id.in_(some), _run.c.lease_owner == lease.owner)
        tx.execute(sa.update(_run).where(_run.c.run_id.in_(mine)).values(lease_until=lease.until))
        held.update(mine)
    return held


def look(tx: Transaction, run_id: str) -> tuple[Run, str | None] | None:
    """Return a Run and who works on it, locked (PostgreSQL) until the transaction ends; None if there is none."""
    row = tx.execute(sa.select(_run).where(_run.c.run_id == run_id).with_for_update(key_share=True)).first()
    return None if row is None else (to_run(row), row.lease_owner)


def drop(tx: Transaction, run_ids: Iterable[str]) -> None:
    """Leave these Runs to anybody."""
    for some in batched(run_ids):
        tx.execute(sa.update(_run).where(_run.c.run_id.in_(some)).values(lease_owner=None, lease_until=None))


def expire(tx: Transaction, run_ids: Iterable[str]) -> None:
    """Let leases run out now: these Runs stay known as begun, for others to take over."""
    for some in batched(run_ids):
        tx.execute(sa.update(_run).where(_run.c.run_id.in_(some)).values(lease_until=0))


def drop_others(tx: Transaction, owner: str, plan_id: str | None) -> None:
    """End every lease but `owner`'s now, except on Runs of the Plan `plan_id` (uploads may go on elsewhere).

    Only for whoever knows that all other owners are dead: the holder of a home's lock.
    """
    others = sa.and_(_run.c.lease_owner.is_not(None), _run.c.lease_owner != owner)
    if plan_id is not None:
        others = sa.and_(others, _run.c.plan_id != plan_id)
    tx.execute(sa.update(_run).where(others).values(lease_until=0))
