"""A server that is killed around its hooks: each change is asked about at least once, told at most once, made once."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path

import pytest
from asking import FakeHooks
from crashing import Fuse, Home, check_ended, check_meanwhile, make_work
from scheduler_world import World

from knit_server.domain.runs import Status
from knit_server.scheduler import Scheduler

QUESTIONS = ["waiting?", "ready?", "starting?", "running?", "completing?"]
TOLD = ["ready!", "starting!", "running!", "completing!", "done!"]

MOMENTS = {
    "claimed": 1, "asked waiting": 1, "moved waiting": 1, "asked ready": 1, "moved ready": 2, "staged": 2,
    "started": 2, "recorded": 2, "ended": 2, "kept": 1, "agreed": 1, "exited": 1, "stored": 1, "finished": 1,
    "adopted": 1,
}  # fmt: skip
"""Where a server is killed, and how many attempts its Run takes then: how a program ended is known from `kept` on."""


def live(home: Home, hooks: FakeHooks, fuse: Fuse | None = None, **limits: int) -> bool:
    """Let a scheduler with hooks run until all Runs have ended, or it is killed; says whether it was."""
    fuse = fuse or Fuse()
    with home.open(**limits) as world:
        scheduler = Scheduler(world.ctx, checkpoint=fuse, retry_after=0.01, hooks=hooks)
        scheduler.start()
        world.until(lambda: fuse.blown or (home.is_over(world) and not scheduler.is_busy), "the end")
        with contextlib.suppress(BaseException):
            scheduler.stop()
    return fuse.blown


@pytest.fixture
def home(tmp_path: Path, db_url: str) -> Home:
    """An empty home, on either database."""
    return Home(tmp_path / "home", db_url)


def asked_again(hooks: FakeHooks, run_id: str, times: int) -> bool:
    return len(hooks.of(run_id)) > times and hooks.refused.is_set()


def a_run(world: World) -> str:
    plan = world.apply("join:1", {"/in": ("a:b",)}, "c:d", log=("kind:log",))
    world.push("a:b", files={"f": "1"})
    return world.run(plan).run.run_id


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_around_hooks(home: Home, moment: str) -> None:
    """Whenever a server is killed, every change has been asked about, none is told twice, and all is done."""
    hooks = FakeHooks()
    with home.open() as world:
        run_id = a_run(world)
    assert live(home, hooks, Fuse(moment))
    live(home, hooks)
    with home.open() as world:
        run = world.show(run_id)
        assert run.run.status is Status.DONE
        assert run.run.attempt == MOMENTS[moment]
        assert len(world.attempts(run_id)) == MOMENTS[moment] - (moment in ("moved ready", "staged"))
        assert world.output(run) == {"joined.txt": "/in/f: 1"}
        assert world.folders() == []
    heard = hooks.of(run_id)
    assert set(QUESTIONS) <= set(heard)
    assert all(heard.count(each) <= 1 for each in TOLD)
    questions = [each for each in heard if each in QUESTIONS]
    repeated = {each for each in questions if questions.count(each) > 1}
    assert len(repeated) <= 2, "one change is asked about again, and the start of the program with another attempt"
    starts = heard.count("ready?")
    assert starts == (2 if MOMENTS[moment] == 2 or moment == "asked ready" else 1)


@pytest.mark.parametrize("moment", ["asked waiting", "moved waiting", "asked ready", "moved ready", "kept", "agreed"])
def test_killed_at_every_occurrence(home: Home, moment: str) -> None:
    """Killed the first, second, third ... time it comes there, all of the work is done in the end, and none doubled."""
    hooks = FakeHooks()
    with home.open(runs_per_step=1) as world:
        make_work(world)
    count, lives = 1, 0
    while live(home, hooks, Fuse(moment, count), runs_per_step=1, losses=99):
        with home.open() as world:
            check_meanwhile(world)
        count, lives = count % 3 + 1, lives + 1
        assert lives < 60
    with home.open() as world:
        check_ended(world)
        for run in world.runs():
            assert all(hooks.of(run.run.run_id).count(each) <= 1 for each in TOLD)
    assert len(set(home.started)) == len(home.started), "no attempt was started twice"


def test_how_a_program_ended_outlives_its_server(home: Home) -> None:
    """While hooks refuse to let a Run end, server after server may die: its program is not run again."""
    hooks = FakeHooks()
    hooks.refuse = {Status.RUNNING}
    with home.open() as world:
        plan = world.apply("fail:1", {"/in": ("a:b",)}, "c:d")
        world.push("a:b")
        run_id = world.run(plan).run.run_id
    for _ in range(5):
        with home.open() as world:
            scheduler = Scheduler(world.ctx, retry_after=0.01, hooks=hooks)
            scheduler.start()
            asked = len(hooks.of(run_id))
            world.until(functools.partial(asked_again, hooks, run_id, asked + 1))
            scheduler.stop()
            assert world.show(run_id).run.status is Status.RUNNING
    hooks.refuse = set()
    live(home, hooks)
    with home.open() as world:
        run = world.show(run_id).run
        assert run.status is Status.FAILED
        assert run.exit is not None
        assert run.exit.code == 42
        assert world.attempts(run_id) == [1]
