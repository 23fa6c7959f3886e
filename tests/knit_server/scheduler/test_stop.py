"""Stopping Runs and switching Plans at any moment."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from scheduler_programs import PROGRAMS
from scheduler_world import World, a_world, scheduling

from knit_server.domain.errors import Conflict
from knit_server.domain.runs import Exit, Status
from knit_server.domain.views import PlanView, RunView
from knit_server.executors.base import AttemptId
from knit_server.service import plans, runs
from knit_server.testing import FakeExecutor

ABORTED = Exit(253, "aborted by user")
TORN_OFF = Exit(0, "stopped by user")


def a_waiting_run(world: World) -> tuple[PlanView, PlanView, str]:
    """A Plan whose Run goes on until it is stopped, a Plan that takes what it makes, and that Run."""
    plan = world.apply("wait:1", {"/in": ("a:b",)}, "c:d", log=("kind:log",))
    after = world.apply("copy:1", {"/in": ("c:d",)}, "e:f")
    world.push("a:b")
    return plan, after, world.run(plan).run.run_id


def test_abort_of_a_running_run(knit: World) -> None:
    """The program is ended, the Run failed with 253; what it left can be pulled and starts nothing."""
    _, after, run_id = a_waiting_run(knit)
    knit.begun(run_id)
    stopped = runs.abort(knit.ctx, run_id)
    assert stopped.run.status is Status.ABORTING
    run = knit.until_status(run_id, Status.FAILED)
    assert run.run.exit == ABORTED
    assert knit.output(run) == {"names.txt": "a.txt"}
    assert knit.runs(after) == []
    knit.until_tidy()


def test_tearoff_of_a_running_run(knit: World) -> None:
    """The program is ended, the Run done with what it made so far, and the next Run starts from that."""
    _, after, run_id = a_waiting_run(knit)
    knit.begun(run_id)
    assert runs.tearoff(knit.ctx, run_id).run.status is Status.COMPLETING
    knit.until(lambda: knit.statuses(after) == {"done": 1}, "the Run after it is done")
    run = knit.show(run_id)
    assert run.run.status is Status.DONE
    assert run.run.exit == TORN_OFF
    assert knit.output(run) == {"names.txt": "a.txt"}
    knit.until_tidy()


@pytest.mark.parametrize("stop", [runs.abort, runs.tearoff])
def test_stopping_twice(knit: World, stop: Callable[..., RunView]) -> None:
    """Stopping again what is being stopped is fine; stopping what has ended is a conflict."""
    _, _, run_id = a_waiting_run(knit)
    knit.begun(run_id)
    stop(knit.ctx, run_id)
    with contextlib.suppress(Conflict):  # it may have ended meanwhile
        stop(knit.ctx, run_id)
    knit.until_ended()
    with pytest.raises(Conflict, match=r"has ended already: it is (failed|done)"):
        stop(knit.ctx, run_id)


def test_abort_of_a_waiting_run(world: World) -> None:
    """A Run that nothing was done for yet is failed without ever starting; its Data have no content."""
    _, _, run_id = a_waiting_run(world)
    runs.abort(world.ctx, run_id)
    with scheduling(world.ctx):
        run = world.until_status(run_id, Status.FAILED)
    assert run.run.exit == ABORTED
    assert run.run.attempt == 0
    assert world.executor.started == []
    with pytest.raises(Conflict, match="no content"):
        world.output(run)


def test_tearoff_of_a_waiting_run(world: World) -> None:
    """There is nothing to keep of a Run that waits: a conflict, and it runs as if nobody had asked."""
    _, _, run_id = a_waiting_run(world)
    with pytest.raises(Conflict, match="has not begun, it is waiting: there is nothing of it to keep") as caught:
        runs.tearoff(world.ctx, run_id)
    assert f"knit run stop --fail {run_id}; or delete it: knit run rm {run_id}" in str(caught.value)
    with scheduling(world.ctx):
        world.begun(run_id)


def test_abort_of_a_deactivated_run(knit: World) -> None:
    """A Run of an inactive Plan can be stopped for good."""
    plan = knit.apply("copy:1", {"/in": ("a:b",)}, "c:d", active=False)
    knit.push("a:b")
    run_id = knit.run(plan).run.run_id
    runs.abort(knit.ctx, run_id)
    knit.until_status(run_id, Status.FAILED)
    plans.set_active(knit.ctx, plan.plan.plan_id, True)
    assert knit.statuses(plan) == {"failed": 1}


@pytest.mark.parametrize(
    ("stop", "end", "status"), [(runs.abort, ABORTED, Status.FAILED), (runs.tearoff, TORN_OFF, Status.DONE)]
)
def test_stop_of_a_ready_run(tmp_path: Path, stop: Callable[..., RunView], end: Exit, status: Status) -> None:
    """A Run held back for want of room can be stopped; torn off, its outputs are empty and start what follows."""
    with a_world(tmp_path, PROGRAMS, executor=FakeExecutor(cpu=2)) as world, scheduling(world.ctx):
        plan = world.apply("copy:1", {"/in": ("a:b",)}, "c:d", log=("kind:log",), resources={"cpu": "3"})
        after = world.apply("join:1", {"/in": ("c:d",)}, "e:f")
        world.push("a:b")
        run_id = world.run(plan).run.run_id
        world.until_status(run_id, Status.READY)
        stop(world.ctx, run_id)
        run = world.until_status(run_id, status)
        assert run.run.exit == end
        assert world.executor.started == [] or status is Status.DONE
        if status is Status.DONE:
            assert world.output(run) == {}
            assert run.log is not None
            assert world.pull(run.log) == {"log": ""}
            world.until(lambda: world.statuses(after) == {"done": 1}, "the Run after it is done")
        world.until_tidy()


class At:
    """A checkpoint that calls `act` when it comes to `name`."""

    def __init__(self, name: str, act: Callable[[], object]) -> None:
        self._name, self._act = name, act

    def __call__(self, name: str) -> None:
        if name == self._name:
            self._act()


@pytest.mark.parametrize("moment", ["claimed", "staged", "started", "recorded", "ended", "exited", "stored"])
@pytest.mark.parametrize("stop", [runs.abort, runs.tearoff])
def test_stop_at_every_step(world: World, moment: str, stop: Callable[..., RunView]) -> None:
    """Whatever step a stop falls between, the Run ends as it was said, or as it was ending already."""
    plan = world.apply("copy:1", {"/in": ("a:b",)}, "c:d", log=("kind:log",))
    after = world.apply("join:1", {"/in": ("c:d",)}, "e:f")
    world.push("a:b")
    run_id = world.run(plan).run.run_id
    refused: list[Conflict] = []

    def act() -> None:
        if not done and not done.append(True):
            try:
                stop(world.ctx, run_id)
            except Conflict as err:
                refused.append(err)

    done: list[bool] = []
    with scheduling(world.ctx, checkpoint=At(moment, act)):
        run = world.until_status(run_id, Status.DONE, Status.FAILED)
        world.until_ended()
        world.until_tidy()
    was_ending = moment in ("exited", "stored")
    if stop is runs.abort:
        assert bool(refused) == was_ending, "what is completing cannot be aborted"
        assert run.run.exit == (Exit(0) if was_ending else ABORTED)
    else:
        assert not refused
        assert run.run.exit == (Exit(0) if was_ending else TORN_OFF)
    assert world.statuses(after) == ({"done": 1} if run.run.status is Status.DONE else {})
    assert len(world.attempts(run_id)) <= 1


@pytest.mark.parametrize("stop", [runs.abort, runs.tearoff])
def test_stop_races_with_the_end(knit: World, stop: Callable[..., RunView]) -> None:
    """Many times over, a stop and the program's own end come at once: one of them wins, and all agree which."""
    plan = knit.apply("wait:1", {"/in": ("a:b",)}, "c:d")
    after = knit.apply("copy:1", {"/in": ("c:d",)}, "e:f")
    refused: set[str] = set()

    def both(attempt: AttemptId) -> None:
        gate = threading.Barrier(2)

        def end() -> None:
            gate.wait()
            knit.executor.end(attempt)

        ender = threading.Thread(target=end)
        ender.start()
        gate.wait()
        try:
            stop(knit.ctx, attempt.run_id)
        except Conflict:
            refused.add(attempt.run_id)
        ender.join()

    rounds = 15
    known: set[str] = set()
    for _ in range(rounds):
        knit.push("a:b")
        (new,) = {run.run.run_id for run in knit.runs(plan)} - known
        known.add(new)
        both(knit.begun(new))
    knit.until_ended()
    for run in knit.runs(plan):
        by_user = ABORTED if stop is runs.abort else TORN_OFF
        assert run.run.exit in (by_user, Exit(0))
        if run.run.run_id in refused:
            assert run.run.exit == Exit(0)
        assert len(knit.attempts(run.run.run_id)) == 1
    done = knit.statuses(plan)["done"]
    assert knit.statuses(after) == ({"done": done} if done else {})
    knit.until_tidy()


