"""Lifecycle hooks: when they are asked and told, and what becomes of Runs whose hooks refuse or hang."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from asking import FakeHooks
from scheduler_programs import PROGRAMS
from scheduler_world import World, a_world, scheduling
from virtual_time import VirtualTime

from knit_server.domain.runs import Exit, Status
from knit_server.domain.views import PlanView
from knit_server.executors.base import Attempt, Observation, Phase
from knit_server.persistence import leases
from knit_server.persistence.runs import Lease
from knit_server.service import data, plans, runs
from knit_server.service.context import Context
from knit_server.testing import OK, FakeExecutor, ManualClock, a_plan, some_tags

DONE = [
    "waiting?", "ready!", "ready?", "starting!", "starting?",
    "running!", "running?", "completing!", "completing?", "done!",
]  # fmt: skip
"""What is told of a Run that ends well, in order."""
FAILED = [*DONE[:7], "aborting!", "aborting?", "failed!"]
"""What is told of one that fails."""


def a_run(world: World, image: str = "copy:1", key: str = "a", **more: object) -> tuple[PlanView, str]:
    """Make a Run; returns its Plan and its id."""
    plan = world.apply(image, {"/in": (f"in:{key}",)}, f"out:{key}", **more)
    world.push(f"in:{key}")
    return plan, world.run(plan).run.run_id


def test_every_change_of_a_run(world: World) -> None:
    """Hooks are asked in the old status and told in the new one, each change once and in order."""
    hooks = FakeHooks()
    with scheduling(world.ctx, hooks=hooks):
        plan, run_id = a_run(world)
        world.until(lambda: hooks.of(run_id)[-1:] == ["done!"])
        _, failing = a_run(world, "fail:1", "b")
        world.until(lambda: hooks.of(failing)[-1:] == ["failed!"])
    assert hooks.of(run_id) == DONE
    assert hooks.of(failing) == FAILED
    assert {told for _, told, _ in hooks.told} == {run_id, failing}, "nothing is told of uploads that go well"
    assert world.run(plan).run.attempt == 1
    assert hooks.closed


def test_no_delivery_in_a_transaction(world: World) -> None:
    """While hooks are asked or told, anybody may write: no transaction is open."""
    numbers: list[str] = []

    def write(view: object) -> None:
        numbers.append(world.push("from:hook").data.knit_id)

    hooks = FakeHooks(check=write)
    with scheduling(world.ctx, hooks=hooks):
        _, run_id = a_run(world)
        world.until(lambda: hooks.of(run_id) == DONE)
    assert len(numbers) == len(DONE)


def test_environment(tmp_path: Path) -> None:
    """What hooks give before the start is in the program's environment, and nowhere else."""
    seen: list[dict[str, str]] = []

    def look(attempt: Attempt) -> Observation:
        seen.append(dict(attempt.env))
        return OK

    with a_world(tmp_path, {"look:1": look}) as world:
        with scheduling(world.ctx, hooks=FakeHooks({"A": "1", "B": "zwei"})):
            _, run_id = a_run(world, "look:1")
            world.until_ended()
        with scheduling(world.ctx):
            runs.retry(world.ctx, run_id)
            world.until_ended()
    assert seen == [{"A": "1", "B": "zwei"}, {}]


@pytest.mark.parametrize("status", [Status.WAITING, Status.READY])
def test_scenario_63_refused_before_the_start(world: World, status: Status) -> None:
    """The status is unchanged, nothing is started, people are told why; the next try may succeed (scenario 63)."""
    hooks = FakeHooks()
    hooks.refuse = {status}
    with scheduling(world.ctx, hooks=hooks):
        _, run_id = a_run(world)
        world.until(lambda: hooks.of(run_id).count(f"{status.value}?") > 3, "asked again and again")
        assert world.show(run_id).run.status is status
        assert world.executor.started == []
        note = world.note(run_id)
        assert note is not None
        assert note.startswith("held by a hook: hook http://hook.example/ answered 500; asked again at ")
        hooks.refuse = set()
        run = world.until_status(run_id, Status.DONE)
        world.until(lambda: hooks.of(run_id)[-1] == "done!")
    assert run.run.attempt == 1
    assert world.note(run_id) is None
    assert list(dict.fromkeys(hooks.of(run_id))) == DONE


