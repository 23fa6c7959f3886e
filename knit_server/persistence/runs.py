"""Runs at rest: their status, assignments, leases, and what is recorded of their execution."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from knit_server.domain.errors import InvalidTransition, NotFound
from knit_server.domain.ids import CauseId, KnitId, PlanId, RunId
from knit_server.domain.runs import Assignment, Exit, Run, Status
from knit_server.persistence import events, tables
from knit_server.persistence.batches import batched, possible
from knit_server.persistence.database import Transaction

_run = tables.run


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to work on a Run, until an instant in milliseconds. Without an owner, nobody works on it until then."""

    owner: str | None
    until: int


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What is recorded of how a Run is executed. `note` tells people why it does not move, `losses`
    how often its program was lost together with a server, `tries` how many attempts ended badly and are repeated, and
    `again_at` before when nobody begins the next one (None: it does not wait for that)."""

    executor: str | None = None
    image_digest: str | None = None
    sandbox: str | None = None
    note: str | None = None
    losses: int | None = None
    tries: int | None = None
    again_at: int | None = None


def insert(tx: Transaction, new: Sequence[Run], now: int, lease: Lease | None = None) -> None:
    """Keep new Runs. The unique run key makes a second Run for the same combination impossible."""
    if not new:
        return
    rows = [
        {
            "run_id": run.run_id,
            "plan_id": run.plan_id,
            "run_key": run.key,
            "status": run.status.value,
            "updated_at": run.updated_at,
            "created_at": now,
            "attempt": run.attempt,
            "cause_id": run.cause,
            "hops": run.hops,
            "lease_owner": lease.owner if lease else None,
            "lease_until": lease.until if lease else None,
        }
        for run in new
    ]
    tx.execute(sa.insert(_run), rows)
    events.record(tx, "run", [(run.run_id, {"status": run.status.value, "planId": run.plan_id}) for run in new], now)


def assign(tx: Transaction, assignments: Iterable[tuple[RunId, Assignment]]) -> None:
    """Keep which Data Runs take."""
    rows = [{"run_id": run_id, "path": each.path, "knit_id": each.knit_id} for run_id, each in assignments]
    if rows:
        tx.execute(sa.insert(tables.run_input), rows)


def get(tx: Transaction, run_id: str) -> Run:
    """Return a Run. Raises `NotFound`."""
    found = many(tx, [run_id])
    if run_id not in found:
        raise NotFound(f"there is no Run {run_id}", advice="List the Runs: knit run find")
    return found[run_id]


def lock(tx: Transaction, run_id: str) -> Run:
    """Return a Run that nobody else moves until the transaction ends. Raises `NotFound`."""
    query = sa.select(_run).where(_run.c.run_id.in_(possible([run_id]))).with_for_update(key_share=True)
    row = tx.execute(query).first()
    return get(tx, run_id) if row is None else to_run(row)


def lock_in_order(tx: Transaction, *conditions: sa.ColumnElement[bool]) -> list[RunId]:
    """Lock the Runs that fulfil all conditions, oldest first as everybody does, so that nobody waits in a circle."""
    query = sa.select(_run.c.run_id).where(*conditions).order_by(_run.c.seq).with_for_update(key_share=True)
    return [RunId(row.run_id) for row in tx.execute(query)]


def lock_many(tx: Transaction, run_ids: Iterable[str]) -> list[Run]:
    """Return those of the Runs that exist, oldest first; nobody else moves them until the transaction ends."""
    for some in batched(_by_age(tx, run_ids)):
        lock_in_order(tx, _run.c.run_id.in_(some))
    return in_order(tx, run_ids)


def in_order(tx: Transaction, run_ids: Iterable[str]) -> list[Run]:
    """Return those of the Runs that exist, oldest first."""
    found = many(tx, run_ids)
    return [found[run_id] for run_id in _by_age(tx, found)]


def _by_age(tx: Transaction, run_ids: Iterable[str]) -> list[str]:
    found: list[tuple[int, str]] = []
    for some in batched(possible(run_ids)):
        query = sa.select(_run.c.seq, _run.c.run_id).where(_run.c.run_id.in_(some))
        found += [(row.seq, row.run_id) for row in tx.execute(query)]
    return [run_id for _, run_id in sorted(found)]


def many(tx: Transaction, run_ids: Iterable[str]) -> dict[str, Run]:
    """Return those of the Runs that exist, by id."""
    found: dict[str, Run] = {}
    for some in batched(possible(run_ids)):
        for row in tx.execute(sa.select(_run).where(_run.c.run_id.in_(some))).all():
            found[row.run_id] = to_run(row)
    return found


def move(tx: Transaction, old: Run, new: Run) -> None:
    """Write the change from `old` to `new`. Raises `InvalidTransition` if the Run has moved on in between."""
    values: dict[str, object] = {
        "status": new.status.value,
        "updated_at": new.updated_at,
        "attempt": new.attempt,
        "exit_code": new.exit.code if new.exit else None,
        "exit_message": new.exit.message if new.exit else None,
        "note": None,
        "again_at": None,
    }
    still = sa.and_(_run.c.run_id == old.run_id, _run.c.status == old.status.value, _run.c.attempt == old.attempt)
    if tx.execute(sa.update(_run).where(still).values(values)).rowcount != 1:
        raise InvalidTransition(
            f"Run {old.run_id} is not {old.status.value} any more",
            advice=f"See how it stands: knit run show {old.run_id}",
        )
    if new.status is not old.status:
        events.record(tx, "run", [(new.run_id, {"status": new.status.value, "planId": new.plan_id})], new.updated_at)


def forget_execution(tx: Transaction, run_id: str) -> None:
    """Forget how a Run was executed, and how often that was lost: it begins as if for the first time."""
    nothing = dict.fromkeys(("executor", "image_digest", "sandbox", "note", "lease_owner", "lease_until", "again_at"))
    tx.execute(sa.update(_run).where(_run.c.run_id == run_id).values(**nothing, losses=0, tries=0))


def erase(tx: Transaction, run_ids: Iterable[str]) -> None:
    """Remove Runs for good, with their assignments. Their Data must be gone already."""
    for some in batched(run_ids):
        tx.execute(sa.delete(tables.run_input).where(tables.run_input.c.run_id.in_(some)))
        tx.execute(sa.delete(_run).where(_run.c.run_id.in_(some)))


def deleted_consumers(tx: Transaction, knit_ids: Iterable[str]) -> list[RunId]:
    """Return the deleted Runs that took one of the Data."""
    found: dict[RunId, None] = {}
    joined = tables.run_input.join(_run)
    for some in batched(knit_ids):
        query = (
            sa.select(_run.c.run_id)
            .select_from(joined)
            .where(tables.run_input.c.knit_id.in_(some), _run.c.status == Status.INVALIDATED.value)
        )
        found |= {RunId(row.run_id): None for row in tx.execute(query)}
    return list(found)


def move_plan(tx: Transaction, plan_id: str, old: Status, new: Status, now: int) -> int:
    """Switch all Runs of a Plan from `old` to `new` (`domain.runs.SWITCHED`); return how many there were.

    `updated_at` stays. What they waited for is forgotten: those that are off wait for the switch alone.
    """
    moved = lock_in_order(tx, _run.c.plan_id == plan_id, _run.c.status == old.value)
    for some in batched(moved):
        tx.execute(sa.update(_run).where(_run.c.run_id.in_(some)).values(status=new.value, note=None))
    events.record(tx, "run", [(run_id, {"status": new.value, "planId": plan_id}) for run_id in moved], now)
    return len(moved)


def known_keys(tx: Transaction, keys: Iterable[str]) -> set[str]:
    """Return those run keys for which there is a Run, in whatever status."""
    found: set[str] = set()
    for some in batched(keys):
        found.update(row.run_key for row in tx.execute(sa.select(_run.c.run_key).where(_run.c.run_key.in_(some))))
    return found


def inputs_of(tx: Transaction, run_ids: Iterable[str]) -> dict[str, tuple[Assignment, ...]]:
    """Return which Data each Run takes, by path."""
    found: dict[str, list[Assignment]] = {}
    for some in batched(run_ids):
        query = sa.select(tables.run_input).where(tables.run_input.c.run_id.in_(some))
        for row in tx.execute(query).all():
            found.setdefault(row.run_id, []).append(Assignment(path=row.path, knit_id=KnitId(row.knit_id)))
    return {run_id: tuple(sorted(rows, key=lambda each: (each.path, each.knit_id))) for run_id, rows in found.items()}


def consumers(tx: Transaction, knit_ids: Iterable[str]) -> list[tuple[KnitId, str, RunId]]:
    """Return (Data, path, Run) for each Run that took one of the Data, oldest Run first, without deleted Runs."""
    found: list[tuple[int, KnitId, str, RunId]] = []
    joined = tables.run_input.join(_run)
    for some in batched(knit_ids):
        query = (
            sa.select(tables.run_input, _run.c.seq)
            .select_from(joined)
            .where(tables.run_input.c.knit_id.in_(some), _run.c.status != Status.INVALIDATED.value)
        )
        found += [(row.seq, KnitId(row.knit_id), row.path, RunId(row.run_id)) for row in tx.execute(query).all()]
    return [row[1:] for row in sorted(found)]


def record(tx: Transaction, run_id: str, execution: Execution) -> None:
    """Keep what is known of a Run's execution; None leaves what is there."""
    values = {name: value for name, value in vars(execution).items() if value is not None}
    if values:
        tx.execute(sa.update(_run).where(_run.c.run_id == run_id).values(values))


def execution(tx: Transaction, run_id: str) -> Execution:
    """Return what was recorded of a Run's execution."""
    row = tx.execute(sa.select(_run).where(_run.c.run_id == run_id)).one()
    return Execution(
        executor=row.executor, image_digest=row.image_digest, sandbox=row.sandbox, note=row.note, losses=row.losses,
        tries=row.tries, again_at=row.again_at,
    )  # fmt: skip


def count_by_status(tx: Transaction) -> dict[str, int]:
    """Return how many Runs are in each status."""
    query = sa.select(_run.c.status, sa.func.count().label("n")).group_by(_run.c.status)
    return {row.status: row.n for row in tx.execute(query)}


def to_run(row: sa.Row[tuple[object, ...]]) -> Run:
    """Return the Run of a row of the run table."""
    return Run(
        run_id=RunId(row.run_id),
        plan_id=PlanId(row.plan_id),
        key=row.run_key,
        status=Status(row.status),
        updated_at=row.updated_at,
        exit=None if row.exit_code is None else Exit(row.exit_code, row.exit_message or ""),
        attempt=row.attempt,
        cause=None if row.cause_id is None else CauseId(row.cause_id),
        hops=row.hops,
    )
