"""The change stream at rest: one row for each thing that happened, with a growing id.

Whoever reads on from the last id he saw misses nothing: ids become visible in their order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from knit_server.persistence import tables
from knit_server.persistence.database import EVENTS_LOCK, Transaction

_event = tables.event


@dataclass(frozen=True)
class Event:
    """Something that happened to a Data, a Plan or a Run, at an instant in milliseconds."""

    id: int
    at: int
    kind: str
    subject: str
    payload: Mapping[str, object]


def record(tx: Transaction, kind: str, what: Sequence[tuple[str, Mapping[str, object]]], now: int) -> None:
    """Add events about these subjects; they are written right before the commit."""
    if not what:
        return
    if not tx.events:
        tx.before_commit.append(lambda: _write(tx))
    tx.events += [{"at": now, "kind": kind, "subject": id_, "payload": json.dumps(dict(load))} for id_, load in what]
    tx.announce("events")


def _write(tx: Transaction) -> None:
    # The lock is the last one taken and held only over the commit: sequences of PostgreSQL know nothing of commits, so
    # that a transaction with smaller ids could become visible after one with larger ids, which readers would miss.
    tx.lock(EVENTS_LOCK)
    tx.execute(sa.insert(_event), tx.events)


def after(tx: Transaction, last: int, limit: int) -> list[Event]:
    """Return at most `limit` events with ids greater than `last`, oldest first."""
    query = sa.select(_event).where(_event.c.event_id > last).order_by(_event.c.event_id).limit(limit)
    return [Event(row.event_id, row.at, row.kind, row.subject, json.loads(row.payload)) for row in tx.execute(query)]


def bounds(tx: Transaction) -> tuple[int, int]:
    """Return the smallest and the largest id there is; (0, 0) if there are no events."""
    oldest = sa.select(sa.func.min(_event.c.event_id)).scalar_subquery()
    newest = sa.select(sa.func.max(_event.c.event_id)).scalar_subquery()
    row = tx.execute(sa.select(oldest.label("oldest"), newest.label("newest"))).one()  # asked together SQLite reads all
    return row.oldest or 0, row.newest or 0


def trim(tx: Transaction, keep: int) -> int:
    """Delete all but the newest `keep` events; return how many went."""
    _, newest = bounds(tx)
    return tx.execute(sa.delete(_event).where(_event.c.event_id <= newest - keep)).rowcount
