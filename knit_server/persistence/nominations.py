"""Nominations at rest: which Data fit which inputs, and which of these pairs still owe Runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from knit_server.domain.ids import CauseId, KnitId, PlanId
from knit_server.domain.tags import Tag, digest
from knit_server.persistence import tables
from knit_server.persistence.batches import batched
from knit_server.persistence.database import Transaction
from knit_server.persistence.tags import insert_or_ignore

_nomination = tables.nomination
_input = tables.plan_input
_joined = _nomination.join(_input)


@dataclass(frozen=True, kw_only=True)
class InputRef:
    """An input as the database names it."""

    input_id: int
    plan_id: PlanId
    path: str


@dataclass(frozen=True, kw_only=True)
class Nomination:
    """A Data that fits an input. `cause` and `hops` tell what made it so."""

    input: InputRef
    knit_id: KnitId
    cause: CauseId | None = None
    hops: int = 0


def anchored(tx: Transaction, probes: Iterable[Tag]) -> list[InputRef]:
    """Return the inputs indexed under one of these tags: all that a Data carrying them can fit, and few others."""
    found: list[InputRef] = []
    for some in batched({digest(tag) for tag in probes}):
        found += [_ref(row) for row in tx.execute(sa.select(_input).where(_input.c.anchor.in_(some)))]
    return sorted(found, key=lambda each: (each.plan_id, each.path))


def inputs_of(tx: Transaction, plan_id: str) -> list[InputRef]:
    """Return the inputs of a Plan, by path."""
    found = [_ref(row) for row in tx.execute(sa.select(_input).where(_input.c.plan_id == plan_id))]
    return sorted(found, key=lambda each: each.path)


def of_data(tx: Transaction, knit_ids: Iterable[str]) -> dict[str, list[InputRef]]:
    """Return the inputs that each Data is nominated for, by Plan and path."""
    found: dict[str, list[InputRef]] = {}
    for some in batched(knit_ids):
        query = sa.select(_nomination.c.knit_id, *_input.c).select_from(_joined)
        for row in tx.execute(query.where(_nomination.c.knit_id.in_(some))):
            found.setdefault(row.knit_id, []).append(_ref(row))
    for refs in found.values():
        refs.sort(key=lambda each: (each.plan_id, each.path))
    return found


def settled_for(tx: Transaction, plan_id: str, path: str) -> list[KnitId]:
    """Return the Data nominated for the input of a Plan at `path`, oldest first.

    Pending nominations are left out: when their turn comes they will see the others.
    """
    query = (
        sa.select(_nomination.c.knit_id)
        .select_from(_joined.join(tables.data, tables.data.c.knit_id == _nomination.c.knit_id))
        .where(_input.c.plan_id == plan_id, _input.c.path == path, _nomination.c.pending.is_(sa.false()))
        .order_by(tables.data.c.seq)
    )
    return [KnitId(row.knit_id) for row in tx.execute(query)]


def add(tx: Transaction, new: Iterable[Nomination]) -> None:
    """Keep new nominations; each owes Runs until it is settled. Those that are there already stay as they are."""
    rows = [
        {
            "input_id": each.input.input_id, "knit_id": each.knit_id, "pending": True,
            "cause_id": each.cause, "hops": each.hops,
        }
        for each in new
    ]  # fmt: skip
    if rows:
        tx.execute(insert_or_ignore(tx, _nomination), rows)


def remove(tx: Transaction, knit_id: str, input_ids: Iterable[int]) -> None:
    """Forget that a Data fits these inputs."""
    for some in batched(input_ids):
        where = sa.and_(_nomination.c.knit_id == knit_id, _nomination.c.input_id.in_(some))
        tx.execute(sa.delete(_nomination).where(where))


def pending(tx: Transaction, limit: int) -> list[Nomination]:
    """Return nominations that still owe Runs."""
    query = (
        sa.select(_nomination, _input.c.plan_id, _input.c.path)
        .select_from(_joined)
        .where(_nomination.c.pending)
        .order_by(_nomination.c.input_id, _nomination.c.knit_id)
        .limit(limit)
    )
    return [
        Nomination(input=_ref(row), knit_id=KnitId(row.knit_id), cause=row.cause_id, hops=row.hops)
        for row in tx.execute(query)
    ]


def settle(tx: Transaction, done: Iterable[Nomination]) -> None:
    """Note that nominations owe no more Runs."""
    by_input: dict[int, list[KnitId]] = {}
    for each in done:
        by_input.setdefault(each.input.input_id, []).append(each.knit_id)
    for input_id, knit_ids in by_input.items():
        for some in batched(knit_ids):
            where = sa.and_(_nomination.c.input_id == input_id, _nomination.c.knit_id.in_(some))
            tx.execute(sa.update(_nomination).where(where).values(pending=False))


def _ref(row: sa.Row[tuple[object, ...]]) -> InputRef:
    return InputRef(input_id=row.input_id, plan_id=PlanId(row.plan_id), path=row.path)
