"""Several servers on one database: a dead one's work is taken over, a living one's never."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from crashing import Fuse, Home
from scheduler_programs import PROGRAMS
from scheduler_world import World, a_world, scheduling

from knit_server.domain.errors import NotUsable, Unavailable
from knit_server.domain.runs import Exit, Status
from knit_server.executors.base import AttemptId
from knit_server.persistence import runs
from knit_server.scheduler import Scheduler
from knit_server.service import data
from knit_server.testing import FakeExecutor, Killed, ManualClock

LEASE = 60_000


def wake(scheduler: Scheduler) -> None:
    """Let a scheduler look, as its safety net would."""
    scheduler.wake()


@contextlib.contextmanager
def two(home: Path, url: str, clock: ManualClock | None = None, **capacity: float) -> Iterator[tuple[World, World]]:
    """Two servers on one database and one home, without schedulers."""
    with contextlib.ExitStack() as stack:
        yield tuple(
            stack.enter_context(a_world(home, PROGRAMS, url=url, now=clock, executor=FakeExecutor(**capacity)))
            for _ in "12"
        )


def test_a_dead_servers_runs_are_taken_over(tmp_path: Path, db_url: str) -> None:
    """They are left alone while its leases last, and begun anew by another server when they have run out."""
    clock = ManualClock()
    home = Home(tmp_path / "home", db_url, clock)
    with home.open() as world:
        plan = world.apply("join:1", {"/in": ("a:b",)}, "c:d")
        world.push("a:b", files={"f": "1"})
        run_id = world.run(plan).run.run_id
    assert home.live(Fuse("recorded"), exclusive=False)
    with home.open() as world, scheduling(world.ctx, exclusive=False) as scheduler:
        clock.advance(LEASE)
        world.apply("join:1", {"/in": ("a:b",)}, "e:f")
        world.until(lambda: world.counts() == {"done": 2, "running": 1}, "other work is done")
        assert world.attempts(run_id) == [1]
        clock.advance(1)
        wake(scheduler)
        world.until_status(run_id, Status.DONE)
        assert world.attempts(run_id) == [1, 2]
        assert world.output(world.run(plan)) == {"joined.txt": "/in/f: 1"}
        world.until_tidy()


def test_own_leases_may_run_out(tmp_path: Path, db_url: str) -> None:
    """A machine that slept longer than its leases goes on with its own Runs; nothing was lost."""
    clock = ManualClock()
    with a_world(tmp_path / "home", PROGRAMS, url=db_url, now=clock) as world:
        plan = world.apply("wait:1", {"/in": ("a:b",)}, "c:d")
        world.push("a:b")
        with scheduling(world.ctx) as scheduler:
            attempt = world.begun(world.run(plan).run.run_id)
            clock.advance(10 * LEASE)
            wake(scheduler)
            world.apply("copy:1", {"/in": ("a:b",)}, "e:f")
            world.until(lambda: world.counts().get("done") == 2, "it has looked")
            world.executor.end(attempt)
            world.until_ended()
        assert world.run(plan).run.attempt == 1
        with world.ctx.db.read() as tx:
            assert not runs.execution(tx, attempt.run_id).losses


def test_a_server_that_slept_is_overtaken(tmp_path: Path, db_url: str) -> None:
    """The attempt of a server whose Run another has begun anew counts for nothing, however it ends."""
    clock = ManualClock()
    with two(tmp_path / "home", db_url, clock) as (slow, quick), scheduling(slow.ctx, exclusive=False):
        plan = slow.apply("wait:1", {"/in": ("a:b",)}, "c:d")
        slow.push("a:b")
        first = slow.begun(slow.run(plan).run.run_id)
        clock.advance(LEASE + 1)
        with scheduling(quick.ctx, exclusive=False):
            second = AttemptId(first.run_id, 2)
            quick.until(lambda: second in quick.executor.started, "the second attempt")
            quick.until_status(first.run_id, Status.RUNNING)
            slow.executor.end(first)
            slow.until(lambda: slow.ctx.executor.observe(first).code == 0, "the first attempt's end")
            # Its scheduler is through with it once it can do other work after.
            other = slow.apply("copy:1", {"/in": ("a:b",)}, "x:y")
            slow.until(lambda: slow.statuses(other) == {"done": 1}, "other work")
            assert quick.show(first.run_id).run.status is Status.RUNNING
            quick.executor.end(second)
            run = quick.until_status(first.run_id, Status.DONE)
            assert run.run.attempt == 2
            assert quick.output(run) == {"names.txt": "a.txt"}


def test_an_overtaken_program_is_stopped(tmp_path: Path, db_url: str) -> None:
    """A server that finds its Run in other hands stops its own program."""
    clock = ManualClock()
    with two(tmp_path / "home", db_url, clock) as servers:
        slow, quick = servers
        with scheduling(slow.ctx, exclusive=False) as sleeper, scheduling(quick.ctx, exclusive=False) as other:
            plan = slow.apply("wait:1", {"/in": ("a:b",)}, "c:d")
            slow.push("a:b")
            slow.until(lambda: slow.run(plan).run.status is Status.RUNNING, "it runs")
            first = AttemptId(slow.run(plan).run.run_id, 1)
            assert first in slow.executor.started
            clock.advance(LEASE + 1)
            wake(other)
            quick.until(lambda: AttemptId(first.run_id, 2) in quick.executor.started, "the second attempt")
            wake(sleeper)
            slow.until(lambda: slow.ctx.executor.observe(first).code == 137, "the first attempt is stopped")
            quick.executor.end(AttemptId(first.run_id, 2))
            run = quick.until_status(first.run_id, Status.DONE)
            assert run.run.exit == Exit(0)


def test_two_servers_share_the_work(tmp_path: Path, db_url: str) -> None:
    """Two schedulers side by side: each has its part, and no Run is started by both."""
    with two(tmp_path / "home", db_url, cpu=1.0) as servers:
        one, other = servers
        with scheduling(one.ctx, exclusive=False) as first, scheduling(other.ctx, exclusive=False) as second:
            one.ctx.signals.subscribe(second.wake)
            other.ctx.signals.subscribe(first.wake)
            blocking = one.apply("wait:1", {"/in": ("b:b",)}, resources={"cpu": "1"})
            for _ in "12":
                one.push("b:b")
            one.until(lambda: one.statuses(blocking) == {"running": 2}, "each has one")
            assert len(one.executor.started) == len(other.executor.started) == 1
            plan = other.apply("join:1", {"/x": ("a:b",), "/y": ("a:b",)}, "c:d", resources={"cpu": "1"})
            for index in range(5):
                (one, other)[index % 2].push("a:b", files={"f": str(index)})
            for each in (one, other):
                each.executor.end(each.executor.started[0])
            one.until(lambda: one.statuses(plan) == {"done": 25}, "25 Runs")
            one.until_ended()
            texts = [one.output(run)["joined.txt"] for run in one.runs(plan)]
            assert len(set(texts)) == 25
            started = one.executor.started + other.executor.started
            assert len({attempt.run_id for attempt in started}) == len(started) == 27
            one.until_tidy()


def test_taken_over_runs_wait_for_room(tmp_path: Path, db_url: str) -> None:
    """A server takes another's programs over only while they fit, but before Runs that nobody began."""
    clock = ManualClock()
    with two(tmp_path / "home", db_url, clock, cpu=1.0) as servers:
        slow, quick = servers
        slow.executor.cpu = 2.0
        plan = slow.apply("wait:1", {"/in": ("a:b",)}, "c:d", resources={"cpu": "1"})
        with scheduling(slow.ctx, exclusive=False):
            begun: list[AttemptId] = []
            for number in (1, 2):
                slow.push("a:b")
                slow.until(lambda number=number: slow.statuses(plan) == {"running": number}, "it runs")
                begun.append(slow.executor.started[-1])
            slow.push("a:b")
            (third,) = [run.run.run_id for run in slow.runs(plan) if run.run.status is Status.WAITING]
            clock.advance(LEASE + 1)
            with scheduling(quick.ctx, exclusive=False):
                for attempt in (*(each._replace(number=2) for each in begun), AttemptId(third, 1)):
                    quick.until(lambda attempt=attempt: attempt in quick.executor.started, "it is started")
                    quick.begun(attempt.run_id)
                    assert [each for each in quick.executor.started if quick.executor.runs(each)] == [attempt]
                    quick.executor.end(attempt)
                quick.until_ended()
                assert [attempt.run_id for attempt in quick.executor.started][-1] == third


class Dying:
    """A push whose server dies: after a few bytes nothing works any more."""

    def __init__(self, world: World) -> None:
        self._world = world

    def read(self, size: int = -1, /) -> bytes:
        self._world.trouble.database = Unavailable("dead")
        raise Killed("in the midst of a push")


def test_a_push_dies_with_its_server(tmp_path: Path, db_url: str) -> None:
    """A push that was cut off by its server's death is failed once its lease has run out; its Data has no content.

    (scenarios 51, 74)
    """
    clock = ManualClock()
    with a_world(tmp_path / "home", PROGRAMS, url=db_url, now=clock) as world, pytest.raises(Killed):
        data.upload(world.ctx, Dying(world))  # type: ignore[arg-type]
    with a_world(tmp_path / "home", PROGRAMS, url=db_url, now=clock) as world, scheduling(world.ctx) as scheduler:
        (pushed,) = world.everything()
        world.push("a:b")
        assert world.show(pushed.data.run_id).run.status is Status.RUNNING, "another process may still receive it"
        clock.advance(LEASE + 1)
        wake(scheduler)
        world.until_status(pushed.data.run_id, Status.FAILED)
        with pytest.raises(NotUsable, match="no content"):
            world.pull(pushed.data.knit_id)
