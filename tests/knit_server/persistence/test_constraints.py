"""Promises that the database itself keeps, whatever the code above it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from stored import Keeper

from knit_server.domain.ids import KnitId, PlanId, RunId
from knit_server.domain.plans import Plan
from knit_server.domain.runs import Assignment
from knit_server.persistence import Database, data, plans, runs, tables


def refused(db: Database, constraint: str, change: Callable[[], None]) -> None:
    """Assert that `change` breaks the constraint; SQLite names the columns, PostgreSQL the constraint."""
    table, *columns = next(
        (table.name, *(column.name for column in each.columns))
        for table in tables.metadata.tables.values()
        for each in table.constraints
        if each.name == constraint
    )
    words = constraint if "postgresql" in str(db.url) else ", ".join(f"{table}.{column}" for column in columns)
    with pytest.raises(IntegrityError, match=words):
        change()


def test_one_run_per_key(db: Database, keep: Keeper) -> None:
    """A second Run for the same combination cannot be stored, not even of a deleted one (scenario 42)."""
    plan = keep.plan()
    keep.run(plan, key="k")
    refused(db, "uq_run_key", lambda: keep.run(plan, key="k") and None)


def test_one_data_per_output(db: Database, keep: Keeper) -> None:
    """An output of a Run has one Data; its log, which has no path, too."""
    run = keep.run(keep.plan())
    for path in ("/out", None):
        keep.data(run, path)
        refused(db, "uq_data_producer", lambda path=path: keep.data(run, path) and None)


def test_one_plan_per_identity(db: Database, keep: Keeper) -> None:
    """The same Plan cannot be stored twice; one with another argument order can."""
    plan = keep.plan()
    assert plan.spec is not None
    refused(db, "uq_plan_identity", lambda: keep.plan(plan.spec) and None)
    keep.plan(replace(plan.spec, args=("a", "b")))
    keep.plan(replace(plan.spec, args=("b", "a")))


def test_equal_hashes_are_different_plans(keep: Keeper) -> None:
    """Knitfab's hash joins parts without separators: Plans that share it are told apart all the same (scenario 16)."""
    plan = keep.plan()
    assert plan.spec is not None
    one, two = replace(plan.spec, args=("ab", "c")), replace(plan.spec, args=("a", "bc"))
    first, second = keep.plan(one), keep.plan(two)
    with keep.db.read() as tx:
        hashes = sa.select(tables.plan.c.plan_id, tables.plan.c.identity_hash)
        by_id = {row.plan_id: row.identity_hash for row in tx.execute(hashes)}
        assert by_id[first.plan_id] == by_id[second.plan_id]
        assert plans.equivalent(tx, one) == first.plan_id
        assert plans.equivalent(tx, two) == second.plan_id


def test_built_in_plans_are_registered_once(db: Database) -> None:
    """There is one Plan of uploads."""

    def register() -> None:
        with db.write() as tx:
            plans.insert(tx, Plan(plan_id=PlanId("1"), name="knit#uploaded"), 1)
            plans.insert(tx, Plan(plan_id=PlanId("2"), name="knit#uploaded"), 1)

    refused(db, "uq_plan_name", register)


def test_nothing_refers_to_what_is_not_there(db: Database, keep: Keeper) -> None:
    """Runs need their Plan, Data their Run, assignments their Data: also on SQLite, which asks for a switch."""
    run = keep.run(keep.plan())
    ghost = replace(run, run_id=RunId("ghost"), key="ghost", plan_id=PlanId("ghost"))
    with pytest.raises(IntegrityError), db.write() as tx:
        runs.insert(tx, [ghost], 1)
    with pytest.raises(IntegrityError), db.write() as tx:
        runs.assign(tx, [(run.run_id, Assignment(path="/in", knit_id=KnitId("ghost")))])
    made = keep.data(run)
    with pytest.raises(IntegrityError), db.write() as tx:
        data.settle(tx, made.knit_id, "ghost", 1)
