"""What only `why` asks for: counts, positions and the nearest Data. Every query is bounded or counts along an index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from knit_server.domain.ids import KnitId, PlanId, RunId
from knit_server.domain.runs import Assignment, Run, Status
from knit_server.domain.tags import ID, Tags
from knit_server.persistence import tables, tags
from knit_server.persistence.batches import batched, possible
from knit_server.persistence.causes import Decision, decided
from knit_server.persistence.database import Transaction

_run = tables.run
_nomination = tables.nomination
_input = tables.plan_input

_LOOKED_AT = 1_000
"""Data looked at for each tag when the nearest are sought."""
_TAGS = 8
"""Tags of an input by which the nearest are sought: the rarest."""
_COUNTED = 10_000
"""Runs before another one are counted no further."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Runs of an input (`path`) of a Plan in one status: how many, and the newest."""

    plan_id: PlanId
    path: str
    status: Status
    count: int
    newest: RunId


@dataclass(frozen=True, kw_only=True)
class Filed:
    """A decision with its instant and the kind of its event."""

    at: int
    event: str
    decision: Decision


def taking(tx: Transaction, knit_id: str) -> list[Group]:
    """Return the Runs that took a Data, deleted ones too, by Plan, path and status."""
    took = tables.run_input
    query = (
        sa.select(
            _run.c.plan_id, took.c.path, _run.c.status, sa.func.count().label("n"),
            sa.func.max(_run.c.seq).label("seq"),
        )
        .select_from(took.join(_run))
        .where(took.c.knit_id == knit_id)
        .group_by(_run.c.plan_id, took.c.path, _run.c.status)
    )  # fmt: skip
    return _groups(tx, query)


def of_plan(tx: Transaction, plan_id: str) -> list[Group]:
    """Return the Runs of a Plan, deleted ones too, by status; their path is empty."""
    query = (
        sa.select(
            _run.c.plan_id, sa.literal("").label("path"), _run.c.status, sa.func.count().label("n"),
            sa.func.max(_run.c.seq).label("seq"),
        )
        .where(_run.c.plan_id == plan_id)
        .group_by(_run.c.plan_id, _run.c.status)
    )  # fmt: skip
    return _groups(tx, query)


def pending_of(tx: Transaction, knit_id: str) -> set[tuple[PlanId, str]]:
    """Return the inputs, by Plan and path, for which a Data still owes Runs."""
    query = (
        sa.select(_input.c.plan_id, _input.c.path)
        .select_from(_nomination.join(_input))
        .where(_nomination.c.knit_id == knit_id, _nomination.c.pending)
    )
    return {(PlanId(row.plan_id), row.path) for row in tx.execute(query)}


def fitting(tx: Transaction, plan_ids: Iterable[str]) -> dict[tuple[PlanId, str], int]:
    """Return how many Data fit each input of the Plans; inputs that none fits are left out."""
    found: dict[tuple[PlanId, str], int] = {}
    for some in batched(plan_ids):
        query = (
            sa.select(_input.c.plan_id, _input.c.path, sa.func.count().label("n"))
            .select_from(_nomination.join(_input))
            .where(_input.c.plan_id.in_(some))
            .group_by(_input.c.plan_id, _input.c.path)
        )
        found |= {(PlanId(row.plan_id), row.path): row.n for row in tx.execute(query)}
    return found


def nearest(tx: Transaction, asked: Tags, *, limit: int) -> list[KnitId]:
    """Return Data that carry most of the tags that an input asks for, the most and then the newest first.

    For each of its rarest tags no more than `_LOOKED_AT` Data are looked at: of tags that very many carry, some do.
    """
    pinned = possible(tag.value for tag in asked if tag.key == ID)
    if pinned:
        return [KnitId(row.knit_id) for row in tx.execute(_known(pinned).limit(limit))]
    ids = tags.find(tx, [tag for tag in asked if not tag.is_system])
    if not ids:
        return []
    rarest = sorted(ids, key=lambda tag: tags.uses(tx, tag, at_most=_LOOKED_AT))[:_TAGS]
    carried = tables.data_tag
    some = [
        sa.select(carried.c.knit_id).where(carried.c.tag_id == ids[tag]).limit(_LOOKED_AT).subquery() for tag in rarest
    ]
    looked_at = sa.select(sa.union(*(sa.select(each.c.knit_id) for each in some)).subquery().c.knit_id)
    by = [ids[tag] for tag in rarest]
    query = (
        sa.select(carried.c.knit_id)
        .select_from(carried.join(tables.data))
        .where(carried.c.knit_id.in_(looked_at), carried.c.tag_id.in_(by))
        .group_by(carried.c.knit_id, tables.data.c.seq)
        .order_by(sa.func.count().desc(), tables.data.c.seq.desc())
        .limit(limit)
    )
    return [KnitId(row.knit_id) for row in tx.execute(query)]


