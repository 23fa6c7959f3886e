"""Retrying and deleting Runs through the services: the scenarios 53 to 62, and whole chains.

In the scenarios gen1 is an upload, gen2 a Run that takes it, gen3 a Run that takes what gen2 made.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from typing import NamedTuple

import pytest
from desk import Desk

from knit_server.domain.errors import Conflict, InvalidTransition, NotFound, Unavailable
from knit_server.domain.ids import KnitId
from knit_server.domain.runs import Exit, Status
from knit_server.domain.views import PlanView, RunView
from knit_server.persistence import events
from knit_server.service import data, lifecycle, plans, runs
from knit_server.service.context import Context
from knit_server.service.lifecycle import Overtaken
from knit_server.service.runs import RunQuery
from knit_server.testing import ManualClock

Act = Callable[..., object]
BOTH = pytest.mark.parametrize("act", [runs.retry, runs.delete])


class Chain(NamedTuple):
    """An upload, the Run that took it, the Run that took what that one made; all done."""

    raw: KnitId
    first: PlanView
    second: PlanView
    gen1: str
    gen2: str
    gen3: str


def a_chain(desk: Desk) -> Chain:
    first = desk.apply({"/in": "a:1"}, {"/out": "b:1"}, log=("l:1",))
    second = desk.apply({"/in": "b:1"}, {"/out": "c:1"})
    raw = desk.push("a:1")
    desk.settle()
    (gen2,), (gen3,) = desk.runs(first), desk.runs(second)
    return Chain(raw, first, second, data.show(desk.ctx, raw).producer.run.run_id, gen2.run.run_id, gen3.run.run_id)


def made(run: RunView) -> list[str]:
    """What a Run made: its outputs and its log."""
    return [*(each.knit_id for each in run.outputs), *([run.log] if run.log else [])]


def rows(desk: Desk) -> tuple[set[str], set[str]]:
    """All Runs and all Data there are."""
    found = runs.find(desk.ctx, RunQuery())
    return {run.run.run_id for run in found}, set(desk.find())


def exists(desk: Desk, run_id: str) -> bool:
    try:
        runs.show(desk.ctx, run_id)
    except NotFound:
        return False
    return True


# --- the scenarios ----------------------------------------------------------------------------------------------------


def test_scenario_53_what_is_used_stays(desk: Desk) -> None:
    """gen1 done and gen2 alive: a conflict that names gen2 and what to do; nothing has changed."""
    chain = a_chain(desk)
    before = rows(desk)
    with pytest.raises(Conflict, match=f"Run {chain.gen2} uses its outputs") as met:
        runs.delete(desk.ctx, chain.gen1)
    assert f"knit run rm --downstream {chain.gen1}" in str(met.value)
    assert rows(desk) == before


def test_scenario_54_deleted_users_do_not_count(desk: Desk) -> None:
    """gen1 done with only a deleted gen2: both are gone without a trace, and so is the Data."""
    chain = a_chain(desk)
    runs.delete(desk.ctx, chain.gen3)
    runs.delete(desk.ctx, chain.gen2)
    runs.delete(desk.ctx, chain.gen1)
    assert [exists(desk, run_id) for run_id in (chain.gen1, chain.gen2, chain.gen3)] == [False] * 3
    assert rows(desk) == (set(), set())
    with pytest.raises(NotFound):
        data.show(desk.ctx, chain.raw)


def test_scenario_55_deleted_leaf(desk: Desk) -> None:
    """gen2, a done leaf: deleted, with its Data, nominations and exit gone and its assignment kept."""
    chain = a_chain(desk)
    runs.delete(desk.ctx, chain.gen3)
    (gen2,) = desk.runs(chain.first)
    runs.delete(desk.ctx, chain.gen2)
    left = runs.show(desk.ctx, chain.gen2)
    assert (left.run.status, left.run.exit, left.inputs) == (Status.INVALIDATED, None, gen2.inputs)
    assert ([each.knit_id for each in left.outputs], left.log) == ([""], None)
    for knit_id in made(gen2):
        for act in (data.show, data.download, data.details):
            with pytest.raises(NotFound):
                act(desk.ctx, knit_id)
    assert desk.nominated(chain.second) == set()
    assert data.show(desk.ctx, chain.raw).consumers == ()
    desk.tag(chain.raw, "x:1")
    desk.tag(chain.raw, remove=["a:1"])
    desk.tag(chain.raw, "a:1")
    assert desk.settle() == 0, "the combination is known"
    assert desk.runs(chain.first) == []


@pytest.mark.parametrize("status", [Status.READY, Status.STARTING, Status.RUNNING, Status.COMPLETING, Status.ABORTING])
def test_scenario_56_what_is_under_way_stays(desk: Desk, status: Status) -> None:
    """From ready to its end a Run cannot be deleted."""
    plan = desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    desk.push("a:1")
    bring(desk, status)
    (run,) = desk.runs(plan)
    assert run.run.status is status
    with pytest.raises(InvalidTransition, match=f"{run.run.run_id} is {status.value}") as met:
        runs.delete(desk.ctx, run.run.run_id)
    assert "knit run stop" in str(met.value)
    assert desk.runs(plan) == [run]


@BOTH
def test_scenarios_57_and_60_what_is_not_there(desk: Desk, act: Act) -> None:
    """A deleted Run and an unknown one: not found."""
    chain = a_chain(desk)
    runs.delete(desk.ctx, chain.gen3)
    with pytest.raises(NotFound, match="was deleted"):
        act(desk.ctx, chain.gen3)
    for ghost in ("ghost", "", "\0"):
        with pytest.raises(NotFound):
            act(desk.ctx, ghost)
    with pytest.raises(NotFound):
        runs.downstream(desk.ctx, chain.gen3)


@pytest.mark.parametrize("active", [True, False])
def test_scenario_58_what_was_not_begun(desk: Desk, active: bool) -> None:
    """A Run that waits or is switched off is deleted, never starts, and its combination stays known."""
    plan = desk.apply({"/in": "a:1"}, {"/out": "b:1"}, log=("l:1",), active=active)
    raw = desk.push("a:1")
    (run,) = desk.runs(plan)
    runs.delete(desk.ctx, run.run.run_id)
    plans.set_active(desk.ctx, plan.plan.plan_id, True)
    desk.tag(raw, remove=["a:1"])
    desk.tag(raw, "a:1")
    assert desk.settle() == 0
    assert rows(desk)[1] == {raw}


@pytest.mark.parametrize("code", [0, 42])
def test_scenario_59_retry(desk: Desk, clock: ManualClock, code: int) -> None:
    """A done or failed leaf waits again: new ids, the Plan's tags, no exit, no trace of the old attempt."""
    plan = desk.apply({"/in": "a:1"}, {"/out": "b:1", "/more": ""}, log=("l:1",))
    desk.push("a:1")
    (work,) = desk.start()
    desk.end(work, code)
    (old,) = desk.runs(plan)
    desk.tag(old.outputs[0].knit_id, "by:hand", remove=["l:1"])
    clock.advance(5)
    again = runs.retry(desk.ctx, old.run.run_id)
    assert again == runs.show(desk.ctx, old.run.run_id)
    assert (again.run.status, again.run.exit, again.run.updated_at) == (Status.WAITING, None, clock.now)
    assert (again.inputs, [each.path for each in again.outputs]) == (old.inputs, ["/more", "/out"])
    assert not set(made(old)) & set(made(again))
    assert [str(tag) for knit_id in made(again) for tag in desk.raw(KnitId(knit_id))] == ["b:1", "l:1"]
    details = runs.details(desk.ctx, old.run.run_id)
    assert [details[name] for name in ("executor", "imageDigest", "sandbox", "note")] == [None] * 4
    for knit_id in made(old):
        with pytest.raises(NotFound):
            data.show(desk.ctx, knit_id)
    assert desk.settle() == 1
    (done,) = desk.runs(plan)
    assert (done.run.status, done.run.exit, made(done)) == (Status.DONE, Exit(0), made(again))
    assert done.run.attempt > old.run.attempt