@pytest.mark.parametrize("status", [Status.STARTING, Status.RUNNING, Status.COMPLETING])
def test_refused_after_the_start(world: World, status: Status) -> None:
    """What has happened outside waits to be said; the program is not started twice, and nothing is lost."""
    hooks = FakeHooks()
    hooks.refuse = {status}
    with scheduling(world.ctx, hooks=hooks):
        _, run_id = a_run(world, "wait:1")
        world.until(lambda: hooks.refused.is_set() or hooks.of(run_id)[-1:] == ["running!"])
        if status is not Status.STARTING:
            world.executor.end(world.begun(run_id))
        world.until(lambda: hooks.of(run_id).count(f"{status.value}?") > 3, "asked again and again")
        assert world.show(run_id).run.status is status
        assert "answered 500" in str(world.note(run_id))
        hooks.refuse = set()
        if status is Status.STARTING:
            world.executor.end(world.begun(run_id))
        run = world.until_status(run_id, Status.DONE)
        assert world.output(run) == {"names.txt": "a.txt"}
        world.until(lambda: hooks.of(run_id)[-1] == "done!")
    assert world.attempts(run_id) == [1]
    assert list(dict.fromkeys(hooks.of(run_id))) == DONE


def test_refused_until_the_program_has_ended(world: World) -> None:
    """A Run whose program ends before hooks let it be called running is never called so."""
    hooks = FakeHooks()
    hooks.refuse = {Status.STARTING}
    with scheduling(world.ctx, hooks=hooks):
        _, run_id = a_run(world, "wait:1")
        world.until(hooks.refused.is_set)
        hooks.refuse = set()
        hooks.hang = {Status.STARTING}
        world.until(hooks.hanging.is_set)
        hooks.hang = set()
        hooks.refuse = {Status.STARTING}
        runs.tearoff(world.ctx, run_id)
        run = world.until_status(run_id, Status.DONE)
        world.until(lambda: hooks.of(run_id)[-1] == "done!")
    assert run.run.exit == Exit(0, "stopped by user")
    assert "running!" not in hooks.of(run_id)
    assert "completing!" not in hooks.of(run_id), "a user did that"


HANGING = [Status.WAITING, Status.READY, Status.STARTING, Status.RUNNING]


@pytest.mark.parametrize(
    ("status", "stop"), [*((status, runs.abort) for status in HANGING), (Status.WAITING, runs.delete)]
)
def test_users_are_obeyed_while_a_hook_hangs(
    world: World, status: Status, stop: Callable[[Context, str], object]
) -> None:
    """A Run whose hook hangs can be stopped or, while it waits, deleted: at once, and the question is dropped."""
    hooks = FakeHooks()
    hooks.hang = {status}
    with scheduling(world.ctx, hooks=hooks):
        _, run_id = a_run(world)
        world.until(hooks.hanging.is_set)
        assert world.show(run_id).run.status is status
        stop(world.ctx, run_id)
        assert hooks.dropped.wait(30), "the question is dropped"
        if stop is runs.abort:
            run = world.until_status(run_id, Status.FAILED)
            assert run.run.exit == Exit(253, "aborted by user")
            world.until(lambda: hooks.of(run_id)[-2:] == ["aborting?", "failed!"])
            assert "aborting!" not in hooks.of(run_id), "a user did that"
            world.until_tidy()
        hooks.only = run_id
        _, other = a_run(world, key="b")
        world.until_status(other, Status.DONE)
    assert len(world.attempts(run_id)) <= 1


def test_switched_off_while_a_hook_hangs(world: World) -> None:
    """A Plan that is switched off takes its Run away from the hook; switched on, the Run begins from the beginning."""
    hooks = FakeHooks()
    hooks.hang = {Status.WAITING}
    with scheduling(world.ctx, hooks=hooks):
        plan, run_id = a_run(world)
        world.until(hooks.hanging.is_set)
        plans.set_active(world.ctx, plan.plan.plan_id, False)
        assert hooks.dropped.wait(30)
        hooks.hang = set()
        assert world.show(run_id).run.status is Status.DEACTIVATED
        plans.set_active(world.ctx, plan.plan.plan_id, True)
        world.until_status(run_id, Status.DONE)
        world.until(lambda: hooks.of(run_id) == ["waiting?", *DONE])


def test_switched_off_while_a_hook_refuses(world: World) -> None:
    """A Run that was refused and then switched off says no more that it waits for a hook."""
    hooks = FakeHooks()
    hooks.refuse = {Status.WAITING}
    with scheduling(world.ctx, hooks=hooks):
        plan, run_id = a_run(world)
        world.until(lambda: world.note(run_id))
        plans.set_active(world.ctx, plan.plan.plan_id, False)
        world.until(lambda: world.note(run_id) is None, "no note any more")
        asked = len(hooks.told)
        hooks.only = run_id
        _, other = a_run(world, key="b")
        world.until_status(other, Status.DONE)
        assert hooks.of(run_id) == ["waiting?"] * len(hooks.of(run_id))
        assert len(hooks.of(run_id)) <= asked
        assert world.show(run_id).run.status is Status.DEACTIVATED


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[World]:
    """A Knit on a machine of one core."""
    with a_world(tmp_path / "home", PROGRAMS, executor=FakeExecutor(cpu=1)) as opened:
        yield opened