def newest(tx: Transaction, limit: int) -> list[KnitId]:
    """Return the Data that were made last, the newest first."""
    query = sa.select(tables.data.c.knit_id).order_by(tables.data.c.seq.desc()).limit(limit)
    return [KnitId(row.knit_id) for row in tx.execute(query)]


def ahead_of(tx: Transaction, run: Run) -> int:
    """Return how many waiting Runs are older than `run`, counting no further than `_COUNTED`."""
    mine = sa.select(_run.c.seq).where(_run.c.run_id == run.run_id).scalar_subquery()
    waiting = sa.select(_run.c.seq).where(_run.c.status == Status.WAITING.value, _run.c.seq < mine).limit(_COUNTED)
    return int(tx.execute(sa.select(sa.func.count()).select_from(waiting.subquery())).scalar_one())


def executing(tx: Transaction, statuses: Sequence[Status], owner: str | None) -> dict[PlanId, int]:
    """Return how many Runs of each Plan are in one of `statuses` and leased by `owner` (None: by anybody)."""
    leased = _run.c.lease_owner.is_not(None) if owner is None else _run.c.lease_owner == owner
    query = (
        sa.select(_run.c.plan_id, sa.func.count().label("n"))
        .where(_run.c.status.in_([status.value for status in statuses]), leased)
        .group_by(_run.c.plan_id)
    )
    return {PlanId(row.plan_id): row.n for row in tx.execute(query)}


def leased_until(tx: Transaction, run_id: str) -> int | None:
    """Return until when somebody works on a Run, in milliseconds; None if nobody said so."""
    found: int | None = tx.execute(sa.select(_run.c.lease_until).where(_run.c.run_id == run_id)).scalar_one()
    return found


def cause(tx: Transaction, cause_id: str) -> tuple[str, str, int] | None:
    """Return the kind, the subject and the instant of an outside event."""
    row = tx.execute(sa.select(tables.cause).where(tables.cause.c.cause_id == cause_id)).first()
    return None if row is None else (row.kind, row.subject, row.at)


def receipts(
    tx: Transaction, *, knit_id: str | None = None, plan_id: str | None = None, cause_id: str | None = None,
    taken: Sequence[Assignment] | None = None, limit: int,
) -> list[Filed]:  # fmt: skip
    """Return the newest decisions about a Data, about a Plan, under a cause, about the Data that a Run has `taken` at
    the paths where it takes them, or all of that together; newest first.
    """
    table = tables.decision
    query = sa.select(table, tables.cause.c.kind).select_from(table.join(tables.cause))
    for column, wanted in ((table.c.knit_id, knit_id), (table.c.plan_id, plan_id), (table.c.cause_id, cause_id)):
        query = query if wanted is None else query.where(column == wanted)
    if taken is not None:
        places = [(each.knit_id, each.path) for each in taken]
        query = query.where(sa.tuple_(table.c.knit_id, table.c.path).in_(places))
    rows = tx.execute(query.order_by(table.c.seq.desc()).limit(limit))
    return [Filed(at=row.at, event=row.kind, decision=decided(row)) for row in rows]


def _known(ids: Sequence[str]) -> sa.Select[tuple[str]]:
    return sa.select(tables.data.c.knit_id).where(tables.data.c.knit_id.in_(ids))


def _groups(tx: Transaction, query: sa.Select[tuple[str, str, str, int, int]]) -> list[Group]:
    rows = tx.execute(query).all()
    newest: dict[int, RunId] = {}
    for some in batched({row.seq for row in rows}):
        found = tx.execute(sa.select(_run.c.seq, _run.c.run_id).where(_run.c.seq.in_(some)))
        newest.update({row.seq: RunId(row.run_id) for row in found})
    return [
        Group(
            plan_id=PlanId(row.plan_id), path=row.path, status=Status(row.status), count=row.n, newest=newest[row.seq]
        )
        for row in rows
    ]  # fmt: skip
