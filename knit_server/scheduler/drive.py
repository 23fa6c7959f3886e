"""One Run on its way to the end: staged, started, watched, finished; begun anew where a server died on it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from knit_server.domain.errors import Conflict, KnitError, OutOfSpace, Unavailable
from knit_server.domain.runs import STUCK, VANISHED, Exit, Run
from knit_server.executors.base import Observation, Phase
from knit_server.scheduler import finish, launch, relief
from knit_server.service import lifecycle
from knit_server.service.lifecycle import EXECUTING, Overtaken, Work

if TYPE_CHECKING:
    from knit_server.service.context import Context

log = logging.getLogger("knit.scheduler")

T = TypeVar("T")

_TRIES = 3
"""Defects of Knit and conflicts after which a Run is given up rather than tried for ever."""


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
        self._failures = 0
        self._remarks: tuple[str, ...] = ()

    async def to_the_end(self, *, fresh: bool) -> None:
        """Bring the Run to done or failed, over full disks, absent stores and defects. `fresh`: nothing was begun."""
        while True:
            try:
                run = await self._once(fresh=fresh)
            except Overtaken:
                log.warning("Run %s is left to another server, which has begun it anew", self.work.run.run_id)
                self._ctx.executor.stop(self.work.attempt)
                return
            except Exception as err:
                if not self._gave_up(err):
                    await asyncio.sleep(self._host.retry_after)
            else:
                log.info("Run %s is %s", run.run_id, run.status.value)
                return
            fresh = False

    def stop(self) -> None:
        """End the program: a user has stopped the Run, or it is another server's now."""
        if self._running:
            self._ctx.executor.stop(self.work.attempt)

    async def _once(self, *, fresh: bool) -> Run:
        has_program = self.work.plan.spec is not None
        if not fresh and has_program:
            self._ctx.executor.stop(self.work.attempt)  # whatever a dead server left of it
            self._see(lifecycle.relaunch(self._ctx, self.work))
        if has_program and self.work.run.status in EXECUTING:
            self._see(await self._execute())
        return await self._host.call(
            functools.partial(finish.finish, self._ctx, self.work, self._host.checkpoint, self._remarks)
        )

    async def _execute(self) -> Run:
        """Stage, start and watch one attempt; returns the Run, which is completing or aborting then."""
        staged = await self._host.call(functools.partial(launch.stage, self._ctx, self.work))
        try:
            self._host.checkpoint("staged")
            present = lifecycle.present(self._ctx, self.work.run.run_id)
            if present.status not in EXECUTING:
                return present
            seen = self._ctx.executor.start(launch.attempt(self._ctx, self.work, staged))
            self._running = True
            self._host.checkpoint("started")
            run = await self._recorded(lambda: lifecycle.started(self._ctx, self.work, seen))
            self._host.checkpoint("recorded")
            if run.status not in EXECUTING:
                self.stop()
            observation = await self._ctx.executor.wait(self.work.attempt)
            self._host.checkpoint("ended")
        finally:
            self._running = False
            staged.release()
        seen_end = exit_of(observation)
        run = await self._recorded(lambda: lifecycle.ended(self._ctx, self.work, seen_end), failed=seen_end.code != 0)
        self._host.checkpoint("exited")
        return run

    async def _recorded(self, write: Callable[[], Run], *, failed: bool = False) -> Run:
        """Write down what has happened outside, however long that takes: it must not be done a second time.

        The large outputs of a program that has `failed` make room for that if need be.
        """
        while True:
            try:
                return write()
            except (OutOfSpace, Unavailable) as err:
                if failed and isinstance(err, OutOfSpace) and await self._relieved():
                    continue
                self._tell(err)
            await asyncio.sleep(self._host.retry_after)

    async def _relieved(self) -> bool:
        """Make room, unless a user has stopped the Run and wants what it made."""
        if lifecycle.present(self._ctx, self.work.run.run_id).status not in EXECUTING:
            return False
        if not await self._host.call(functools.partial(relief.drop_outputs, self._ctx, self.work)):
            return False
        self._remarks = (relief.REMARK,)
        return True

    def _gave_up(self, err: Exception) -> bool:
        """Count the Run as failed if trying again will not help; else tell people what it waits for.

        Full and absent stores come back; conflicts and defects of Knit may be a matter of the moment, a few times.
        """
        self._failures += _is_puzzling(err)
        if not isinstance(err, KnitError):
            log.error("Run %s met a defect", self.work.run.run_id, exc_info=err)
        if _is_hopeless(err) or (_is_puzzling(err) and self._failures >= _TRIES):
            defect = f"Knit itself failed ({type(err).__name__}); the server's log says more"
            why = str(err) if isinstance(err, KnitError) else defect
            with contextlib.suppress(KnitError, Overtaken):  # then the next try meets it again
                run = lifecycle.ended(self._ctx, self.work, Exit(STUCK, why))
                if run.status is not self.work.run.status:
                    self._see(run)
                    return True
        self._tell(err)
        return False

    def _tell(self, err: Exception) -> None:
        """Tell people what the Run waits for; where even that cannot be kept, the log has to do."""
        log.warning("Run %s waits: %s", self.work.run.run_id, err)
        with contextlib.suppress(KnitError):
            lifecycle.note(self._ctx, self.work.run.run_id, str(err))

    def _see(self, run: Run) -> None:
        self.work = dataclasses.replace(self.work, run=run)


def _is_puzzling(err: Exception) -> bool:
    return isinstance(err, Conflict) or not isinstance(err, KnitError)


def _is_hopeless(err: Exception) -> bool:
    return not _is_puzzling(err) and not isinstance(err, OutOfSpace | Unavailable)


def exit_of(seen: Observation) -> Exit:
    """Say how a Run ended, from what the executor saw."""
    if seen.phase is Phase.SUCCEEDED:
        return Exit(0)
    if seen.phase is Phase.VANISHED:
        return Exit(VANISHED, seen.reason or "its program vanished without a trace")
    return Exit(seen.code or 1, seen.reason)
