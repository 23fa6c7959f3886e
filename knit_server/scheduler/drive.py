"""One Run on its way to the end: staged, started, watched, finished; begun anew where a server died on it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from knit_server.domain.errors import KnitError, OutOfSpace, Unavailable
from knit_server.domain.runs import STUCK, VANISHED, Exit, Run, Status
from knit_server.executors.base import Observation, Phase
from knit_server.scheduler import finish, launch
from knit_server.service import lifecycle
from knit_server.service.lifecycle import Work

if TYPE_CHECKING:
    from knit_server.service.context import Context

log = logging.getLogger("knit.scheduler")

T = TypeVar("T")

_TRIES = 3
"""Defects of Knit in a row after which a Run is given up rather than tried for ever."""


class Host(Protocol):
    """What a drive needs of its scheduler."""

    ctx: Context
    checkpoint: Callable[[str], None]
    retry_after: float

    async def call(self, function: Callable[[], T]) -> T:
        """Run a blocking function in the pool."""
        ...


class Drive:
    """Drives one Run. Lives in the scheduler's loop."""

    def __init__(self, host: Host, work: Work) -> None:
        self.work = work
        self._host = host
        self._ctx = host.ctx
        self._running = False

    async def to_the_end(self, *, fresh: bool) -> None:
        """Bring the Run to done or failed, over full disks, absent stores and defects. `fresh`: nothing was begun."""
        failures = 0
        while True:
            try:
                run = await self._once(fresh=fresh)
            except KnitError as err:
                if not isinstance(err, OutOfSpace | Unavailable) and self._give_up(str(err)):
                    continue
                self._wait_because(err)
            except Exception as err:
                log.exception("Run %s met a defect", self.work.run.run_id)
                failures += 1
                if failures >= _TRIES:
                    self._give_up(f"Knit itself failed ({type(err).__name__}); the server's log says more")
            else:
                log.info("Run %s is %s", run.run_id, run.status.value)
                return
            fresh = False
            await asyncio.sleep(self._host.retry_after)

    def look(self) -> None:
        """See whether a user has stopped the Run, and stop its program then."""
        if self._running and lifecycle.present(self._ctx, self.work.run.run_id).status not in (
            Status.STARTING,
            Status.RUNNING,
        ):
            self._ctx.executor.stop(self.work.attempt)

    async def _once(self, *, fresh: bool) -> Run:
        status = self.work.run.status
        if not fresh:
            self._ctx.executor.stop(self.work.attempt)  # whatever a dead server left of it
            if status in (Status.STARTING, Status.RUNNING) and self.work.plan.spec is not None:
                self.work = lifecycle.relaunch(self._ctx, self.work) or self.work
        if self.work.plan.spec is not None and self.work.run.status in (Status.STARTING, Status.RUNNING):
            await self._execute()
        self.work = self._refreshed(lifecycle.present(self._ctx, self.work.run.run_id))
        return await self._host.call(functools.partial(finish.finish, self._ctx, self.work, self._host.checkpoint))

    async def _execute(self) -> None:
        """Stage, start and watch one attempt; afterwards the Run is completing or aborting."""
        staged = await self._host.call(functools.partial(launch.stage, self._ctx, self.work))
        try:
            self._host.checkpoint("staged")
            if lifecycle.present(self._ctx, self.work.run.run_id).status not in (Status.STARTING, Status.RUNNING):
                return  # stopped before it began
            seen = self._ctx.executor.start(launch.attempt(self._ctx, self.work, staged))
            self._running = True
            self._host.checkpoint("started")
            run = lifecycle.started(self._ctx, self.work, seen)
            self._host.checkpoint("recorded")
            if run.status is not Status.RUNNING:
                self._ctx.executor.stop(self.work.attempt)
            observation = await self._ctx.executor.wait(self.work.attempt)
            self._host.checkpoint("ended")
        finally:
            self._running = False
            staged.release()
        lifecycle.ended(self._ctx, self.work, exit_of(observation))
        self._host.checkpoint("exited")

    def _give_up(self, why: str) -> bool:
        """Count the Run as failed: it cannot be started, and trying again would not help. False if it has ended."""
        before = lifecycle.present(self._ctx, self.work.run.run_id).status
        run = lifecycle.ended(self._ctx, self.work, Exit(STUCK, why))
        self.work = self._refreshed(run)
        return run.status is not before

    def _wait_because(self, err: KnitError) -> None:
        """Tell people what the Run waits for; where even that cannot be kept, the log has to do."""
        log.warning("Run %s waits: %s", self.work.run.run_id, err.reason)
        with contextlib.suppress(KnitError):
            lifecycle.note(self._ctx, self.work.run.run_id, str(err))

    def _refreshed(self, run: Run) -> Work:
        return Work(run=run, plan=self.work.plan, inputs=self.work.inputs, made=self.work.made)


def exit_of(seen: Observation) -> Exit:
    """Say how a Run ended, from what the executor saw."""
    if seen.phase is Phase.SUCCEEDED:
        return Exit(0)
    if seen.phase is Phase.VANISHED:
        return Exit(VANISHED, seen.reason or "its program vanished without a trace")
    return Exit(seen.code or 1, seen.reason)
