"""Retrying and deleting Runs while the scheduler works: nothing is lost, doubled, or taken for something else."""

from __future__ import annotations

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable

import pytest
from scheduler_world import World, scheduling

from knit_server.domain.errors import Conflict, KnitError, NotFound
from knit_server.domain.runs import Exit, Status
from knit_server.executors.base import Attempt, Observation, Phase
from knit_server.service import plans, runs
from knit_server.testing import OK


def numbered(attempt: Attempt) -> Observation:
    """Write down which attempt it is."""
    for mount in attempt.outputs:
        (mount.host / "attempt").write_text(str(attempt.id.number))
    return OK


@pytest.fixture
def counting(world: World) -> World:
    """A Knit without a scheduler that has the image `number:1`, whose outputs tell the attempt."""
    world.executor.images.programs["number:1"] = numbered
    return world


class Once:
    """A checkpoint that acts when it comes to `name` for the first time."""

    def __init__(self, name: str, act: Callable[[], object]) -> None:
        self._name, self._act, self._done = name, act, False

    def __call__(self, name: str) -> None:
        if name == self._name and not self._done:
            self._done = True
            self._act()


def a_run(world: World, image: str = "number:1") -> str:
    plan = world.apply(image, {"/in": ("a:b",)}, "c:d", log=("kind:log",))
    world.push("a:b")
    return world.run(plan).run.run_id


@pytest.mark.parametrize("moment", ["finished", "adopted"])
def test_retry_while_the_old_attempt_is_tidied_up(counting: World, moment: str) -> None:
    """A Run retried the moment it is done waits for its old attempt, then runs once more, and shows that result."""
    run_id = a_run(counting)
    first: list[int] = []

    def again() -> None:
        first.append(counting.show(run_id).run.attempt)
        runs.retry(counting.ctx, run_id)

    with scheduling(counting.ctx, checkpoint=Once(moment, again)):
        counting.until(lambda: len(counting.attempts(run_id)) == 2, "a second attempt")
        run = counting.until_status(run_id, Status.DONE)
        counting.until_tidy()
        assert counting.output(run) == {"attempt": str(run.run.attempt)}
        assert run.run.attempt > first[0]
        assert len(counting.attempts(run_id)) == 2
        more = counting.push("a:b")  # the scheduler is well
        counting.until_ended()
        assert more.data.knit_id in {each.knit_id for run in counting.runs() for each in run.inputs}


@pytest.mark.parametrize("moment", ["finished", "adopted"])
def test_delete_while_tidied_up(counting: World, moment: str) -> None:
    """A Run deleted the moment it is done is deleted; its folders go."""
    run_id = a_run(counting)
    with scheduling(counting.ctx, checkpoint=Once(moment, lambda: runs.delete(counting.ctx, run_id))):
        counting.until_status(run_id, Status.INVALIDATED)
        counting.until_tidy()
    assert counting.runs() == []


@pytest.mark.parametrize("moment", ["finished", "adopted"])
def test_abort_of_a_retried_run(counting: World, moment: str) -> None:
    """A Run that is stopped right after it was retried fails with no result: the old one is not taken for it."""
    run_id = a_run(counting)

    def again() -> None:
        runs.retry(counting.ctx, run_id)
        runs.abort(counting.ctx, run_id)

    with scheduling(counting.ctx, checkpoint=Once(moment, again)):
        run = counting.until_status(run_id, Status.FAILED)
        counting.until_tidy()
    assert run.run.exit == Exit(253, "aborted by user")
    assert len(counting.attempts(run_id)) == 1
    with pytest.raises(Conflict, match="no content"):
        counting.output(run)


def test_stale_folders(counting: World) -> None:
    """What a crash left of an old attempt is not taken for the result of a retried Run that never started.

    (scenario 71)
    """
    run_id = a_run(counting)
    with scheduling(counting.ctx):
        counting.until_status(run_id, Status.DONE)
        counting.until_tidy()
    for number in (0, 1):
        folder = counting.ctx.home / "runs" / f"{run_id}-{number}" / "out" / "0"
        folder.mkdir(parents=True)
        (folder / "stale").write_text("stale")
    runs.retry(counting.ctx, run_id)
    runs.abort(counting.ctx, run_id)
    with scheduling(counting.ctx):
        run = counting.until_status(run_id, Status.FAILED)
        counting.until_tidy()
    with pytest.raises(Conflict, match="no content"):
        counting.output(run)