def test_scenario_60_what_cannot_be_retried(desk: Desk) -> None:
    """Used outputs, uploads and Runs that have not ended: a conflict each."""
    chain = a_chain(desk)
    with pytest.raises(Conflict, match=f"Run {chain.gen3} uses its outputs"):
        runs.retry(desk.ctx, chain.gen2)
    with pytest.raises(Conflict, match="is an upload"):
        runs.retry(desk.ctx, chain.gen1)
    with pytest.raises(Conflict, match="is an upload"):
        runs.retry(desk.ctx, chain.gen1, downstream=True)
    assert rows(desk)[0] == {chain.gen1, chain.gen2, chain.gen3}


@pytest.mark.parametrize(
    "status", [each for each in Status if each not in (Status.DONE, Status.FAILED, Status.INVALIDATED)]
)
def test_scenario_60_retry_of_the_unfinished(desk: Desk, status: Status) -> None:
    """Only what has ended can be retried."""
    plan = desk.apply({"/in": "a:1"}, {"/out": "b:1"}, active=status is not Status.DEACTIVATED)
    desk.push("a:1")
    bring(desk, status)
    (run,) = desk.runs(plan)
    with pytest.raises(InvalidTransition, match=f"is {status.value}; only Runs that are done or failed"):
        runs.retry(desk.ctx, run.run.run_id, downstream=True)
    assert desk.runs(plan) == [run]