@pytest.mark.parametrize("status", [Status.WAITING, Status.READY, Status.RUNNING, Status.COMPLETING])
def test_a_refused_run_holds_up_nobody(narrow: World, status: Status) -> None:
    """While a hook refuses one Run, others have its room, even if there is room for one Run only."""
    hooks = FakeHooks()
    hooks.refuse = {status}
    _, run_id = a_run(narrow, resources={"cpu": "1"})
    hooks.only = run_id
    others = [a_run(narrow, key=str(index), resources={"cpu": "1"})[1] for index in range(3)]
    with scheduling(narrow.ctx, hooks=hooks, retry_after=2.0):
        for other in others:
            narrow.until_status(other, Status.DONE)
        assert narrow.show(run_id).run.status is status
        hooks.refuse = set()
        narrow.until_status(run_id, Status.DONE)


def test_a_hanging_hook_holds_up_no_other_run(world: World) -> None:
    """Runs are asked about independently of each other."""
    hooks = FakeHooks()
    hooks.hang = set(Status)
    _, run_id = a_run(world)
    hooks.only = run_id
    with scheduling(world.ctx, hooks=hooks):
        others = [a_run(world, key=str(index))[1] for index in range(5)]
        for other in others:
            world.until_status(other, Status.DONE)
        assert world.show(run_id).run.status is Status.WAITING


def test_told_afterwards_only(narrow: World) -> None:
    """A hook that hangs when it is told afterwards keeps no room, and its Run comes to its end."""
    hooks = FakeHooks()
    hooks.hang_after = {Status.DONE}
    with scheduling(narrow.ctx, hooks=hooks):
        ids = [a_run(narrow, key=str(index), resources={"cpu": "1"})[1] for index in range(3)]
        for run_id in ids:
            narrow.until_status(run_id, Status.DONE)
        assert hooks.hanging.wait(30)


@pytest.mark.parametrize("status", [Status.WAITING, Status.READY, Status.STARTING, Status.RUNNING, Status.COMPLETING])
def test_stopping_with_a_hook_under_way(world: World, status: Status) -> None:
    """A server stops quickly though a hook hangs; the next one asks again, and what had ended is not run again."""
    hooks = FakeHooks()
    hooks.hang = {status}
    with scheduling(world.ctx, hooks=hooks):
        _, run_id = a_run(world)
        world.until(hooks.hanging.is_set)
        begun = time.monotonic()
    assert time.monotonic() - begun < 5
    assert hooks.dropped.is_set()
    assert world.show(run_id).run.status is status
    before = len(hooks.of(run_id))
    hooks.hang = set()
    with scheduling(world.ctx, hooks=hooks):
        world.until_status(run_id, Status.DONE)
        world.until(lambda: hooks.of(run_id)[-1] == "done!")
    again = "ready?" if status is Status.STARTING else f"{status.value}?"  # a program that was lost is started anew
    assert hooks.of(run_id)[before] == again
    assert len(world.attempts(run_id)) == (2 if status is Status.STARTING else 1)


def test_told_in_order(world: World) -> None:
    """A hook that is slow to take what it is told delays the next question to it, so that it hears all in order."""
    hooks = FakeHooks()
    hooks.hang_after = {Status.STARTING}
    with scheduling(world.ctx, hooks=hooks):
        _, run_id = a_run(world)
        world.until(hooks.hanging.is_set)
        world.until(lambda: world.executor.started)
        assert hooks.of(run_id)[-1] == "starting!"
        runs.abort(world.ctx, run_id)
        assert world.show(run_id).run.status is Status.ABORTING


@pytest.mark.parametrize("stepwise", [True, False])
def test_too_large(narrow: World, stepwise: bool) -> None:
    """A Run that never fits is ready, after its hooks agreed, and says why it starts not; it begins when it fits."""
    hooks = FakeHooks()
    with scheduling(narrow.ctx, **({"hooks": hooks} if stepwise else {})):
        _, run_id = a_run(narrow, resources={"cpu": "2"})
        narrow.until_status(run_id, Status.READY)
        narrow.until(lambda: narrow.note(run_id))
        assert "this machine has 1 core" in str(narrow.note(run_id))
        _, other = a_run(narrow, key="b")
        narrow.until_status(other, Status.DONE)
    assert hooks.of(run_id) == (["waiting?", "ready!"] if stepwise else [])
    with scheduling(narrow.ctx, overcommit=True, hooks=hooks):
        narrow.until_status(run_id, Status.DONE)
        narrow.until(lambda: hooks.of(run_id)[-1] == "done!")
    assert hooks.of(run_id) == (DONE if stepwise else DONE[2:])


