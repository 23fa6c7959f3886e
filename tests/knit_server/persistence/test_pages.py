"""Pages put together are the list, whatever the size of the pages, also while the list grows and Runs go on."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored import Keeper

from knit_server.domain.data import Data
from knit_server.domain.paging import Order, Page
from knit_server.domain.runs import Run, Status
from knit_server.domain.tags import Tag
from knit_server.persistence import Database, data, queries
from knit_server.testing import some_tags

ALL: tuple[Any, ...] = ((), (), (), (), None, None)
TAG = some_tags("a:1")

Row = tuple[int | None, bool]
"""A Data to keep: its timestamp, None while its Run goes on, and whether it carries the tag."""

ROWS = st.lists(st.tuples(st.none() | st.integers(1000, 1003), st.booleans()), max_size=12)


def keep_data(keep: Keeper, rows: Sequence[Row]) -> list[Data]:
    kept = []
    for at, tagged in rows:
        tags = (Tag("a", "1"),) if tagged else ()
        kept.append(keep.done(*tags, at=at) if at else keep.data(keep.run(keep.plan(), Status.RUNNING), tags=tags))
    return kept


def in_pages(
    db: Database, page: Callable[..., Page[Any]], *query: object, size: Callable[[], int],
    between: Callable[[], object] = lambda: None,
) -> list[Any]:  # fmt: skip
    """Read a list page by page, each in a transaction of its own."""
    found: list[Any] = []
    after: object = None
    while True:
        limit = size()
        with db.read() as tx:
            got = page(tx, *query, after, limit)
        assert len(got.rows) <= limit
        found += got.rows
        if got.next is None:
            return found
        assert len(got.rows) == limit, "only the last page may be shorter"
        after = got.next
        between()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    db = Database(f"sqlite:///{folder / 'empty.db'}")
    db.open()
    db.close()
    return folder


def fresh(folder: Path) -> Database:
    """An empty database, made in a moment from one that is kept."""
    for old in folder.glob("knit.db*"):
        old.unlink()
    shutil.copy(folder / "empty.db", folder / "knit.db")
    db = Database(f"sqlite:///{folder / 'knit.db'}")
    db.open()
    return db


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS, sizes=st.lists(st.integers(1, 5), min_size=1), tagged=st.booleans(), window=st.booleans())
def test_pages_of_data(folder: Path, rows: list[Row], sizes: list[int], tagged: bool, window: bool) -> None:
    """Any pages of any list of Data, put together, are the list."""
    db = fresh(folder)
    query = (TAG if tagged else (), 1000, 1002) if window else (TAG if tagged else (), None, None)
    try:
        keep_data(Keeper(db), rows)
        with db.read() as tx:
            whole = data.find(tx, *query)
        turns = iter(sizes * 50)
        assert in_pages(db, data.page, *query, size=lambda: next(turns)) == whole
    finally:
        db.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS, more=ROWS, size=st.integers(1, 4), seed=st.integers(0, 99))
def test_data_come_and_change(folder: Path, rows: list[Row], more: list[Row], size: int, seed: int) -> None:
    """While new Data come and Runs end between the pages: everything that is there is told, nothing twice."""
    db, chance = fresh(folder), random.Random(seed)
    keep = Keeper(db)
    clock, coming = iter(range(2000, 9000)), iter(more)
    try:
        running = [each for each in keep_data(keep, rows) if each.timestamp is None]

        def change() -> None:
            if running and chance.random() < 0.7:
                with db.write() as tx:
                    data.settle(tx, running.pop(chance.randrange(len(running))).knit_id, None, next(clock))
            for at, tagged in islice(coming, 1):
                kept = keep_data(keep, [(at and next(clock), tagged)])
                running.extend(each for each in kept if each.timestamp is None)

        found = [each.knit_id for each in in_pages(db, data.page, (), None, None, size=lambda: size, between=change)]
        with db.read() as tx:
            there = [each.knit_id for each in data.find(tx, (), None, None)]
        assert len(found) == len(set(found))
        assert set(found) == set(there)
    finally:
        db.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    times=st.lists(st.tuples(st.integers(1000, 1003), st.sampled_from(Status)), max_size=12),
    size=st.integers(1, 5), statuses=st.lists(st.sampled_from(Status), max_size=3, unique=True),
)  # fmt: skip
def test_pages_of_runs(folder: Path, times: list[tuple[int, Status]], size: int, statuses: list[Status]) -> None:
    """Any pages of any list of Runs, put together, are the list; Runs that come meanwhile are at its end."""
    db = fresh(folder)
    keep = Keeper(db)
    query = ((), (), (), statuses, 1000, 9000)
    try:
        plan = keep.plan()
        for at, status in times:
            keep.run(plan, status, at=at)
        clock = iter(range(2000, 2005))

        def change() -> None:
            if (now := next(clock, None)) is not None:
                keep.run(plan, Status.DONE, at=now)

        found = in_pages(db, queries.page_of_runs, *query, size=lambda: size, between=change)
        with db.read() as tx:
            assert found == queries.find_runs(tx, *query)
    finally:
        db.close()


def test_newest_first_is_the_list_from_its_end(db: Database, keep: Keeper) -> None:
    """On both databases: the same rows the other way round, as a whole and in pages of any size."""
    keep_data(keep, [(1001, True), (None, True), (1000, False), (1001, True), (1000, True), (None, False)])
    newest = {"order": Order.NEWEST}
    for tags, since, transient in [((), None, None), (TAG, None, None), ((), 1001, None), ((), None, False)]:
        with db.read() as tx:
            whole = data.find(tx, tags, since, None, transient=transient)[::-1]
            assert data.find(tx, tags, since, None, transient=transient, order=Order.NEWEST) == whole
        for size in (1, 2, 3, 7):
            page = partial(data.page, transient=transient, order=Order.NEWEST)
            assert in_pages(db, page, tags, since, None, size=lambda: size) == whole  # noqa: B023
    with db.read() as tx:
        runs = queries.find_runs(tx, *ALL)[::-1]
        assert queries.find_runs(tx, *ALL, **newest) == runs
    for size in (1, 2, 3, 7):
        assert in_pages(db, partial(queries.page_of_runs, **newest), *ALL, size=lambda: size) == runs  # noqa: B023


def test_newest_first_passes_nothing_over(db: Database, keep: Keeper) -> None:
    """Data whose Runs end between the pages are told at least once."""
    kept = keep_data(keep, [(1001, True), (None, True), (None, False), (1002, True), (None, False)])
    running = [each for each in kept if each.timestamp is None]

    def change() -> None:
        if running:
            with db.write() as tx:
                data.settle(tx, running.pop(0).knit_id, None, 2000 + len(running))

    found = in_pages(db, partial(data.page, order=Order.NEWEST), (), None, None, size=lambda: 1, between=change)
    assert {each.knit_id for each in found} == {each.knit_id for each in kept}


def test_only_usable_data_or_only_others(db: Database, keep: Keeper) -> None:
    """`transient` tells those that a Plan can take from the others."""
    kept = keep_data(keep, [(1001, True), (None, True), (1000, False)])
    with db.read() as tx:
        for transient in (True, False):
            found = data.find(tx, (), None, None, transient=transient)
            assert {each.knit_id for each in found} == {
                each.knit_id for each in kept if (each.timestamp is None) is transient
            }


def test_both_databases(db: Database, keep: Keeper) -> None:
    """SQLite and PostgreSQL order and compare alike."""
    keep_data(keep, [(1001, True), (None, True), (1000, False), (1001, True), (1000, True), (None, False)])
    with db.read() as tx:
        whole, runs = data.find(tx, (), None, None), queries.find_runs(tx, *ALL)
    for size in (1, 2, 3, 7):
        assert in_pages(db, data.page, (), None, None, size=lambda: size) == whole  # noqa: B023
        found: list[Run] = in_pages(db, queries.page_of_runs, *ALL, size=lambda: size)  # noqa: B023
        assert found == runs


def test_pages_are_found_by_index(tmp_path: Path) -> None:
    """No page reads or sorts a table from end to end."""
    db = Database(f"sqlite:///{tmp_path / 'knit.db'}")
    db.open()
    db.close()
    plans = {
        "timestamp": "SELECT * FROM data JOIN run ON run.run_id = data.run_id WHERE timestamp >= 5 AND"
        " (timestamp > 5 OR data.seq > 3) AND data.seq > 0 ORDER BY timestamp, data.seq LIMIT 3",
        "unset": "SELECT * FROM data JOIN run ON run.run_id = data.run_id WHERE timestamp IS NULL AND data.seq > 3"
        " ORDER BY data.seq LIMIT 3",
        "runs": "SELECT * FROM run WHERE updated_at >= 5 AND (updated_at > 5 OR seq > 3) AND status != 'invalidated'"
        " ORDER BY updated_at, seq LIMIT 3",
    }
    with sqlite3.connect(tmp_path / "knit.db") as connection:
        for name, text in plans.items():
            told = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}"))
            assert "SCAN" not in told, name
            assert "TEMP B-TREE" not in told, name
    connection.close()
