"""The scheduler: a thread with an event loop that wakes by signal and drives each Run to its end.

Steps, each a guarded task of a name: `launch` claims Runs while there is room, `finish` looks after Runs that a user
stopped or a dead server left, `project` makes Runs that were too many for one transaction, `sweep` tidies up. Each Run
worked on has a task of its own (`Drive`).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from knit_server.scheduler import sweep
from knit_server.scheduler.again import Alarm, Timer
from knit_server.scheduler.drive import Drive, LetGo
from knit_server.scheduler.hooks import Hooks, NoHooks
from knit_server.scheduler.room import Room
from knit_server.service import again, lifecycle
from knit_server.service.context import Context
from knit_server.service.lifecycle import Needs, Work
from knit_server.service.signals import FINISH, LAUNCH, NEEDS, PROJECT, SWEEP, Topics

log = logging.getLogger("knit.scheduler")

T = TypeVar("T")

SAFETY_NET = 60.0
"""Seconds after which each step looks by itself, in case a signal was lost."""

_WORKERS = 4  # threads for hashing and file work
_STORE_EVERY = 60  # sweeps between two looks through the whole store: once an hour


class Scheduler:
    """Schedules one Knit. `exclusive`: nobody else schedules on this database, so dead leases need not run out.
    `alone`: nobody else takes uploads either.

    `checkpoint` is called with a name between steps; tests stop the scheduler there. `retry_after` is how long a Run
    waits, in seconds, before it is tried again when the disk is full or the store is away, or hooks refuse. `hooks` are
    asked before each change of a Run's status, and told after it. `timer` is the loop's own unless a test moves time.
    """

    def __init__(
        self,
        ctx: Context,
        *,
        exclusive: bool = True,
        alone: bool = False,
        overcommit: bool = False,
        checkpoint: Callable[[str], None] = lambda name: None,
        retry_after: float = 30.0,
        hooks: Hooks | None = None,
        timer: Timer | None = None,
    ) -> None:
        self.ctx = ctx
        self.hooks = hooks or NoHooks()
        self.timer = timer or (lambda delay, call: asyncio.get_running_loop().call_later(delay, call))
        self._alarm = Alarm(self.timer, ctx.now, lambda: self._wake(frozenset({FINISH})))
        self.refusals: dict[str, int] = {}
        self.checkpoint = checkpoint
        self.retry_after = retry_after
        self._exclusive = exclusive
        self._alone = alone
        self._room = Room(ctx.executor.capacity(), overcommit=overcommit)
        self._drives: dict[str, Drive] = {}
        self._awaited: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pool = ThreadPoolExecutor(_WORKERS, "knit-files")
        self._thread = threading.Thread(target=self._run, name="knit-scheduler", daemon=True)
        self._started = threading.Event()
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wakes: dict[str, asyncio.Event] = {}
        self._failure: BaseException | None = None
        self._recheck = True
        self._owed = False
        self._sweeps = 0

    # --- from other threads -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread; returns when it runs. Raises what went wrong if it could not."""
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure

    def stop(self, timeout: float | None = 10.0) -> None:
        """Stop scheduling. Programs that still run are killed; their Runs start anew next time."""
        self._soon(self._stopping.set)
        self._thread.join(timeout)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def wake(self, topics: Topics = frozenset({LAUNCH, FINISH, PROJECT, SWEEP})) -> None:
        """Wake the steps that `topics` concern; from any thread."""
        self._soon(lambda: self._wake(topics))

    def _soon(self, function: Callable[[], None]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended
                self._loop.call_soon_threadsafe(function)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def is_busy(self) -> bool:
        """Whether it works on Runs now."""
        return bool(self._drives)

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as err:
            self._failure = err
            log.exception("the scheduler died")
        finally:
            self._started.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wakes = {name: asyncio.Event() for name in (LAUNCH, FINISH, PROJECT, SWEEP)}
        unsubscribe = self.ctx.signals.subscribe(self.wake)
        if self._exclusive:
            lifecycle.free_all(self.ctx, alone=self._alone)
        steps: dict[str, Callable[[], Awaitable[None]]] = {
            FINISH: self._finish, LAUNCH: self._launch, PROJECT: self._project, SWEEP: self._sweep,
        }  # fmt: skip
        self._wake(frozenset(steps))
        for name, step in steps.items():
            self.spawn(f"step {name}", self._repeat(name, step))
        self.spawn("renewing leases", self._renew())
        self._started.set()
        try:
            await self._stopping.wait()
        finally:
            unsubscribe()
            self._alarm.set(None)
            driven = list(self._drives)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.hooks.close()
            self.ctx.executor.close()
            self._pool.shutdown(wait=True, cancel_futures=True)
        if self._failure is None:
            lifecycle.leave(self.ctx, driven)
        if self._failure is not None:
            raise self._failure

    def spawn(self, name: str, work: Coroutine[object, object, None]) -> None:
        """Run `work` as a task of that name; if it dies of anything but an ordinary error, the scheduler dies too."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def call(self, function: Callable[[], T]) -> T:
        """Run `function` in the pool for file work."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failure = error
            log.critical("%s died", task.get_name(), exc_info=error)
            self._stopping.set()

    def _wake(self, topics: Topics) -> None:
        self._recheck = self._recheck or NEEDS in topics
        for name, event in self._wakes.items():
            if name in topics:
                event.set()

    async def _repeat(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        """Do a step whenever it is woken, and once in `SAFETY_NET` seconds; errors are logged and the step goes on."""
        wake = self._wakes[name]
        while True:
            try:
                async with asyncio.timeout(SAFETY_NET):
                    await wake.wait()
            except TimeoutError:
                pass
            wake.clear()
            try:
                await step()
            except Exception:
                log.exception("step %s failed; it will be tried again", name)
                asyncio.get_running_loop().call_later(self.retry_after, wake.set)

    # --- steps --------------------------------------------------------------------------------------------------------

    async def _launch(self) -> None:
        if self._owed:
            return  # what a dead server had begun comes first
        held, self._recheck = self._recheck, False
        self._room.forget()  # what a step that failed had promised
        choose = self._choose_held if held else self._room.choose
        works = lifecycle.claim(self.ctx, choose, held=held, busy=self._is_driven, stepwise=self.hooks.wanted)
        if works:
            self.checkpoint("claimed")
        self._room.settle({work.run.run_id: lifecycle.needs(work.plan) for work in works if work.held is None})
        for work in works:
            self._drive(work, fresh=True)

    def _choose_held(self, needs: Needs) -> bool | str:
        choice = self._room.choose(needs)
        self._recheck = self._recheck or choice is False  # it, and those behind it, were not looked at to the end
        return choice

    async def _finish(self) -> None:
        standing = lifecycle.standing(self.ctx, list(self._drives))
        for run_id, drive in self._drives.items():
            drive.look(standing.get(run_id))
        self._keep()  # a machine that slept finds its own leases run out
        self._alarm.set(again.next_at(self.ctx))  # asked first: what is due in between is seen below, or rings
        owed, self._owed = self._owed, False
        self._room.forget()
        works = lifecycle.take_over(self.ctx, self._choose_begun, busy=self._is_driven)
        self._room.settle({work.run.run_id: lifecycle.needs(work.plan) for work in works})
        for work in works:
            self._drive(work, fresh=False)
        if owed and not self._owed:
            self._wake(frozenset({LAUNCH}))

    def _is_driven(self, run_id: str) -> bool:
        """Whether an earlier attempt is still being tidied up here: the retried Run is looked at again afterwards."""
        if run_id not in self._drives:
            return False
        self._awaited.add(run_id)
        return True

    def _choose_begun(self, needs: Needs) -> bool | str:
        choice = self._room.choose(needs)
        self._owed = self._owed or choice is False
        return choice

    async def _project(self) -> None:
        while await self.call(functools.partial(lifecycle.project, self.ctx)):
            self.checkpoint("projected")

    async def _sweep(self) -> None:
        await self.call(functools.partial(sweep.sweep, self.ctx, self._drives.__contains__))
        if self._sweeps % _STORE_EVERY == 0:
            await self.call(functools.partial(sweep.sweep_store, self.ctx))
        self._sweeps += 1
        while await self.call(functools.partial(sweep.collect, self.ctx)):
            self.checkpoint("collected")

    def _drive(self, work: Work, *, fresh: bool) -> None:
        drive = Drive(self, work)
        self._drives[work.run.run_id] = drive
        self.spawn(f"run {work.run.run_id}", self._guarded(drive, fresh=fresh))

    async def _guarded(self, drive: Drive, *, fresh: bool) -> None:
        run_id = drive.work.run.run_id
        try:
            await drive.to_the_end(fresh=fresh)
            self.refusals.pop(run_id, None)
        except LetGo:
            self._awaited.add(run_id)
        except Exception:
            log.exception("Run %s is left; it is taken up again when its lease has run out", run_id)
        finally:
            del self._drives[run_id]
            if run_id in self._awaited:
                self._awaited.remove(run_id)
                self._wake(frozenset({FINISH, LAUNCH}))
            self.make_room(run_id)

    def make_room(self, run_id: str) -> None:
        """Give the Run's cores and memory to others: its program does not run."""
        if self._room.free(run_id):
            self._wake(frozenset({FINISH if self._owed else LAUNCH}))

    async def _renew(self) -> None:
        """Prolong the leases of driven Runs."""
        while True:
            await asyncio.sleep(self.ctx.limits.lease / 3000)
            try:
                self._keep()
            except Exception:
                log.exception("leases could not be renewed; it will be tried again")

    def _keep(self) -> None:
        """Prolong the leases of driven Runs, and stop those that another server has taken over."""
        driven = set(self._drives)
        for run_id in driven - lifecycle.renew(self.ctx, driven):
            self._drives[run_id].stop()