def test_scenario_61_retry_while_switched_off(desk: Desk) -> None:
    """On an inactive Plan a retried Run is deactivated, and runs when the Plan is switched on."""
    chain = a_chain(desk)
    plans.set_active(desk.ctx, chain.second.plan.plan_id, False)
    assert runs.retry(desk.ctx, chain.gen3).run.status is Status.DEACTIVATED
    assert desk.settle() == 0
    plans.set_active(desk.ctx, chain.second.plan.plan_id, True)
    assert desk.settle() == 1


@pytest.mark.parametrize("downstream", [False, True])
@BOTH
def test_scenario_62_all_or_nothing(desk: Desk, act: Act, downstream: bool) -> None:
    """Wherever it fails, whatever was done until then is taken back."""
    chain = a_chain(desk)
    subject = chain.gen2 if downstream else chain.gen3
    before = rows(desk), runs.show(desk.ctx, chain.gen2), runs.show(desk.ctx, chain.gen3)
    for calls in range(100):
        try:
            act(_failing_after(desk.ctx, calls), subject, downstream=downstream)
        except Unavailable:
            assert (rows(desk), runs.show(desk.ctx, chain.gen2), runs.show(desk.ctx, chain.gen3)) == before
        else:
            break
    assert calls >= 3


def _failing_after(ctx: Context, calls: int) -> Context:
    """A Context whose clock and ids fail after so many calls: between any two steps of a use case."""
    left = [calls]

    def failing(name: str) -> object:
        if not left[0]:
            raise Unavailable("no")
        left[0] -= 1
        return getattr(ctx, name)()

    return dataclasses.replace(ctx, now=lambda: failing("now"), new_id=lambda: failing("new_id"))  # type: ignore[arg-type,return-value]


def bring(desk: Desk, status: Status) -> None:
    """Bring the only Run that waits to `status`."""
    if status is Status.READY:
        assert lifecycle.claim(desk.ctx, lambda needs: "too large") == []
    elif status is Status.STARTING:
        assert lifecycle.claim(desk.ctx, lambda needs: True)
    elif status in (Status.RUNNING, Status.COMPLETING, Status.ABORTING):
        (work,) = desk.start()
        if status is not Status.RUNNING:
            lifecycle.ended(desk.ctx, work, Exit(0 if status is Status.COMPLETING else 1))


# --- chains -----------------------------------------------------------------------------------------------------------


def test_downstream_is_told_first(desk: Desk) -> None:
    """The preview lists what was made from a Run, the end of the chain first, and changes nothing."""
    chain = a_chain(desk)
    before = rows(desk)
    assert [run.run.run_id for run in runs.downstream(desk.ctx, chain.gen1)] == [chain.gen3, chain.gen2]
    assert runs.downstream(desk.ctx, chain.gen3) == []
    assert rows(desk) == before