def test_scenario_52_uploads_that_were_cut_off(world: World) -> None:
    """Hooks are asked before a lost upload is ended; while one refuses, it stays running (scenario 52)."""
    run, _ = data._begin_upload(world.ctx)
    hooks = FakeHooks()
    hooks.refuse = {Status.RUNNING}
    with world.ctx.db.write() as tx:
        leases.take(tx, [run.run_id], Lease(owner="dead", until=0))
    with scheduling(world.ctx, hooks=hooks):
        world.until(lambda: hooks.of(run.run_id).count("running?") > 2)
        assert world.show(run.run_id).run.status is Status.RUNNING
        hooks.refuse = set()
        ended = world.until_status(run.run_id, Status.FAILED)
        world.until(lambda: hooks.of(run.run_id)[-1] == "failed!")
    assert ended.run.exit == Exit(255, "the upload was cut off")
    assert list(dict.fromkeys(hooks.of(run.run_id))) == ["running?", "aborting!", "aborting?", "failed!"]
    assert data.find(world.ctx, data.DataQuery(tags=some_tags("no:body"))) == []


def test_what_is_not_told(world: World) -> None:
    """Uploads that go well, switching, a user's retry and deletion are nobody's business but the user's."""
    hooks = FakeHooks()
    with scheduling(world.ctx, hooks=hooks):
        plan, run_id = a_run(world, active=False)
        plans.set_active(world.ctx, plan.plan.plan_id, True)
        world.until(lambda: hooks.of(run_id) == DONE)
        runs.retry(world.ctx, run_id)
        world.until(lambda: hooks.of(run_id) == DONE * 2)
        runs.delete(world.ctx, run_id)
    assert {told for _, told, _ in hooks.told} == {run_id}
    assert hooks.of(run_id) == DONE * 2


def test_a_longer_pause_each_time(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The pause doubles from refusal to refusal, up to twice what is waited for a full disk."""
    hooks = FakeHooks()
    hooks.refuse = {Status.WAITING}
    with scheduling(world.ctx, hooks=hooks, retry_after=0.032):
        _, run_id = a_run(world)
        world.until(lambda: hooks.of(run_id).count("waiting?") == 9)
    pauses = [float(text.split("after ")[1].split(" s")[0]) for text in caplog.messages if "tried again after" in text]
    assert pauses[:8] == [0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.064, 0.064]


def test_another_server_takes_a_ready_run_over(tmp_path: Path, db_url: str) -> None:
    """A Run whose server died between ready and starting is taken over when the lease has run out."""
    clock = ManualClock()
    hooks = FakeHooks()
    hooks.hang = {Status.READY}
    with a_world(tmp_path / "home", PROGRAMS, url=db_url, now=clock) as world:
        _, run_id = a_run(world)
        with scheduling(world.ctx, hooks=hooks, exclusive=False):
            world.until(hooks.hanging.is_set)
            clock.advance(100_000)
            other = FakeHooks()
            with a_world(tmp_path / "home", PROGRAMS, url=db_url, now=clock) as second:
                with scheduling(second.ctx, hooks=other, exclusive=False):
                    second.until(lambda: other.of(run_id)[-1:] == ["done!"])
                assert second.attempts(run_id) == [1]
        assert world.attempts(run_id) == []
    assert other.of(run_id) == DONE[2:]


def test_hooks_that_hang_take_no_time_of_the_program(tmp_path: Path) -> None:
    """A program that failed in time failed, however long hooks take to agree that it runs: it has not timed out."""
    clock, hooks = VirtualTime(), FakeHooks()
    hooks.hang = {Status.STARTING}
    with (
        a_world(tmp_path, PROGRAMS, now=clock) as world,
        scheduling(world.ctx, hooks=hooks, timer=clock.call_later),
    ):
        spec = a_plan("wait:1", {"/in": ("in:a",)}, {"/out/0": ("out:a",)})
        plan = plans.apply(world.ctx, replace(spec, timeout=60_000))
        world.push("in:a")
        run_id = world.run(plan).run.run_id
        world.until(hooks.hanging.is_set)
        assert clock.waits(60_000)
        world.executor.end(world.executor.started[0], Observation(phase=Phase.FAILED, code=3))
        world.until(lambda: not clock.waits(60_000), "its time is not counted any more")
        clock.advance(60_000)
        hooks.go_on()
        assert world.until_status(run_id, Status.FAILED).run.exit == Exit(3)