def test_switching_a_plan_while_runs_come(knit: World) -> None:
    """Switched off and on without pause while pushes come in, a Plan loses no Run and doubles none."""
    plan = knit.apply("copy:1", {"/in": ("a:b",)}, "c:d")
    stop = threading.Event()
    failures: list[BaseException] = []

    def switch() -> None:
        turn = random.Random(1)
        try:
            while not stop.is_set():
                plans.set_active(knit.ctx, plan.plan.plan_id, turn.random() < 0.5)
        except BaseException as err:
            failures.append(err)

    switcher = threading.Thread(target=switch)
    switcher.start()
    pushed = 15
    for _ in range(pushed):
        knit.push("a:b")
    stop.set()
    switcher.join()
    plans.set_active(knit.ctx, plan.plan.plan_id, True)
    knit.until(lambda: knit.statuses(plan) == {"done": pushed}, "all Runs are done")
    assert failures == []
    assert len(knit.executor.started) == pushed


def test_inactive_plan_does_not_start(knit: World) -> None:
    """Runs of an inactive Plan stay deactivated; switched on, they run."""
    plan = knit.apply("copy:1", {"/in": ("a:b",)}, "c:d", active=False)
    knit.push("a:b")
    other = knit.apply("copy:1", {"/in": ("a:b",)}, "x:y")
    knit.until(lambda: knit.statuses(other) == {"done": 1}, "the other Plan's Run")
    assert knit.statuses(plan) == {"deactivated": 1}
    plans.set_active(knit.ctx, plan.plan.plan_id, True)
    knit.until(lambda: knit.statuses(plan) == {"done": 1}, "its Run")
