"""Who works on a Run: one at a time, for a while, and others take over."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from stored import Keeper

from knit_server.domain.runs import Status
from knit_server.persistence import Database, leases, runs
from knit_server.persistence.runs import Lease

WAITING = (Status.WAITING,)


def available(db: Database, now: int, limit: int | None = None, statuses: tuple[Status, ...] = WAITING) -> list[str]:
    with db.write() as tx:
        return [run.run_id for run in leases.available(tx, statuses, now, limit=limit)]


def losses(db: Database, run_id: str) -> int | None:
    with db.read() as tx:
        return runs.execution(tx, run_id).losses


def test_available(db: Database, keep: Keeper) -> None:
    """Runs in the statuses asked for, oldest first, whose lease is over or never was (scenario 47)."""
    plan = keep.plan()
    free = keep.run(plan, at=9)
    over = keep.run(plan, at=1, lease=Lease(owner="a", until=99))
    held = keep.run(plan, lease=Lease(owner="a", until=100))
    ready = keep.run(plan, Status.READY)
    assert available(db, 100) == [free.run_id, over.run_id]
    assert available(db, 101) == [free.run_id, over.run_id, held.run_id]
    assert available(db, 101, limit=2) == [free.run_id, over.run_id]
    assert available(db, 100, statuses=(Status.READY, Status.WAITING)) == [free.run_id, over.run_id, ready.run_id]
    assert available(db, 100, statuses=()) == []


def test_take_renew_drop(db: Database, keep: Keeper) -> None:
    """A lease is taken, prolonged by its owner alone, and given back (scenario 47)."""
    plan = keep.plan()
    mine, other = keep.run(plan), keep.run(plan)
    with db.write() as tx:
        leases.take(tx, [mine.run_id], Lease(owner="me", until=50))
        leases.take(tx, [other.run_id], Lease(owner="you", until=50))
        leases.take(tx, [], Lease(owner="me", until=50))
    assert available(db, 50) == []
    with db.write() as tx:
        both = [mine.run_id, other.run_id, "ghost"]
        assert leases.renew(tx, both, Lease(owner="me", until=80)) == {mine.run_id}
    assert available(db, 60) == [other.run_id]
    with db.write() as tx:
        leases.drop(tx, [mine.run_id])
        assert leases.renew(tx, [mine.run_id], Lease(owner="me", until=80)) == set()
    assert available(db, 0) == [mine.run_id]


def test_losses(db: Database, keep: Keeper) -> None:
    """Whoever takes over a Run that still names its owner counts a loss; one that was left in good order is none."""
    plan = keep.plan()
    lost, left = keep.run(plan, lease=Lease(owner="dead", until=1)), keep.run(plan)
    for _ in range(2):
        with db.write() as tx:
            leases.inherit(tx, [lost.run_id, left.run_id], Lease(owner="heir", until=9))
            leases.drop(tx, [left.run_id])
    assert (losses(db, lost.run_id), losses(db, left.run_id)) == (2, 0)


def test_drop_others(db: Database, keep: Keeper) -> None:
    """The leases of all other owners end, but those on uploads; the owner's name stays, so that the loss counts."""
    plan, uploads = keep.plan(), keep.plan()
    dead, mine = (keep.run(plan, lease=Lease(owner=owner, until=10**15)) for owner in ("dead", "me"))
    upload = keep.run(uploads, lease=Lease(owner="elsewhere", until=10**15))
    with db.write() as tx:
        leases.drop_others(tx, "me", uploads.plan_id)
    assert available(db, 1) == [dead.run_id]
    with db.write() as tx:
        leases.inherit(tx, [dead.run_id], Lease(owner="me", until=5))
        leases.drop_others(tx, "me", None)
    assert (losses(db, dead.run_id), losses(db, mine.run_id)) == (1, 0)
    assert available(db, 1) == [upload.run_id]


@pytest.mark.postgres
def test_two_servers_look_one_after_the_other(postgres_url: str) -> None:
    """On PostgreSQL a server that looks for Runs waits until the one before has taken some, and sees what is left."""
    both = [Database(postgres_url), Database(postgres_url)]
    keep = Keeper(both[0])
    plan = keep.plan()
    ids = [keep.run(plan).run_id for _ in range(4)]
    with ThreadPoolExecutor(1) as pool:
        with both[0].write() as first:
            seen = [run.run_id for run in leases.available(first, WAITING, 1)]
            second = pool.submit(available, both[1], 1)
            leases.take(first, ids[:2], Lease(owner="first", until=100))
        assert (seen, second.result(30)) == (ids, ids[2:])
    for db in both:
        db.close()


@pytest.mark.postgres
def test_nobody_waits_in_a_circle(postgres_url: str) -> None:
    """Claiming, renewing and switching the same Runs at once in many threads ends, without a deadlock."""
    db = Database(postgres_url)
    keep = Keeper(db)
    plan = keep.plan()
    ids = [keep.run(plan).run_id for _ in range(20)]

    def work(number: int) -> None:
        with db.write() as tx:
            if number % 3 == 0:
                leases.renew(tx, ids[::-1], Lease(owner="me", until=10 + number))
            elif number % 3 == 1:
                there, back = (Status.WAITING, Status.DEACTIVATED)[:: 1 if number % 2 else -1]
                runs.move_plan(tx, plan.plan_id, there, back, 1)
            else:
                found = leases.available(tx, WAITING, 1, limit=7)
                leases.take(tx, [run.run_id for run in found], Lease(owner="me", until=0))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(300)))
    db.close()


def test_every_run_is_claimed_once(db: Database, keep: Keeper) -> None:
    """Many threads that claim until nothing is left never get the same Run (scenario 47)."""
    plan = keep.plan()
    ids = {keep.run(plan).run_id for _ in range(60)}

    def claim(owner: int) -> list[str]:
        mine: list[str] = []
        while True:
            with db.write() as tx:
                found = [run.run_id for run in leases.available(tx, WAITING, 1, limit=3)]
                leases.take(tx, found, Lease(owner=str(owner), until=100))
            if not found:
                return mine
            mine += found

    with ThreadPoolExecutor(6) as pool:
        claimed = [run_id for mine in pool.map(claim, range(6)) for run_id in mine]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) | set(available(db, 1)) == ids
