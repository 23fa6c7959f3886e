"""Full disks, stores that are away, a busy database: Runs wait, say why, and go on by themselves."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from scheduler_programs import PROGRAMS
from scheduler_world import World, a_world, scheduling

from knit_server.domain.errors import Conflict, Damaged, InvalidInput, KnitError, OutOfSpace, Unavailable
from knit_server.domain.runs import Exit, Status
from knit_server.executors.base import Attempt, Started
from knit_server.service import runs
from knit_server.service.context import Limits
from knit_server.testing import FakeExecutor

FULL = OutOfSpace("no space is left", advice="Free some space.")
AWAY = Unavailable("the store does not answer", advice="Is its server running?")


@pytest.mark.parametrize("error", [FULL, AWAY])
def test_store_fails_while_outputs_are_kept(knit: World, error: KnitError) -> None:
    """The Run waits in completing with a note; when there is space again it is done, and ran once (scenario 72)."""
    plan = knit.apply("wait:1", {"/in": ("a:b",)}, "c:d", log=("kind:log",))
    after = knit.apply("copy:1", {"/in": ("c:d",)}, "e:f")
    knit.push("a:b")
    run_id = knit.run(plan).run.run_id
    attempt = knit.begun(run_id)
    knit.trouble.store = error
    knit.executor.end(attempt)
    knit.until(lambda: error.reason in (knit.note(run_id) or ""), "a note")
    assert knit.show(run_id).run.status is Status.COMPLETING
    assert knit.runs(after) == []
    knit.trouble.store = None
    knit.until(lambda: knit.statuses(after) == {"done": 1}, "the Run after it is done")
    assert knit.attempts(run_id) == [1]
    assert knit.note(run_id) is None
    assert knit.output(knit.show(run_id)) == {"names.txt": "a.txt"}
    knit.until_tidy()


def test_store_is_away_while_inputs_are_fetched(knit: World) -> None:
    """A Run whose inputs cannot be read now waits in starting with a note, and starts by itself later."""
    knit.push("a:b")
    knit.trouble.store = AWAY
    plan = knit.apply("copy:1", {"/in": ("a:b",)}, "c:d")
    run_id = knit.run(plan).run.run_id
    knit.until(lambda: AWAY.reason in (knit.note(run_id) or ""), "a note")
    assert knit.show(run_id).run.status is Status.STARTING
    knit.trouble.store = None
    knit.until_status(run_id, Status.DONE)
    assert len(knit.attempts(run_id)) == 1
    knit.until_tidy()


def test_results_that_are_away(knit: World) -> None:
    """A Run whose folder somebody took away waits with a note that says where it was, and is done when it is back."""
    plan = knit.apply("wait:1", {"/in": ("a:b",)}, "c:d")
    knit.push("a:b")
    run_id = knit.run(plan).run.run_id
    attempt = knit.begun(run_id)
    folder = knit.ctx.folder(attempt).path
    folder.rename(folder.with_name("away"))
    knit.executor.end(attempt)
    told = f"the folder of this Run's results is gone: {folder}"
    knit.until(lambda: told in (knit.note(run_id) or ""), "a note")
    folder.with_name("away").rename(folder)
    knit.until_status(run_id, Status.DONE)
    knit.until_tidy()


def test_damaged_input(knit: World) -> None:
    """A Run whose input is damaged fails at once and says so: waiting would not heal it."""
    knit.push("a:b")
    knit.trouble.store = Damaged("the pack is cut off", advice="Restore it.")
    plan = knit.apply("copy:1", {"/in": ("a:b",)})
    knit.until_ended()
    assert knit.run(plan).run.exit == Exit(255, "the pack is cut off\nRestore it.")


def test_stop_while_the_store_is_away(knit: World) -> None:
    """A Run that waits for its inputs can be stopped."""
    knit.push("a:b")
    knit.trouble.store = AWAY
    plan = knit.apply("copy:1", {"/in": ("a:b",)})
    run_id = knit.run(plan).run.run_id
    knit.until(lambda: knit.note(run_id), "a note")
    runs.abort(knit.ctx, run_id)
    run = knit.until_status(run_id, Status.FAILED)
    assert run.run.exit is not None
    assert run.run.exit.code == 253
    assert knit.attempts(run_id) == []


@pytest.mark.parametrize("error", [FULL, Unavailable("the database is busy")])
@pytest.mark.parametrize("moment", ["started", "ended", "stored"])
def test_database_fails(world: World, error: KnitError, moment: str) -> None:
    """What has happened is written down when the database can again: the program does not run a second time."""
    plan = world.apply("copy:1", {"/in": ("a:b",)}, "c:d")
    world.push("a:b")

    def checkpoint(name: str) -> None:
        if name == moment and not world.trouble.met.is_set():
            world.trouble.database = error

    with scheduling(world.ctx, checkpoint=checkpoint):
        assert world.trouble.met.wait(30)
        world.trouble.database = None
        world.until_ended()
        assert world.statuses(plan) == {"done": 1}
        assert world.attempts(world.run(plan).run.run_id) == [1]
        world.until_tidy()


def test_database_fails_while_claiming(knit: World, caplog: pytest.LogCaptureFixture) -> None:
    """A step that fails is told in the log and tried again soon, not only when the safety net looks."""
    plan = knit.apply("copy:1", {"/in": ("a:b",)}, "c:d", active=True)
    knit.trouble.met.clear()
    knit.push("a:b")
    knit.trouble.database = AWAY
    knit.ctx.signals.announce(frozenset({"launch", "finish", "project", "sweep"}))
    assert knit.trouble.met.wait(30)
    knit.trouble.database = None
    knit.until(lambda: knit.statuses(plan) == {"done": 1}, "the Run is done")
    assert "failed; it will be tried again" in caplog.text
    assert AWAY.reason in caplog.text


def test_leases_cannot_be_renewed_for_a_while(tmp_path: Path) -> None:
    """A database that fails while leases are renewed does not bring the scheduler down."""
    limits = Limits(lease=30)  # renewed every 10 ms
    with a_world(tmp_path, PROGRAMS, limits=limits) as world, scheduling(world.ctx) as scheduler:
        plan = world.apply("wait:1", {"/in": ("a:b",)}, "c:d")
        world.push("a:b")
        attempt = world.begun(world.run(plan).run.run_id)
        world.trouble.met.clear()
        world.trouble.database = AWAY
        assert world.trouble.met.wait(30)
        world.trouble.database = None
        world.executor.end(attempt)
        world.until_ended()
        assert world.statuses(plan) == {"done": 1}
        assert scheduler.alive


class Unwilling(FakeExecutor):
    """Raises `errors`, one at each start, before it runs anything."""

    errors: list[Exception]

    def start(self, attempt: Attempt) -> Started:
        if self.errors:
            raise self.errors.pop(0)
        return super().start(attempt)


@pytest.mark.parametrize(
    ("errors", "end"),
    [
        ([Conflict("another change came in between")] * 2, Exit(0)),
        ([Conflict("another change came in between")] * 9, Exit(255, "another change came in between")),
        ([RuntimeError("secret")] * 2, Exit(0)),
        ([RuntimeError("secret")] * 9, Exit(255, "Knit itself failed (RuntimeError); the server's log says more")),
        ([Unavailable("not now")] * 9, Exit(0)),
        ([InvalidInput("nothing to run")], Exit(255, "nothing to run")),
    ],
)
def test_executor_cannot_start(tmp_path: Path, errors: list[Exception], end: Exit) -> None:
    """Passing errors are waited for, puzzling ones tried thrice, hopeless ones end the Run; secrets stay in the log.

    (scenario 69)
    """
    executor = Unwilling()
    executor.errors = list(errors)
    with a_world(tmp_path, PROGRAMS, executor=executor) as world, scheduling(world.ctx):
        plan = world.apply("copy:1", {"/in": ("a:b",)}, "c:d")
        world.push("a:b")
        world.until_ended()
        assert world.run(plan).run.exit == end
        assert len(world.executor.started) == (1 if end.code == 0 else 0)
        world.until_tidy()


class Refusing(FakeExecutor):
    """Cannot start one image; `refused` lists the attempts at it."""

    refused: list[Attempt]

    def start(self, attempt: Attempt) -> Started:
        if attempt.image == "silent:1":
            self.refused.append(attempt)
            raise Unavailable("not now")
        return super().start(attempt)


def test_failing_runs_do_not_spin(tmp_path: Path) -> None:
    """Runs that fail to start each wait for their next turn, however many they are, and hold up nobody else."""
    executor = Refusing()
    executor.refused = []
    with a_world(tmp_path, PROGRAMS, executor=executor) as world, scheduling(world.ctx, retry_after=3600):
        stuck, fine = world.apply("silent:1", {"/in": ("a:b",)}), world.apply("copy:1", {"/in": ("a:b",)}, "c:d")
        for _ in range(3):
            world.push("a:b")
        world.until(lambda: world.statuses(fine) == {"done": 3}, "the others are done")
        world.until(lambda: all("not now" in (world.note(run.run.run_id) or "") for run in world.runs(stuck)), "notes")
        assert len(executor.refused) == len({attempt.id for attempt in executor.refused}) == 3


def test_results_are_gone(world: World) -> None:
    """Where a finished program's folder is gone, the Run says so and waits until it is put back."""
    plan = world.apply("copy:1", {"/in": ("a:b",)}, "c:d")
    world.push("a:b")
    run_id = world.run(plan).run.run_id
    folder = world.ctx.home / "runs" / f"{run_id}-1"
    aside = world.ctx.home / "aside"

    def checkpoint(name: str) -> None:
        if name == "exited":
            shutil.move(folder, aside)

    with scheduling(world.ctx, checkpoint=checkpoint):
        world.until(lambda: "is gone" in (world.note(run_id) or ""), "a note")
        assert world.show(run_id).run.status is Status.COMPLETING
        shutil.move(aside, folder)
        world.until_ended()
    assert world.output(world.run(plan)) == {"names.txt": "a.txt"}


def test_cache_cannot_take_the_output(world: World) -> None:
    """A cache that is in the way of nothing: if it cannot take a tree, the Run is done all the same."""
    plan = world.apply("copy:1", {"/in": ("a:b",)}, "c:d")
    after = world.apply("copy:1", {"/in": ("c:d",)}, "e:f")
    world.push("a:b")

    def checkpoint(name: str) -> None:
        if name == "finished":
            shutil.rmtree(world.ctx.home / "trees" / "work")

    with scheduling(world.ctx, checkpoint=checkpoint):
        world.until(lambda: world.statuses(plan) == {"done": 1}, "the Run is done")
    assert world.statuses(after).total() == 1