def test_delete_downstream(desk: Desk) -> None:
    """A Run and all that was made from it go at once; of the Run itself the combination stays known."""
    chain = a_chain(desk)
    runs.delete(desk.ctx, chain.gen2, downstream=True)
    assert runs.show(desk.ctx, chain.gen2).run.status is Status.INVALIDATED
    assert not exists(desk, chain.gen3)
    assert rows(desk) == ({chain.gen1}, {chain.raw})
    assert desk.settle() == 0
    runs.delete(desk.ctx, chain.gen1, downstream=True)
    assert rows(desk) == (set(), set())
    assert not exists(desk, chain.gen2)


def test_retry_downstream(desk: Desk) -> None:
    """A Run is tried again and all that was made from it follows anew, also what is combined with other Data."""
    first = desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    joined = desk.apply({"/x": "b:1", "/y": "side:1"}, {"/out": "c:1"})
    last = desk.apply({"/in": "c:1"})
    sides = {desk.push("side:1") for _ in range(2)}
    desk.push("a:1")
    assert desk.settle() == 5
    (run,) = desk.runs(first)
    old = {each for run in desk.runs(joined) for each in made(run)}
    told = [each.run.run_id for each in runs.downstream(desk.ctx, run.run.run_id)]
    assert set(told[:2]) == {each.run.run_id for each in desk.runs(last)}
    runs.retry(desk.ctx, run.run.run_id, downstream=True)
    assert not any(exists(desk, run_id) for run_id in told)
    assert desk.settle() == 5
    assert {each.knit_id for run in desk.runs(joined) for each in run.inputs if each.path == "/y"} == sides
    assert not old & {each for run in desk.runs(joined) for each in made(run)}
    assert len(desk.runs(last)) == 2
    assert [run.run.cause for run in desk.runs(last)] == [run.run.cause] * 2


@BOTH
def test_chains_under_way_stay(desk: Desk, act: Act) -> None:
    """If something in the chain is under way, nothing is deleted, and what is in the way is named."""
    chain = a_chain(desk)
    runs.retry(desk.ctx, chain.gen3)
    (work,) = desk.start()
    with pytest.raises(Conflict, match=f"{chain.gen3} has not ended") as met:
        act(desk.ctx, chain.gen2, downstream=True)
    assert f"knit run stop --fail {chain.gen3}" in str(met.value)
    desk.end(work)
    act(desk.ctx, chain.gen2, downstream=True)
    assert not exists(desk, chain.gen3)


def test_waiting_chains_go(desk: Desk) -> None:
    """What only waits is deleted with what it waits to take."""
    plan, after = desk.apply({"/in": "a:1"}, {"/out": "b:1"}), desk.apply({"/in": "b:1"}, {"/out": "c:1"})
    desk.push("a:1")
    (work,) = desk.start()
    desk.end(work)
    assert desk.runs(after)[0].run.status is Status.WAITING
    runs.retry(desk.ctx, work.run.run_id, downstream=True)
    assert desk.runs(after) == []
    assert desk.settle() == 2
    assert desk.runs(plan)[0].run.status is Status.DONE


# --- attempts ---------------------------------------------------------------------------------------------------------


def test_the_old_attempt_counts_for_nothing(desk: Desk) -> None:
    """Whoever still works on the attempt before the retry can write nothing, before and after the new one starts."""
    plan = desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    desk.push("a:1")
    (old,) = desk.start()
    stored = desk.store(old)
    lifecycle.ended(desk.ctx, old, Exit(0))
    lifecycle.finish(desk.ctx, old, stored)
    runs.retry(desk.ctx, old.run.run_id)
    late: list[Callable[[], object]] = [
        lambda: lifecycle.ended(desk.ctx, old, Exit(0)),
        lambda: lifecycle.finish(desk.ctx, old, stored),
        lambda: lifecycle.relaunch(desk.ctx, old),
    ]
    for act in late:
        with pytest.raises(Overtaken):
            act()
    assert desk.runs(plan)[0].run.status is Status.WAITING
    (new,) = desk.start()
    for act in late:
        with pytest.raises(Overtaken):
            act()
    assert new.attempt != old.attempt
    assert not set(new.made) & set(old.made)
    assert desk.end(new).status is Status.DONE


