"""One history: users, programs and a scheduler, mixed by dice in virtual time; a function of its seed."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import random
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from interleaver import NEWCOMER, SteppedLoop, SteppedPool, Stepper
from race_checks import check
from race_users import Hooks, Programs, Users
from scheduler_world import World

from knit_server.executors.base import Attempt, Started
from knit_server.scheduler import Scheduler
from knit_server.service import plan_changes, plans
from knit_server.service.context import Limits
from knit_server.testing import FakeExecutor, FakeImages, Trouble, temp_knit

EPOCH = 1_700_000_000_000
MEMORY = Path("/dev/shm")
ACTS = 12
"""What users do in one history, and what they do in ambushes beside it."""
_AFTER = (("retry",), ("retry", "abort"), ("retry", "remove"), ("remove",), ("retry", "retry"), ("switch", "retry"))
_WHILE = (("abort",), ("tearoff",), ("abort", "tearoff"), ("tearoff", "abort"))
AMBUSHES = {
    **dict.fromkeys(("finished", "adopted"), _AFTER),
    **dict.fromkeys(("claimed", "staged", "started", "recorded", "ended", "exited", "stored"), _WHILE),
}
"""What people do, in vain or not, to a Run that stands at a checkpoint."""


class AnyImage(FakeImages):
    """Every image there may be, all with the same program."""

    def __init__(self, programs: Programs) -> None:
        super().__init__({f"work:{number}": programs for number in range(10)})


class _Executor(FakeExecutor):
    seam: Any = None

    def start(self, attempt: Attempt) -> Started:
        self.seam()
        return super().start(attempt)


class _Scheduler(Scheduler):
    """A scheduler in the loop of the test."""

    def __init__(self, stepper: Stepper, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._pool = SteppedPool(stepper, "pool")  # type: ignore[assignment]

    async def live(self) -> None:
        await self._main()

    def end(self) -> None:
        self._stopping.set()


_wrecks: list[History] = []
"""What is left of histories that failed: nobody can bring their threads and tasks to an end."""


class History:
    """Plays one. `acts` is how many things users do."""

    def __init__(self, seed: str, home: Path, acts: int = ACTS, url: str | None = None) -> None:
        self.dice = random.Random(seed)
        self.stepper = Stepper(self.dice)
        self.loop = SteppedLoop(self.stepper)
        self.loop.on_idle(self._idle)
        self.left = acts
        self._home, self._url = home, url
        self._people = SteppedPool(self.stepper, NEWCOMER, size=self.dice.choice((1, 2, 3)))
        self._acting: list[Future[Any]] = []
        self._lives = self.dice.choice((1, 1, 2))
        self._calm = False
        self._hooks = Hooks(self.dice, wanted=self.dice.random() < 0.5)
        self.stepper.newcomer, self.stepper.bustle = self._somebody, self.dice.choice((0.01, 0.05, 0.3))

    def play(self) -> None:
        """Let it happen, and look at what came out."""
        programs = Programs(self.dice, self._later)
        executor = _Executor(AnyImage(programs), cpu=self.dice.choice((1, 2, 1e6)))
        executor.seam, programs.executor = self.stepper.seam, executor
        limits = Limits(runs_per_step=self.dice.choice((1, 2, 1000)))
        seams = Trouble(self.stepper.seam)
        try:
            with temp_knit(
                self._home, url=self._url, executor=executor, limits=limits, now=self._now, trouble=seams
            ) as opened:
                ctx = dataclasses.replace(opened, new_id=self._new_id, owner=self._new_id())
                self.world = World(ctx, seams)
                self.users = Users(self.world, self.dice, self.stepper.seam)
                with self._quietly():
                    self.users.register()
                    for tags in (("a:1",), ("b:1",)):
                        self.users.push(tags)
                self._live(programs)
        except BaseException:
            _wrecks.append(self)
            raise
        self.loop.close()

    def _live(self, programs: Programs) -> None:
        for life in reversed(range(self._lives)):
            ctx = dataclasses.replace(self.world.ctx, owner=self._new_id())
            scheduler = _Scheduler(self.stepper, ctx, checkpoint=self._checkpoint, retry_after=0.01, hooks=self._hooks)
            self._end, self._last, self._calm = scheduler.end, life == 0, False
            self._programs = programs
            self.loop.run_until_complete(scheduler.live())
        for act in self._acting:
            act.result()

    # --- what the loop asks

    def _somebody(self) -> bool:
        """Begin what a user does next."""
        if not self.left or self._people.busy >= self._people.size:
            return False
        if not self._last and self.dice.random() < 1 / ACTS:
            self._end()
        self.left -= 1
        self._acting.append(self._people.submit(self.users.act))
        return True

    def _checkpoint(self, name: str) -> None:
        """Now and then users hurry while a Run stands between two steps, often to do something to that Run."""
        if self.dice.random() < 0.2:
            self.stepper.rush(self.dice.choice((5, 15, 40)))
            if name in AMBUSHES and self.left:
                wanted = self.dice.choice(AMBUSHES[name])
                self.users.agenda += wanted
                self.left += len(wanted)
        self.stepper.seam()

    def _idle(self) -> None:
        """All is quiet. Check; then let everything go on that is held back, and check again; then end."""
        if self.left or self._people.busy:
            raise AssertionError("users wait for what never comes")
        with self._quietly():
            if self.users.stop_endless(self._programs.fates):
                return
            check(self.world, self.users, self._programs.fates, self._programs.words)
            if self._calm or not self._last:
                self._end()
                return
            self._calm = True
            for plan in self.users.plans:
                plan_changes.unarchive(self.world.ctx, plan.plan.plan_id)
                plans.set_active(self.world.ctx, plan.plan.plan_id, True)

    def _later(self, act: Any) -> None:
        asyncio.get_running_loop().call_later(self.dice.choice((0.01, 0.1, 1.0)), act)

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        before, self.stepper.quiet = self.stepper.quiet, True
        try:
            yield
        finally:
            self.stepper.quiet = before

    def _now(self) -> int:
        return EPOCH + int(self.stepper.now * 1000)

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self.dice.getrandbits(128), version=4))


@functools.cache
def _template() -> bytes:
    """A database with Knit's tables."""
    with TemporaryDirectory() as folder:
        with temp_knit(Path(folder)):
            pass
        return (Path(folder) / "knit.db").read_bytes()


def play(seed: str, acts: int = ACTS, url: str | None = None) -> History:
    """Play the history of a seed. A failure names it."""
    folder = TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
    with folder as name:
        home = Path(name)
        (home / "knit.db").write_bytes(_template())
        history = History(seed, home, acts, url)
        try:
            history.play()
        except BaseException as err:
            err.add_note(f"in the history with the seed {seed!r}; play it again: make races RACE={seed}")
            for line in history.users.trace:
                err.add_note(line)
            raise
    return history
