"""Runs that are tried again by their Plan's policy, and attempts that take too long; on virtual time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asking import FakeHooks
from crashing import Fuse
from scheduler_programs import PROGRAMS
from scheduler_world import World, a_world, scheduling
from virtual_time import VirtualTime

from knit_server.domain import times
from knit_server.domain.editing import ResourceChange, RetryChange, TimeoutChange
from knit_server.domain.retries import RetryPolicy
from knit_server.domain.runs import Exit, Status
from knit_server.domain.views import PlanView
from knit_server.executors.base import Attempt, Observation
from knit_server.persistence import events
from knit_server.scheduler import Scheduler
from knit_server.scheduler.again import LOG_KEPT
from knit_server.service import plan_changes, plans, runs, why
from knit_server.service.context import Limits
from knit_server.testing import OK, FakeExecutor, Killed, Program, a_plan, failing

MINUTE = 60_000
ERROR = "(container main) Error"


class Flaky:
    """A program that fails with `code` before it succeeds; it prints, and writes a file, each time."""

    def __init__(self, failures: int, code: int = 137, words: str = "hello") -> None:
        self.failures, self.code, self.words = failures, code, words
        self.calls = 0

    def __call__(self, attempt: Attempt) -> Observation:
        self.calls += 1
        (attempt.outputs[0].host / f"call-{self.calls}").write_text("x")
        if attempt.log is not None:
            with attempt.log.open("a") as log:
                log.write(f"{self.words} {self.calls}")
        return OK if self.calls > self.failures else failing(self.code)(attempt)


class Lab:
    """A home that outlives its servers, with one clock and one executor's list of starts."""

    def __init__(self, path: Path, url: str) -> None:
        self.path, self.url = path, url
        self.time = VirtualTime()
        self.program = Flaky(2)
        self.executor = FakeExecutor()

    @contextlib.contextmanager
    def open(self, **limits: int) -> Iterator[World]:
        """Open it without a scheduler."""
        programs: dict[str, Program] = {**PROGRAMS, "flaky:1": self.program}
        limited = Limits(lease=10**10, **limits)  # virtual time moves faster than leases are renewed
        with a_world(self.path, programs, url=self.url, executor=self.executor, limits=limited, now=self.time) as world:
            yield world

    @contextlib.contextmanager
    def serve(self, **limits: int) -> Iterator[World]:
        """Open it with a scheduler."""
        with self.open(**limits) as world, scheduling(world.ctx, timer=self.time.call_later):
            yield world

    def serve_until_killed(self, moment: str, count: int = 1, **limits: int) -> bool:
        """Let a scheduler run until all is at rest or it is killed; says whether it was."""
        fuse = Fuse(moment, count)
        with self.open(**limits) as world:
            scheduler = Scheduler(world.ctx, checkpoint=fuse, retry_after=0.01, timer=self.time.call_later)
            with contextlib.suppress(Killed):
                scheduler.start()
            world.until(lambda: fuse.blown or at_rest(world))
            scheduler.stop()
        return fuse.blown


@pytest.fixture
def lab(tmp_path: Path, db_url: str) -> Lab:
    """An empty home, on either database."""
    return Lab(tmp_path / "home", db_url)


def at_rest(world: World) -> bool:
    """Whether the only Run has ended, or waits for its next attempt, and nobody works on it."""
    run = world.run()
    if run.run.status in (Status.DONE, Status.FAILED):
        return not world.folders()
    when = due(world, run.run.run_id)
    return when is not None and times.parse_instant(str(when)) > world.ctx.now()


def due(world: World, run_id: str) -> object:
    """When the next attempt is due, as people read it."""
    return runs.details(world.ctx, run_id)["againAt"]


def begin(world: World, image: str = "flaky:1", *, policy: RetryPolicy | None, **more: Any) -> str:
    """Register a Plan and push what fits it; returns the Run."""
    run_id, _ = begun(world, image, policy=policy, **more)
    return run_id


def begun(
    world: World, image: str = "flaky:1", *, policy: RetryPolicy | None, timeout: int | None = None
) -> tuple[str, PlanView]:
    """Register a Plan and push what fits it; returns the Run and the Plan."""
    spec = a_plan(image, {"/in": ("a:b",)}, {"/out/0": ("c:d",)}, log=("kind:log",))
    plan = plans.apply(world.ctx, replace(spec, retry=policy, timeout=timeout))
    world.push("a:b")
    return world.run(plan).run.run_id, plan