def test_retry_of_a_failed_run(counting: World) -> None:
    """What failed for a reason of the moment is done the second time, and what waited for it follows."""
    fails = [True]
    failed = Observation(phase=Phase.FAILED, code=3)
    counting.executor.images.programs["flaky:1"] = lambda attempt: failed if fails else numbered(attempt)
    run_id = a_run(counting, "flaky:1")
    after = counting.apply("copy:1", {"/in": ("c:d",)}, "e:f")
    with scheduling(counting.ctx):
        assert counting.until_status(run_id, Status.FAILED).run.exit == Exit(3)
        fails.clear()
        runs.retry(counting.ctx, run_id)
        assert counting.until_status(run_id, Status.DONE).run.exit == Exit(0)
        counting.until(lambda: counting.statuses(after) == {"done": 1}, "what follows")
        counting.until_tidy()


def test_deleting_wakes_nobody_up(counting: World) -> None:
    """A Run that waits and is deleted never starts."""
    run_id = a_run(counting)
    runs.delete(counting.ctx, run_id)
    with scheduling(counting.ctx):
        other = counting.apply("copy:1", {"/in": ("a:b",)}, "x:y")
        counting.until(lambda: counting.statuses(other) == {"done": 1}, "another Run")
    assert counting.attempts(run_id) == []
    assert counting.show(run_id).run.status is Status.INVALIDATED


ROUNDS = 60


def test_everybody_at_once(counting: World) -> None:
    """Stops, retries and deletions race with starting and finishing Runs; in the end every combination has one Run,
    every done Run shows the result of its last attempt, and nothing made is there twice or without its maker.
    """
    ctx = counting.ctx
    plan = counting.apply("number:1", {"/in": ("a:b",)}, "c:d", log=("kind:log",))
    after = counting.apply("number:1", {"/in": ("c:d",)}, "e:f")
    for _ in range(4):
        counting.push("a:b")
    failures: list[BaseException] = []

    def act(seed: int) -> None:
        turn = random.Random(seed)
        acts: list[Callable[[str], object]] = [
            lambda run_id: runs.retry(ctx, run_id),
            lambda run_id: runs.retry(ctx, run_id, downstream=True),
            lambda run_id: runs.abort(ctx, run_id),
            lambda run_id: runs.tearoff(ctx, run_id),
        ]
        try:
            for _ in range(ROUNDS):
                found = counting.runs(turn.choice([plan, after]))
                if found:
                    with contextlib.suppress(Conflict, NotFound):
                        turn.choice(acts)(turn.choice(found).run.run_id)
        except BaseException as err:
            failures.append(err)

    with scheduling(ctx) as scheduler:
        threads = [threading.Thread(target=act, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counting.until_ended()
        for run in counting.runs(plan) + counting.runs(after):
            with contextlib.suppress(KnitError):
                runs.retry(ctx, run.run.run_id)
        counting.until_ended()
        counting.until_tidy()
        assert scheduler.alive
    assert failures == []
    assert len(counting.runs(plan)) == 4
    sources = [run.outputs[0].knit_id for run in counting.runs(plan) if run.run.status is Status.DONE]
    assert Counter(each.knit_id for run in counting.runs(after) for each in run.inputs) == Counter(sources)
    for run in counting.runs(plan) + counting.runs(after):
        if run.run.status is Status.DONE and run.run.exit == Exit(0):
            assert counting.output(run) == {"attempt": str(run.run.attempt)}
    started = Counter(attempt for attempt in counting.executor.started)
    assert max(started.values()) == 1, "no attempt is started twice"
    owned = {each.knit_id for run in counting.runs() for each in run.outputs}
    owned |= {run.log for run in counting.runs() if run.log is not None}
    pushed = {view.data.knit_id for view in counting.everything() if view.producer.plan.spec is None}
    assert {view.data.knit_id for view in counting.everything()} == owned | pushed


def test_switched_off_and_retried(counting: World) -> None:
    """A Run retried while its Plan is off starts when the Plan is switched on, and not before."""
    plan = counting.apply("number:1", {"/in": ("a:b",)}, "c:d")
    counting.push("a:b")
    with scheduling(counting.ctx):
        counting.until(lambda: counting.statuses(plan) == {"done": 1}, "the Run")
        plans.set_active(counting.ctx, plan.plan.plan_id, False)
        run_id = counting.run(plan).run.run_id
        assert runs.retry(counting.ctx, run_id).run.status is Status.DEACTIVATED
        plans.set_active(counting.ctx, plan.plan.plan_id, True)
        counting.until(lambda: len(counting.attempts(run_id)) == 2, "the second attempt")
        counting.until_status(run_id, Status.DONE)
