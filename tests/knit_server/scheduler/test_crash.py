"""A server that is killed between any two steps loses nothing, doubles nothing and leaves nothing lying about."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from crashing import CHECKPOINTS, Fuse, Home, check_ended, check_meanwhile, make_work
from hypothesis import given, settings
from hypothesis import strategies as st

from knit_server.domain.runs import Status
from knit_server.scheduler import Scheduler
from knit_server.service import runs

ATTEMPTS = {
    "claimed": 2, "staged": 2, "started": 2, "recorded": 2, "ended": 2,
    "exited": 1, "stored": 1, "finished": 1, "adopted": 1,
}  # fmt: skip
"""How many attempts a Run takes when its server is killed there: from `exited` on, its end is written down."""

STARTS = ATTEMPTS | {"claimed": 1, "staged": 1}
"""How many of these were really started."""


@pytest.fixture
def home(tmp_path: Path, db_url: str) -> Home:
    """An empty home, on either database."""
    return Home(tmp_path / "home", db_url)


@pytest.mark.parametrize("moment", ATTEMPTS)
def test_killed_once(home: Home, moment: str) -> None:
    """Killed at any step, the one Run is done after the next start, with as many attempts as it must have.

    (scenarios 66, 67, 72, 75)
    """
    with home.open() as world:
        plan = world.apply("join:1", {"/in": ("a:b",)}, "c:d", log=("kind:log",))
        world.push("a:b", files={"f": "1"})
    assert home.live(Fuse(moment))
    home.live()
    with home.open() as world:
        run = world.run(plan)
        assert run.run.status is Status.DONE
        assert run.run.attempt == ATTEMPTS[moment]
        assert len(world.attempts(run.run.run_id)) == STARTS[moment]
        assert world.output(run) == {"joined.txt": "/in/f: 1"}
        assert run.log is not None
        assert world.pull(run.log) == {"log": "joined\n"}
        assert world.folders() == []


@pytest.mark.parametrize("moment", ATTEMPTS)
def test_killed_while_failing(home: Home, moment: str) -> None:
    """The same for a Run that fails: its code and what it left are kept (scenario 75)."""
    with home.open() as world:
        plan = world.apply("fail:1", {"/in": ("a:b",)}, "c:d")
        world.push("a:b")
    assert home.live(Fuse(moment))
    home.live()
    with home.open() as world:
        run = world.run(plan)
        assert run.run.status is Status.FAILED
        assert run.run.exit is not None
        assert run.run.exit.code == 42
        assert run.run.attempt == ATTEMPTS[moment]
        assert world.output(run) == {"names.txt": "a.txt"}


@pytest.mark.parametrize("moment", CHECKPOINTS)
def test_killed_at_every_occurrence(home: Home, moment: str) -> None:
    """Killed the first, second, third ... time it comes to a step, all of the work is done in the end (scenario 75)."""
    with home.open(runs_per_step=1) as world:
        make_work(world)
    count = 1
    while home.live(Fuse(moment, count), runs_per_step=1, losses=99):
        with home.open() as world:
            check_meanwhile(world)
        count = count % 3 + 1
    with home.open() as world:
        check_ended(world)


@given(st.lists(st.tuples(st.sampled_from(CHECKPOINTS), st.integers(1, 6)), max_size=8))
@settings(max_examples=12)
def test_killed_again_and_again(kills: list[tuple[str, int]]) -> None:
    """Whatever the sequence of kills, everything converges (scenario 75)."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        with home.open(runs_per_step=2) as world:
            make_work(world)
        for name, count in kills:
            home.live(Fuse(name, count), runs_per_step=2, losses=99)
            with home.open() as world:
                check_meanwhile(world)
        home.live(runs_per_step=2, losses=99)
        with home.open() as world:
            check_ended(world)
            lost = len(kills)
            assert all(run.run.attempt <= 1 + lost for run in world.runs())
            assert len(set(home.started)) == len(home.started), "no attempt was started twice"


def test_given_up_after_too_many_losses(home: Home) -> None:
    """A Run that was lost with its server again and again is failed with 254, and says so (scenario 66)."""
    with home.open() as world:
        plan = world.apply("join:1", {"/in": ("a:b",)}, "c:d")
        world.push("a:b")
    kills = 0
    while home.live(Fuse("recorded"), losses=2):
        kills += 1
    assert kills == 3
    with home.open() as world:
        run = world.run(plan).run
        assert run.status is Status.FAILED
        assert run.exit is not None
        assert run.exit.code == 254
        assert "lost 3 times" in run.exit.message
        assert world.folders() == []


@pytest.mark.parametrize("stop", [runs.abort, runs.tearoff])
@pytest.mark.parametrize("moment", ["claimed", "staged", "started", "recorded", "ended"])
def test_stopped_while_the_server_is_dead(home: Home, moment: str, stop: object) -> None:
    """A user's stop given between death and restart is obeyed: no new attempt is made."""
    with home.open() as world:
        plan = world.apply("wait:1" if moment == "recorded" else "copy:1", {"/in": ("a:b",)}, "c:d", "e:f")
        world.push("a:b")
    assert home.live(Fuse(moment))
    with home.open() as world:
        assert callable(stop)
        stop(world.ctx, world.run(plan).run.run_id)
    home.live()
    with home.open() as world:
        run = world.run(plan).run
        assert run.status is (Status.FAILED if stop is runs.abort else Status.DONE)
        assert run.attempt == 1
        assert world.folders() == []


def test_stopped_in_good_order(home: Home) -> None:
    """A scheduler that is stopped leaves its Runs to the next one; that is no loss, however often it happens."""
    with home.open() as world:
        plan = world.apply("wait:1", {"/in": ("a:b",)}, "c:d")
        world.push("a:b")
        run_id = world.run(plan).run.run_id
    rounds = 4
    for number in range(1, rounds + 1):
        with home.open(losses=1) as world:
            scheduler = Scheduler(world.ctx)
            scheduler.start()
            world.until(lambda number=number: world.show(run_id).run.attempt == number)
            attempt = world.begun(run_id)
            if number == rounds:
                world.executor.end(attempt)
                world.until_status(run_id, Status.DONE)
            scheduler.stop()
            assert not scheduler.alive
    with home.open() as world:
        assert world.output(world.run(plan)) == {"names.txt": "a.txt"}