def put_off(world: World, run_id: str, tries: int = 1) -> None:
    """Wait until an attempt has ended badly and the next is due later."""
    world.until(
        lambda: runs.details(world.ctx, run_id)["tries"] == tries and due(world, run_id), f"{tries} tries of {run_id}"
    )


ON_EXIT = RetryPolicy(tries=3, wait=MINUTE, on=("exit:137",))


def test_fails_twice_and_succeeds(lab: Lab) -> None:
    """Attempts follow each other after the pause; the Data keep their ids, and the log tells all attempts."""
    with lab.serve() as world:
        run_id = begin(world, policy=ON_EXIT)
        before = world.show(run_id)
        for tries in (1, 2):
            put_off(world, run_id, tries)
            assert world.show(run_id).run.status is Status.RUNNING
            assert (world.note(run_id) or "").startswith(
                f"attempt {tries} of 3 failed with exit 137 ({ERROR}); tries again at 2023-11-14T22:"
            )
            lab.time.advance(MINUTE - 1)
            assert len(world.attempts(run_id)) == tries
            lab.time.advance(1)
        run = world.until_status(run_id, Status.DONE)
        world.until_tidy()
        assert lab.program.calls == 3
        assert [each.knit_id for each in run.outputs] == [each.knit_id for each in before.outputs]
        assert world.output(run) == {"call-3": "x"}
        assert run.log == before.log
        assert run.log is not None
        assert world.pull(run.log)["log"].splitlines() == [
            "hello 1", f"[knit] attempt 1 of 3 failed with exit 137 ({ERROR})",
            "hello 2", f"[knit] attempt 2 of 3 failed with exit 137 ({ERROR})",
            "hello 3",
        ]  # fmt: skip
        assert due(world, run_id) is None


@pytest.mark.parametrize(
    ("policy", "attempts"),
    [
        (replace(ON_EXIT, tries=2, wait=0), 2),
        (replace(ON_EXIT, on=("exit",), wait=0), 3),
        (replace(ON_EXIT, on=("exit:1", "lost", "stuck", "timeout")), 1),
        (replace(ON_EXIT, tries=1), 1),
        (None, 1),
    ],
)
def test_fails_in_the_end(lab: Lab, policy: RetryPolicy | None, attempts: int) -> None:
    """After the last attempt, or one that the policy is not about, the Run fails as it would without one."""
    lab.program.failures = 100
    with lab.serve() as world:
        run_id = begin(world, policy=policy)
        run = world.until_status(run_id, Status.FAILED)
        assert len(world.attempts(run_id)) == attempts
        assert run.run.exit == Exit(137, ERROR)
        assert world.output(run) == {f"call-{attempts}": "x"}


def test_the_room_is_free_meanwhile(tmp_path: Path, lab: Lab) -> None:
    """On a machine with room for one Run, another one runs while the first waits for its next attempt."""
    lab.executor.cpu = 1
    with lab.serve() as world:
        first = begin(world, policy=ON_EXIT)
        plan_changes.edit(world.ctx, world.run().plan.plan_id, ResourceChange(set={"cpu": "1"}))
        put_off(world, first)
        spec = a_plan("wait:1", {"/in": ("other:thing",)}, {"/out/0": ("e:f",)}, resources={"cpu": "1"})
        other = plans.apply(world.ctx, spec)
        world.push("other:thing")
        attempt = world.begun(world.run(other).run.run_id)
        lab.time.advance(MINUTE)  # and the first one waits for room now
        assert len(world.attempts(first)) == 1
        world.executor.end(attempt)
        put_off(world, first, 2)


@pytest.mark.parametrize("stop", [runs.abort, runs.tearoff])
@pytest.mark.parametrize("alive", [True, False])
def test_stopped_while_it_waits(lab: Lab, stop: Callable[..., object], alive: bool) -> None:
    """A stop ends the Run at once, with what the last attempt left, also while no server runs; nothing is begun."""
    with lab.serve() as world:
        run_id = begin(world, policy=ON_EXIT)
        put_off(world, run_id)
        if alive:
            stop(world.ctx, run_id)
            world.until_ended()
    with lab.open() as world:
        if not alive:
            stop(world.ctx, run_id)
    with lab.serve() as world:
        run = world.until_status(run_id, Status.FAILED if stop is runs.abort else Status.DONE)
        assert run.run.exit == (Exit(253, "aborted by user") if stop is runs.abort else Exit(0, "stopped by user"))
        assert world.output(run) == {"call-1": "x"}
        lab.time.advance(10 * MINUTE)
        assert lab.program.calls == 1
        assert due(world, run_id) is None