def test_work_on_what_was_deleted(desk: Desk) -> None:
    """Repeating the end of a Run that was deleted since does nothing; if nothing is left of it, that is told."""
    chain_plan = desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    raw = desk.push("a:1")
    (work,) = desk.start()
    desk.end(work)
    runs.delete(desk.ctx, work.run.run_id)
    assert lifecycle.finish(desk.ctx, work, {}).status is Status.INVALIDATED
    runs.delete(desk.ctx, data.show(desk.ctx, raw).producer.run.run_id)
    with pytest.raises(Overtaken):
        lifecycle.finish(desk.ctx, work, {})
    assert desk.runs(chain_plan) == []


def test_busy_runs_are_passed_over(desk: Desk) -> None:
    """A Run whose old attempt is still being tidied up is not claimed, and does not keep others back."""
    plan = desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    for _ in range(3):
        desk.push("a:1")
    busy = {run.run.run_id for run in desk.runs(plan)[:2]}
    (claimed,) = lifecycle.claim(desk.ctx, lambda needs: True, busy=busy.__contains__)
    assert claimed.run.run_id not in busy
    assert lifecycle.claim(desk.ctx, lambda needs: True, busy=busy.__contains__) == []
    for run_id in busy:
        runs.abort(desk.ctx, run_id)
    assert lifecycle.take_over(desk.ctx, lambda needs: True, busy=busy.__contains__) == []
    assert {work.run.run_id for work in lifecycle.take_over(desk.ctx, lambda needs: True)} == busy


def test_logs_of_what_is_gone(desk: Desk) -> None:
    """Whoever follows the log of a Run that was retried or deleted meanwhile comes to its end."""
    plan = desk.apply({"/in": "a:1"}, log=("l:1",))
    raw = desk.push("a:1")
    (work,) = desk.start()
    early = runs.open_log(desk.ctx, work.run.run_id)
    desk.ctx.folder(work.attempt).log.mkdir(parents=True)
    desk.ctx.folder(work.attempt).log_file.write_text("old")
    log = runs.open_log(desk.ctx, work.run.run_id)
    assert (log.is_live(), log.read(0, 9)) == (True, b"old")
    desk.end(work)
    shutil.rmtree(desk.ctx.folder(work.attempt).path)  # as the scheduler tidies up after an attempt
    runs.retry(desk.ctx, work.run.run_id)
    (again,) = desk.start()
    assert (log.is_live(), early.is_live()) == (False, True)
    assert early.read(0, 9) == b"", "who has read nothing yet goes on with what is printed now"
    log.close()
    desk.end(again)
    runs.delete(desk.ctx, data.show(desk.ctx, raw).producer.run.run_id, downstream=True)
    assert not early.is_live()
    assert desk.runs(plan) == []


def test_failed_uploads_can_be_deleted(desk: Desk) -> None:
    """An upload that was cut off is erased like any other."""
    with pytest.raises(ValueError, match="cut"):
        data.upload(desk.ctx, _Cut())  # type: ignore[arg-type] # only `read` is used
    (run,) = runs.find(desk.ctx, RunQuery())
    runs.delete(desk.ctx, run.run.run_id)
    assert rows(desk) == (set(), set())


class _Cut:
    """A stream that breaks off."""

    def read(self, size: int = -1) -> bytes:
        raise ValueError("cut")


def test_events(desk: Desk) -> None:
    """Every edge of a retry and a deletion, and each Data that came or went, is in the change stream."""
    chain = a_chain(desk)
    (gen3,) = desk.runs(chain.second)
    with desk.ctx.db.read() as tx:
        _, last = events.bounds(tx)
    again = runs.retry(desk.ctx, chain.gen3)
    runs.delete(desk.ctx, chain.gen3)
    with desk.ctx.db.read() as tx:
        seen = events.after(tx, last, 100)
    assert [(each.kind, each.subject, each.payload.get("status") or each.payload["change"]) for each in seen] == [
        ("run", chain.gen3, "waiting"),
        ("data", gen3.outputs[0].knit_id, "deleted"),
        ("data", again.outputs[0].knit_id, "made"),
        ("run", chain.gen3, "invalidated"),
        ("data", again.outputs[0].knit_id, "deleted"),
    ]
