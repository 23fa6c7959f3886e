"""Scenarios and defects of docs/compatibility.md that no other test shows whole, through the services."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import pytest
from desk import Desk

from knit_server.domain import runs as edges
from knit_server.domain.errors import InvalidTransition, KnitError, NotFound
from knit_server.domain.runs import Exit, Status
from knit_server.domain.views import RunView
from knit_server.persistence import nominations
from knit_server.persistence import runs as rows
from knit_server.persistence.nominations import Nomination
from knit_server.service import data, lifecycle, plans, runs
from knit_server.service.context import Context
from knit_server.testing import ManualClock


def test_scenario_23_a_nomination_that_should_not_be(desk: Desk) -> None:
    """What was nominated before its Run is done is so no more when its tags are looked at again."""
    desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    take = desk.apply({"/in": "b:1"})
    desk.push("a:1")
    (made,) = desk.find("b:1")
    with desk.ctx.db.write() as tx:
        (ref,) = nominations.inputs_of(tx, take.plan.plan_id)
        nominations.add(tx, [Nomination(input=ref, knit_id=made)])
    assert desk.nominated(take) == {("/in", made)}
    desk.tag(made, "c:1")
    assert (desk.nominated(take), desk.project(), desk.runs(take)) == (set(), 0, [])


def test_scenario_31_a_data_goes(desk: Desk) -> None:
    """The nominations of a Data that is deleted go with it; those of others stay, and lead to their Runs."""
    plan = desk.apply({"/a": "a:1", "/b": "b:1"})
    gone, stays = desk.push("a:1"), desk.push("a:1")
    assert desk.nominated(plan) == {("/a", gone), ("/a", stays)}
    runs.delete(desk.ctx, data.show(desk.ctx, gone).producer.run.run_id)
    assert desk.nominated(plan) == {("/a", stays)}
    b = desk.push("b:1")
    assert desk.combinations(plan) == [frozenset({("/a", stays), ("/b", b)})]


def test_scenario_33_fitting_is_not_enough(desk: Desk) -> None:
    """A Data that fits but is not nominated makes no Run, until its tags are looked at."""
    plan = desk.apply({"/a": "a:1", "/b": "b:1"})
    a = desk.push("a:1")
    with desk.ctx.db.write() as tx:
        nominations.remove(tx, a, [ref.input_id for ref in nominations.of_data(tx, [a])[a]])
    assert desk.project() == 0
    b = desk.push("b:1")
    assert (desk.combinations(plan), desk.owing()) == ([], 0)
    desk.tag(a, "seen:1")
    assert desk.combinations(plan) == [frozenset({("/a", a), ("/b", b)})]


def test_scenario_40_two_at_the_same_time(desk: Desk) -> None:
    """What becomes usable in one transaction is combined as if it had come one after the other, each once."""
    desk.apply({"/in": "seed:1"}, {"/left": "l:1", "/right": "r:1"})
    pair = desk.apply({"/l": "l:1", "/r": "r:1"})
    for _ in range(3):
        desk.push("seed:1")
    desk.settle()
    expected = {frozenset({("/l", left), ("/r", right)}) for left, right in product(desk.find("l:1"), desk.find("r:1"))}
    assert len(expected) == len(desk.combinations(pair)) == 9
    assert set(desk.combinations(pair)) == expected


def test_scenario_43_one_data_for_two_plans(desk: Desk) -> None:
    """A Data that fits several Plans has the Runs of all of them as soon as it is usable."""
    many = [desk.apply({"/in": "a:1"}) for _ in range(3)]
    pushed = desk.push("a:1")
    assert [desk.combinations(plan) for plan in many] == [[frozenset({("/in", pushed)})]] * 3
    assert desk.owing() == 0


def test_scenario_56_who_reads_reads_on(desk: Desk) -> None:
    """A Data that is being pulled may be deleted; who pulls it gets all of it, and nobody after him anything."""
    noise = "".join(str(hashlib.sha256(str(number).encode()).digest()) for number in range(20_000))
    raw = desk.push("a:1", noise=noise)
    pulled = data.download(desk.ctx, raw)
    begun = next(pulled.chunks)
    runs.delete(desk.ctx, data.show(desk.ctx, raw).producer.run.run_id)
    with pytest.raises(NotFound):
        data.download(desk.ctx, raw)
    rest = list(pulled.chunks)
    assert rest, "there was more to come when the Data was deleted"
    with tarfile.open(fileobj=io.BytesIO(b"".join([begun, *rest]))) as archive:
        member = archive.extractfile("noise")
        assert member is not None
        assert member.read().decode() == noise


# --- the states -------------------------------------------------------------------------------------------------------

ACTS: dict[Status, Callable[[Context, str], object]] = {
    Status.ABORTING: runs.abort,
    Status.COMPLETING: runs.tearoff,
    Status.WAITING: runs.retry,
    Status.INVALIDATED: runs.delete,
}
"""What users do to a Run, by where it leads."""
STOPS = (Status.ABORTING, Status.COMPLETING)


def a_run(desk: Desk, status: Status) -> RunView:
    """Return a Run that stands there, however it came to that."""
    plan = desk.apply({"/in": f"knit#id:{desk.push()}"}, {"/out": "b:1"}, log=("l:1",))
    (view,) = desk.runs(plan)
    with desk.ctx.db.write() as tx:
        rows.move(tx, view.run, replace(view.run, status=status))
    return runs.show(desk.ctx, view.run.run_id)


def allowed(old: Status, new: Status) -> bool:
    """Whether users may bring a Run from one status to another; staying at a stop is no error."""
    if new is Status.WAITING:
        return old in edges.RETRIABLE
    return new in edges.TRANSITIONS[old] or (old is new and new in STOPS)


@pytest.mark.parametrize("old", Status)
def test_scenario_46_what_users_may_do(desk: Desk, clock: ManualClock, old: Status) -> None:
    """From each status each act of a user leads where it may, or changes nothing."""
    for new, act in ACTS.items():
        before = a_run(desk, old)
        clock.advance(10)
        run_id = before.run.run_id
        if not allowed(old, new):
            with pytest.raises(NotFound if old is Status.INVALIDATED and new not in STOPS else InvalidTransition):
                act(desk.ctx, run_id)
        else:
            act(desk.ctx, run_id)
        after = runs.show(desk.ctx, run_id)
        if allowed(old, new) and old is not new:
            assert (after.run.status, after.run.updated_at) == (new, clock.now)
        else:
            assert after == before


@pytest.mark.parametrize("old", Status)
def test_scenario_49_only_what_waits_is_switched(desk: Desk, old: Status) -> None:
    """Switching a Plan changes its Runs that wait, or are deactivated, and no others; nor those of other Plans."""
    run, other = a_run(desk, old), a_run(desk, old)
    for active in (False, True, False):
        plans.set_active(desk.ctx, run.plan.plan_id, active)
        shown = runs.show(desk.ctx, run.run.run_id).run
        switched = Status.WAITING if active else Status.DEACTIVATED
        assert shown.status is (switched if old in (Status.WAITING, Status.DEACTIVATED) else old)
        assert shown.updated_at == run.run.updated_at
    assert runs.show(desk.ctx, other.run.run_id) == other


def test_scenario_48_not_at_its_end(desk: Desk) -> None:
    """A Run whose program has not ended cannot be finished, and stays as it is; one of nobody is not there."""
    desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    after = desk.apply({"/in": "b:1"})
    desk.push("a:1")
    (starting,) = lifecycle.claim(desk.ctx, lambda needs: True)
    before = runs.show(desk.ctx, starting.run.run_id)
    with pytest.raises(InvalidTransition):
        lifecycle.finish(desk.ctx, starting, desk.store(starting))
    assert runs.show(desk.ctx, starting.run.run_id) == before
    assert data.show(desk.ctx, starting.made[0].knit_id).data.timestamp is None
    assert desk.runs(after) == []
    with pytest.raises(KnitError, match="there is no Run ghost"):
        lifecycle.present(desk.ctx, "ghost")


# --- one transaction --------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def committed(desk: Desk) -> Iterator[list[tuple[Status, Exit | None]]]:
    """Note how the newest Run stands after each commit, where that is something new."""
    seen: list[tuple[Status, Exit | None]] = []

    def look(topics: object) -> None:
        found = runs.find(desk.ctx, runs.RunQuery())
        if found and (now := (found[-1].run.status, found[-1].run.exit)) not in seen:
            seen.append(now)

    unsubscribe = desk.ctx.signals.subscribe(look)
    try:
        yield seen
    finally:
        unsubscribe()


def test_an_upload_ends_in_one_transaction(desk: Desk) -> None:
    """Nobody sees an upload between its last byte and its end."""
    with committed(desk) as seen:
        desk.push("a:1")
    assert seen == [(Status.RUNNING, None), (Status.DONE, None)]


@pytest.mark.parametrize(
    ("stop", "then"),
    [(runs.abort, (Status.ABORTING, Exit(253, "aborted by user"))),
     (runs.tearoff, (Status.COMPLETING, Exit(0, "stopped by user")))],
)  # fmt: skip
def test_a_stop_is_one_transaction(
    desk: Desk, clock: ManualClock, stop: Callable[[Context, str], object], then: tuple[Status, Exit]
) -> None:
    """Nobody sees a Run that was stopped without its exit."""
    desk.apply({"/in": "a:1"})
    desk.push("a:1")
    clock.advance(1)
    (work,) = desk.start()
    with committed(desk) as seen:
        stop(desk.ctx, work.run.run_id)
    assert seen == [then]


def test_what_ran_is_recorded(desk: Desk) -> None:
    """A Run tells the digest of the image that it ran, whatever the name means later."""
    desk.apply({"/in": "a:1"})
    desk.push("a:1")
    (work,) = desk.start()
    desk.end(work)
    assert runs.details(desk.ctx, work.run.run_id)["imageDigest"] == "sha256:x"