def test_a_restarted_server_waits_on(lab: Lab) -> None:
    """The instant is in the database: who comes next waits for the rest of the pause, and loses nothing."""
    with lab.serve() as world:
        run_id = begin(world, policy=ON_EXIT)
        put_off(world, run_id)
        when = due(world, run_id)
    lab.time.advance(MINUTE // 2)
    with lab.serve() as world:
        world.until(lambda: lab.time.waits(MINUTE // 2), "the next server's timer")
        assert due(world, run_id) == when
        assert world.attempts(run_id) == [1]
        lab.time.advance(MINUTE // 2)
        put_off(world, run_id, 2)
    lab.time.advance(10 * MINUTE)  # it is due before the next server starts
    with lab.serve() as world:
        world.until_status(run_id, Status.DONE)
    assert lab.program.calls == 3


MOMENTS = ("claimed", "staged", "started", "recorded", "ended", "put off", "exited", "stored", "finished", "adopted")


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_step(lab: Lab, moment: str, count: int) -> None:
    """Whenever the server dies, the Run is tried until it succeeds, no attempt counts twice, and the log is whole."""
    with lab.open() as world:
        run_id = begin(world, policy=ON_EXIT)
    lab.serve_until_killed(moment, count)
    for _ in range(4):
        lab.time.advance(MINUTE)
        lab.serve_until_killed("never")
    with lab.open() as world:
        run = world.show(run_id)
        assert run.run.status is Status.DONE
        assert world.folders() == []
        assert set(world.output(run)) == {f"call-{lab.program.calls}"}
        assert run.log is not None
        printed = [line for line in world.pull(run.log)["log"].splitlines() if line.startswith("hello")]
        assert printed == [f"hello {call + 1}" for call in range(lab.program.calls)]
    assert lab.program.calls == 3  # the two failures it needs, and its success; killed programs print as well


def test_a_manual_retry_counts_anew(lab: Lab) -> None:
    """Somebody who retries a Run by hand gets all the attempts of the policy again, and a log of its own."""
    lab.program.failures = 5
    with lab.serve() as world:
        run_id = begin(world, policy=replace(ON_EXIT, wait=0))
        world.until_status(run_id, Status.FAILED)
        world.until_tidy()
        assert lab.program.calls == 3
        runs.retry(world.ctx, run_id)
        run = world.until_status(run_id, Status.DONE)
        assert lab.program.calls == 6
        assert run.log is not None
        assert world.pull(run.log)["log"].startswith("hello 4\n[knit] attempt 1 of 3 failed")


def test_a_policy_may_change_meanwhile(lab: Lab) -> None:
    """Each attempt's end is judged by the policy of that moment."""
    with lab.serve() as world:
        run_id, plan = begun(world, policy=ON_EXIT)
        put_off(world, run_id)
        plan_changes.edit(world.ctx, plan.plan.plan_id, RetryChange(None))
        lab.time.advance(MINUTE)  # the attempt that was promised is made
        assert world.until_status(run_id, Status.FAILED).run.attempt == 2


def test_hooks(lab: Lab) -> None:
    """Hooks hear of no change while attempts follow each other; before each one they are asked for its environment."""
    hooks = FakeHooks()
    with lab.open() as world:
        run_id = begin(world, policy=replace(ON_EXIT, wait=0))
        with scheduling(world.ctx, timer=lab.time.call_later, hooks=hooks):
            world.until(lambda: hooks.of(run_id)[-1:] == ["done!"], "its end is told")
    asked = [told for told in hooks.of(run_id) if told == "ready?"]
    changes = [told for told in hooks.of(run_id) if told.endswith("!")]
    assert len(asked) == 3
    assert changes == ["ready!", "starting!", "running!", "completing!", "done!"]
    assert lab.program.calls == 3


# --- lost and stuck ---------------------------------------------------------------------------------------------------


def test_a_program_that_vanished(lab: Lab) -> None:
    """`lost` stands for a program that vanished while its server lived, too."""
    with lab.serve() as world:
        run_id = begin(world, "vanish:1", policy=RetryPolicy(tries=2, wait=MINUTE))
        put_off(world, run_id)
        lab.time.advance(MINUTE)
        assert world.until_status(run_id, Status.FAILED).run.exit == Exit(254, "its program vanished without a trace")
        assert len(world.attempts(run_id)) == 2


@pytest.mark.parametrize("tries", [1, 2])
def test_lost_with_its_server(lab: Lab, tries: int) -> None:
    """A policy about `lost` counts attempts that died with their server by itself, whatever Knit's own limit."""
    with lab.open() as world:
        run_id = begin(world, "wait:1", policy=RetryPolicy(tries=tries))
    for _ in range(tries):
        assert lab.serve_until_killed("recorded", losses=0)
    lab.serve_until_killed("never")
    with lab.open() as world:
        run = world.show(run_id).run
        assert run.status is Status.FAILED
        assert run.exit == Exit(254, f"lost together with the server, at attempt {tries} of {tries}")
        assert len(world.attempts(run_id)) == tries


def test_a_policy_about_something_else_leaves_losses_alone(lab: Lab) -> None:
    """Without `lost`, an attempt that died with its server is made anew and not counted, as without a policy."""
    with lab.open() as world:
        run_id = begin(world, "copy:1", policy=RetryPolicy(tries=1, on=("exit",)))
    for _ in range(2):
        assert lab.serve_until_killed("recorded")
    lab.serve_until_killed("never")
    with lab.open() as world:
        assert world.show(run_id).run.status is Status.DONE


def test_stuck(lab: Lab) -> None:
    """A program that could not be started is tried again: meanwhile somebody may have built its image."""
    with lab.serve() as world:
        run_id = begin(world, "later:1", policy=RetryPolicy(tries=2, wait=MINUTE))
        put_off(world, run_id)
        assert "exit 255 (there is no image later:1" in (world.note(run_id) or "")
        assert world.show(run_id).run.status is Status.STARTING
        world.executor.images.programs["later:1"] = PROGRAMS["copy:1"]
        lab.time.advance(MINUTE)
        world.until_status(run_id, Status.DONE)


# --- time-outs --------------------------------------------------------------------------------------------------------


def test_timed_out(lab: Lab) -> None:
    """A program that runs longer than its Plan allows is killed, and its Run fails with a code and a message."""
    with lab.serve() as world:
        run_id = begin(world, "wait:1", policy=RetryPolicy(tries=3, on=("exit", "lost", "stuck")), timeout=10 * MINUTE)
        attempt = world.begun(run_id)
        assert lab.time.waits(10 * MINUTE)
        lab.time.advance(10 * MINUTE - 1)
        assert world.executor.runs(attempt)
        lab.time.advance(1)
        run = world.until_status(run_id, Status.FAILED)
        assert run.run.exit == Exit(252, "timed out after 10m")
        assert not world.executor.runs(attempt)
        assert world.output(run) == {"names.txt": "a.txt"}  # what it had written can be looked at


def test_each_attempt_has_its_time(lab: Lab) -> None:
    """With `timeout` in the policy it is tried again; the time is counted from each attempt's start."""
    with lab.serve() as world:
        policy = RetryPolicy(tries=2, wait=5 * MINUTE, on=("timeout",))
        run_id = begin(world, "wait:1", policy=policy, timeout=10 * MINUTE)
        world.begun(run_id)
        lab.time.advance(10 * MINUTE)
        put_off(world, run_id)
        assert "attempt 1 of 2 failed with exit 252 (timed out after 10m)" in (world.note(run_id) or "")
        lab.time.advance(5 * MINUTE)
        world.until(lambda: len(world.attempts(run_id)) == 2)
        attempt = world.begun(run_id)
        assert attempt.number == 2
        world.until(lambda: lab.time.waits(10 * MINUTE))
        lab.time.advance(9 * MINUTE)
        assert world.executor.runs(attempt)
        world.executor.end(attempt)
        world.until_status(run_id, Status.DONE)
        assert not lab.time.waits(MINUTE), "the timer of a program that has ended is gone"


def test_a_new_server_gives_a_new_time(lab: Lab) -> None:
    """An attempt that died with its server is made anew, with all of its time."""
    with lab.open() as world:
        run_id = begin(world, "wait:1", policy=None, timeout=10 * MINUTE)
    assert lab.serve_until_killed("recorded")
    lab.time.advance(9 * MINUTE)
    with lab.serve() as world:
        world.until(lambda: lab.time.waits(10 * MINUTE))
        assert world.begun(run_id).number == 2


def test_a_timeout_that_is_changed(lab: Lab) -> None:
    """It holds for attempts that start from then on: who runs already keeps the one it started with."""
    with lab.serve() as world:
        run_id, plan = begun(world, "wait:1", policy=None, timeout=10 * MINUTE)
        world.begun(run_id)
        plan_changes.edit(world.ctx, plan.plan.plan_id, TimeoutChange(None))
        lab.time.advance(10 * MINUTE)
        world.until_status(run_id, Status.FAILED)
        runs.retry(world.ctx, run_id)
        attempt = world.begun(run_id)
        lab.time.advance(100 * MINUTE)
        assert world.executor.runs(attempt)


# --- what people see --------------------------------------------------------------------------------------------------


def test_events_and_reasons(lab: Lab) -> None:
    """The change stream tells each attempt's end and the next one's start; `why` tells what the Run waits for."""
    with lab.serve() as world:
        run_id = begin(world, policy=ON_EXIT)
        put_off(world, run_id)
        when = due(world, run_id)
        found = why.why(world.ctx, run_id)
        assert found.points[0].code.value == "put-off"
        assert found.points[0].text.startswith(f"it is tried again at {when}, or when there is room after that; note: ")
        assert found.steps == (f"knit run show --log {run_id}",)
        assert "hello 1" in found.log
        lab.time.advance(MINUTE)
        put_off(world, run_id, 2)
        with world.ctx.db.read() as tx:
            told = [each.payload for each in events.after(tx, 0, 1000) if each.subject == run_id]
        attempts = [(each["attempt"], each.get("againAt")) for each in told if "attempt" in each]
        assert attempts == [(1, when), (2, None), (2, due(world, run_id))]


def test_a_log_is_followed_over_attempts(lab: Lab) -> None:
    """Who reads a log while attempts follow each other reads all of it, without a gap."""
    with lab.serve() as world:
        run_id = begin(world, policy=ON_EXIT)
        put_off(world, run_id)
        log = runs.open_log(world.ctx, run_id)
        assert log.is_live()
        world.until(lambda: b"knit" in log.read(0, 100), "the last line of the first attempt")
        assert log.read(0, 100) == f"hello 1\n[knit] attempt 1 of 3 failed with exit 137 ({ERROR})\n".encode()
        lab.time.advance(MINUTE)
        put_off(world, run_id, 2)
        assert log.is_live()
        assert log.read(0, 1000).count(b"hello") == 2
        lab.time.advance(MINUTE)
        world.until_status(run_id, Status.DONE)
        assert not log.is_live()
        assert log.read(0, 1000).endswith(b"hello 3")
        log.close()


def test_long_logs_are_shortened(lab: Lab) -> None:
    """Of what earlier attempts printed, the end is kept: the log does not grow with their number."""
    lab.program.words = "y" * LOG_KEPT
    with lab.serve() as world:
        run_id = begin(world, policy=replace(ON_EXIT, wait=0))
        run = world.until_status(run_id, Status.DONE)
        assert run.log is not None
        text = world.pull(run.log)["log"]
        assert len(text) < 2 * LOG_KEPT + 1000
        assert text.startswith("[knit] the first ")
        assert "[knit] attempt 2 of 3 failed" in text
        assert text.endswith("y 3")


def test_an_attempt_that_was_lost_is_marked(lab: Lab) -> None:
    """What an attempt printed that died with its server stays in the log of a Plan with a policy."""
    lab.program.failures = 0
    with lab.open() as world:
        run_id = begin(world, policy=RetryPolicy(tries=3))
    assert lab.serve_until_killed("started")
    lab.serve_until_killed("never")
    with lab.open() as world:
        run = world.show(run_id)
        assert run.log is not None
        assert world.pull(run.log) == {"log": "hello 1\n[knit] this attempt was lost\nhello 2"}


def test_a_program_that_ends_as_its_time_ends(lab: Lab) -> None:
    """One that ended well before it could be killed has ended well."""

    def just_in_time(attempt: Attempt) -> Observation:
        lab.time.advance(10 * MINUTE)
        return OK

    with lab.open() as world:
        world.executor.images.programs["just:1"] = just_in_time
        run_id = begin(world, "just:1", policy=None, timeout=10 * MINUTE)
        with scheduling(world.ctx, timer=lab.time.call_later):
            assert world.until_status(run_id, Status.DONE).run.exit == Exit(0)
