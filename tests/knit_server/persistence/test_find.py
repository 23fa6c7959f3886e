"""Looking for Data and Runs: tags, system tags, times, and the order of what comes out."""

from __future__ import annotations

from itertools import product

import pytest
from stored import Keeper

from knit_server.domain import times
from knit_server.domain.data import Data
from knit_server.domain.ids import KnitId
from knit_server.domain.runs import Assignment, Status
from knit_server.domain.tags import Tag, Tags
from knit_server.persistence import Database, data, queries
from knit_server.testing import some_tags


def found(db: Database, *texts: str, since: int | None = None, until: int | None = None) -> list[KnitId]:
    with db.read() as tx:
        return [each.knit_id for each in data.find(tx, some_tags(*texts), since, until)]


def ids(*found: Data) -> list[KnitId]:
    return [each.knit_id for each in found]


def test_all_tags_must_be_there(db: Database, keep: Keeper) -> None:
    """Data that carry every tag asked for; one tag that nobody carries, and nothing is found (scenario 81)."""
    one, two, both = keep.done(Tag("a", "1")), keep.done(Tag("b", "1")), keep.done(Tag("a", "1"), Tag("b", "1"))
    assert found(db) == ids(one, two, both)
    assert found(db, "a:1") == ids(one, both)
    assert found(db, "a:1", "b:1") == ids(both)
    assert found(db, "b:1", "a:1", "a:1") == ids(both)
    assert found(db, "a:1", "a:2") == []
    assert found(db, "never:seen") == []


@pytest.mark.parametrize("status", Status)
def test_transient(db: Database, keep: Keeper, status: Status) -> None:
    """`knit#transient` follows the Run: processing until it ends, failed if it failed, nothing when it is done.

    (scenario 81)
    """
    made = keep.data(keep.run(keep.plan(), status), tags=some_tags("a:1"))
    shown = {Status.DONE: "", Status.FAILED: "failed", Status.INVALIDATED: "failed"}.get(status, "processing")
    for value in ("processing", "failed"):
        assert found(db, f"knit#transient:{value}", "a:1") == (ids(made) if value == shown else [])
    assert found(db, "knit#transient:processing", "knit#transient:failed") == []


def test_system_tags(db: Database, keep: Keeper) -> None:
    """Ids and times are compared with the Data's own; unknown system keys and two ids find nothing (scenario 81)."""
    one, two = keep.done(Tag("a", "1"), at=1_800_000_000_123), keep.done(Tag("a", "1"), at=1_800_000_000_124)
    assert found(db, f"knit#id:{one.knit_id}") == ids(one)
    assert found(db, f"knit#id:{one.knit_id}", "a:1") == ids(one)
    assert found(db, f"knit#id:{one.knit_id}", "a:2") == []
    assert found(db, f"knit#id:{one.knit_id}", f"knit#id:{two.knit_id}") == []
    when = times.format_instant(1_800_000_000_124)
    assert found(db, f"knit#timestamp:{when}") == ids(two)
    assert found(db, f"knit#timestamp:{when}", "a:1", f"knit#id:{two.knit_id}") == ids(two)
    assert found(db, f"knit#timestamp:{when}", f"knit#id:{one.knit_id}") == []
    with db.read() as tx:
        unknown: tuple[Tags, ...] = ((Tag("knit#colour", "red"),), (Tag("knit#transient", "purged"),))
        assert [data.find(tx, tags, None, None) for tags in unknown] == [[], []]


def test_windows(db: Database, keep: Keeper) -> None:
    """From `since` on, before `until`; a Data without time counts by its Run's last change (scenario 81)."""
    early, late = keep.done(Tag("a", "1"), at=100), keep.done(Tag("a", "1"), at=200)
    unset = keep.data(keep.run(keep.plan(), at=150), tags=some_tags("a:1"))
    when = {early.knit_id: 100, late.knit_id: 200, unset.knit_id: 150}
    edges = (None, 99, 100, 101, 150, 151, 200, 201)
    for (since, until), tags in product(product(edges, edges), ((), ("a:1",))):
        expected = [
            knit_id
            for knit_id in ids(early, late, unset)
            if (since is None or when[knit_id] >= since) and (until is None or when[knit_id] < until)
        ]
        assert found(db, *tags, since=since, until=until) == expected


def test_order(db: Database, keep: Keeper) -> None:
    """By time, the latest last, equal times by age; what has no time yet comes after all."""
    plan = keep.plan()
    unset, late = keep.data(keep.run(plan)), keep.done(at=5)
    same = [keep.done(at=4) for _ in range(5)]
    newest = keep.data(keep.run(plan))
    assert found(db) == ids(*same, late, unset, newest)


def test_fitting(db: Database, keep: Keeper) -> None:
    """For a new Plan only usable Data count (scenario 23)."""
    done = keep.done(Tag("a", "1"), Tag("b", "1"))
    for status in Status:
        if status is not Status.DONE:
            keep.data(keep.run(keep.plan(), status), tags=some_tags("a:1", "b:1"))
    with db.read() as tx:
        assert data.fitting(tx, some_tags("a:1", "b:1")) == [done.knit_id]
        assert data.fitting(tx, some_tags("a:1", f"knit#id:{done.knit_id}")) == [done.knit_id]
        assert data.fitting(tx, some_tags("c:1")) == []


def test_runs(db: Database, keep: Keeper) -> None:
    """Each list is any of, all lists together are all of; deleted Runs are never shown."""
    data_in = [keep.done() for _ in range(2)]
    one, two = keep.plan(), keep.plan()
    taken = [(Assignment(path="/in", knit_id=each.knit_id),) for each in data_in]
    runs = [
        keep.run(one, Status.WAITING, at=30, inputs=taken[0]),
        keep.run(one, Status.DONE, at=20, inputs=taken[1]),
        keep.run(two, Status.DONE, at=20, inputs=taken[0]),
    ]
    keep.run(two, Status.INVALIDATED, at=10, inputs=taken[0])
    log = keep.data(runs[1], None)

    def find(
        plans: tuple[str, ...] = (), inputs: tuple[str, ...] = (), outputs: tuple[str, ...] = (),
        statuses: tuple[Status, ...] = (), since: int | None = None, until: int | None = None,
    ) -> list[int]:  # fmt: skip
        with db.read() as tx:
            return [
                runs.index(run)
                for run in queries.find_runs(tx, plans, inputs, outputs, statuses, since, until)
                if run in runs
            ]

    assert find(plans=(one.plan_id,)) == [1, 0]
    assert find(plans=(one.plan_id, two.plan_id)) == [1, 2, 0]
    assert find(inputs=(data_in[0].knit_id,)) == [2, 0]
    assert find(inputs=(data_in[0].knit_id, "ghost", "a\0b")) == [2, 0]
    assert find(inputs=("a\0b",)) == []
    assert find(outputs=(log.knit_id,)) == [1]
    assert find(statuses=(Status.WAITING,)) == [0]
    assert find(statuses=(Status.INVALIDATED,)) == []
    assert find(plans=(one.plan_id,), inputs=(data_in[0].knit_id,), statuses=(Status.DONE,)) == []
    assert (find(since=20, until=30, plans=(one.plan_id,)), find(since=21), find(until=20)) == ([1], [0], [])
