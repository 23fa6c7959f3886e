"""One Run on its way to the end: staged, started, watched, finished; begun anew where a server died on it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar

from knit_server.domain.errors import Conflict, KnitError, NotFound, OutOfSpace, Unavailable
from knit_server.domain.retries import End
from knit_server.domain.runs import STUCK, Exit, Run, Status
from knit_server.executors.base import Observation, Started
from knit_server.scheduler import again, finish, launch, relief
from knit_server.scheduler.hooks import Hooks
from knit_server.scheduler.telling import Moved, Refused, Telling
from knit_server.service import again as again_service
from knit_server.service import lifecycle, stepping
from knit_server.service.lifecycle import EXECUTING, Overtaken, Work
from knit_server.service.stepping import PREPARING

if TYPE_CHECKING:
    from knit_server.service.context import Context

log = logging.getLogger("knit.scheduler")

T = TypeVar("T")

_TRIES = 3
"""Defects of Knit and conflicts after which a Run is given up rather than tried for ever."""


class Host(Protocol):
    """What a drive needs of its scheduler."""

    ctx: Context
    hooks: Hooks
    checkpoint: Callable[[str], None]
    retry_after: float
    refusals: dict[str, int]
    timer: again.Timer

    async def call(self, function: Callable[[], T]) -> T:
        """Run a blocking function in the pool."""
        ...

    def make_room(self, run_id: str) -> None:
        """Give the Run's cores and memory to others: its program does not run."""
        ...


class LetGo(Exception):
    """The Run is left to anybody: before its program was started, or until its next attempt is due."""


class Drive:
    """Drives one Run. Lives in the scheduler's loop."""

    def __init__(self, host: Host, work: Work) -> None:
        self.work = work
        self._host = host
        self._ctx = host.ctx
        self._running = False
        self._failures = 0
        self._remarks: tuple[str, ...] = ()
        self._telling = Telling(host, work.run.run_id)
        self._env: Mapping[str, str] = {}
        self._may_end = False

    async def to_the_end(self, *, fresh: bool) -> None:
        """Bring the Run to done or failed, over full disks, absent stores and defects. `fresh`: nothing was begun.

        Raises `LetGo` if it is to be claimed again later.
        """
        try:
            try:
                await self._insist(fresh=fresh)
            finally:
                self._host.make_room(self.work.run.run_id)
        except LetGo:
            await self._telling.end()
            raise
        else:
            await self._telling.end()
        finally:
            self._telling.cut()

    async def _insist(self, *, fresh: bool) -> None:
        while True:
            try:
                run = await self._once(fresh=fresh)
            except Overtaken:
                log.warning("Run %s is left to another server, which has begun it anew", self.work.run.run_id)
                self._ctx.executor.stop(self.work.attempt)
                return
            except LetGo:
                raise
            except Exception as err:
                if not await self._gave_up(err):
                    await asyncio.sleep(self._host.retry_after)
            else:
                log.info("Run %s is %s", run.run_id, run.status.value)
                return
            fresh = False

    def stop(self) -> None:
        """End the program: a user has stopped the Run, or it is another server's now."""
        if self._running:
            self._ctx.executor.stop(self.work.attempt)
        self._telling.disturb()

    def look(self, run: Run | None) -> None:
        """See how the Run stands, None for a deleted one: it may not be what is worked for any more."""
        if self._running and (run is None or run.status not in EXECUTING):
            self._ctx.executor.stop(self.work.attempt)
        self._telling.look(run)

    async def _once(self, *, fresh: bool) -> Run:
        has_program = self.work.plan.spec is not None
        if self.work.run.status in PREPARING:
            await self._prepare()
        elif not fresh and has_program:
            await self._begin_anew()
        if self.work.run.status in EXECUTING:
            self._see(await (self._execute() if has_program else self._end(finish.CUT_OFF[self.work.plan.name or ""])))
        if not self._may_end:  # once asked, storing may be repeated
            await self._agreed(self.work.run)
            self._may_end = True
        run = await self._host.call(
            functools.partial(finish.finish, self._ctx, self.work, self._host.checkpoint, self._remarks)
        )
        self._telling.tell()
        return run

    async def _prepare(self) -> None:
        """waiting -> ready -> starting, with hooks before and after each. Raises `LetGo` or `Overtaken`."""
        while self.work.run.status in PREPARING:
            old = self.work.run
            try:
                self._env = await self._telling.ask(old)
            except Moved:
                self._see(self._present())
                continue
            except Refused as refusal:
                await self._let_go(refusal)
            self._host.checkpoint(f"asked {old.status.value}")
            self._see(stepping.advance(self._ctx, self.work))
            if (old.status, self.work.run.status) in ((Status.WAITING, Status.READY), (Status.READY, Status.STARTING)):
                self._host.checkpoint(f"moved {old.status.value}")
                self._telling.tell()
            if self.work.run.status is Status.READY and self.work.held is not None:
                raise LetGo
        if self.work.run.status not in (*EXECUTING, Status.COMPLETING, Status.ABORTING):  # switched off, or deleted
            await self._let_go()

    async def _begin_anew(self) -> None:
        """Begin another attempt, with an environment of its own: the last one was lost. Raises `LetGo`, `Overtaken`."""
        self._ctx.executor.stop(self.work.attempt)  # whatever a dead server left of it
        if self._telling.wanted and stepping.starts_anew(self._ctx, self.work):
            try:
                self._env = await self._telling.ask(self.work.run, as_status=Status.READY)
            except Refused as refusal:
                await self._let_go(refusal)
            except Moved:
                pass  # `relaunch` sees it, too
        self._see(lifecycle.relaunch(self._ctx, self.work))

    async def _let_go(self, refusal: Refused | None = None) -> NoReturn:
        """Leave the Run to whoever claims it next, after a while if a hook refused; others have its room meanwhile."""
        if refusal is None:
            self._host.refusals.pop(self.work.run.run_id, None)
        else:
            self._host.make_room(self.work.run.run_id)
            await self._telling.rest(refusal)
        stepping.let_go(self._ctx, self.work)
        raise LetGo

    async def _agreed(self, run: Run) -> None:
        """Return when hooks agree to the next change of a Run whose program has ended, or it has made another."""
        with contextlib.suppress(Moved):
            while True:
                try:
                    await self._telling.ask(run)
                except Refused as refusal:
                    self._host.make_room(run.run_id)
                    await self._telling.rest(refusal)
                else:
                    return

    async def _execute(self) -> Run:
        """Stage, start and watch one attempt; returns the Run, which is completing or aborting then."""
        if self.work.run.exit is not None:  # all this was done, by a server that died while hooks were asked
            return await self._end(self.work.run.exit)
        staged = await self._host.call(functools.partial(launch.stage, self._ctx, self.work))
        try:
            self._host.checkpoint("staged")
            present = lifecycle.present(self._ctx, self.work.run.run_id)
            if present.status not in EXECUTING:
                return present
            seen = self._ctx.executor.start(launch.attempt(self._ctx, self.work, staged, self._env))
            self._running = True
            with again.TimeLimit(self._host.timer, launch.timeout(self.work), self._kill) as limit:
                self._host.checkpoint("started")
                observation = await self._watched(seen, limit)
            self._host.checkpoint("ended")
        finally:
            self._running = False
            staged.release()
        end, exit_ = limit.end_of(observation)
        await self._try_again(end, exit_)
        return await self._end(exit_)

    def _kill(self) -> None:
        self._ctx.executor.stop(self.work.attempt)

    async def _try_again(self, end: End, exit_: Exit) -> None:
        """Raise `LetGo` if another attempt follows one that has ended so."""
        if exit_.code == 0:
            return
        follows = await self._recorded(
            lambda: again_service.postpone(self._ctx, self.work, end, exit_), failed=end is not End.STUCK
        )
        if follows is not None:
            again.close_log(self._ctx, self.work, exit_, follows)
            self._host.checkpoint("put off")
            raise LetGo

    async def _watched(self, seen: Started, limit: again.TimeLimit) -> Observation:
        """Say that the program runs, once hooks agree, and return how it ended; its time is counted until then."""
        end = asyncio.ensure_future(self._ctx.executor.wait(self.work.attempt)) if self._telling.wanted else None
        if end is not None:  # without hooks, nothing comes between its end and the end of the limit
            end.add_done_callback(lambda _: limit.lift())
        try:
            agreed = end is None or await self._agreed_while_it_runs(end)
            run = await self._recorded(lambda: lifecycle.started(self._ctx, self.work, seen, agreed=agreed))
            self._host.checkpoint("recorded")
            if run.status not in EXECUTING:
                self.stop()
            elif run.status is not self.work.run.status:
                self._telling.tell()
            return await (end or self._ctx.executor.wait(self.work.attempt))
        finally:
            if end is not None:
                end.cancel()

    async def _agreed_while_it_runs(self, end: asyncio.Future[Observation]) -> bool:
        """Ask whether the Run may be called running, until its program ends; False if no hook agreed before."""
        if self.work.run.status is Status.RUNNING:
            return True
        while True:
            try:
                await self._telling.ask(self.work.run)
            except Moved:
                return False
            except Refused as refusal:
                if end.done():
                    return False
                await self._telling.rest(refusal, end)
            else:
                return True

    async def _end(self, exit_: Exit, *, relieve: bool = True) -> Run:
        """Write down how the program ended: -> completing or aborting, once hooks agree."""
        failed = relieve and exit_.code != 0
        if self._telling.wanted:
            run = await self._recorded(lambda: stepping.exited(self._ctx, self.work, exit_), failed=failed)
            self._host.checkpoint("kept")
            if run.status in EXECUTING:
                await self._agreed(run)
                self._host.checkpoint("agreed")
        run = await self._recorded(lambda: lifecycle.ended(self._ctx, self.work, exit_), failed=failed)
        self._host.checkpoint("exited")
        if run.exit == exit_:  # otherwise a user stopped it: his words are other ones
            self._telling.tell()
        return run

    async def _recorded(self, write: Callable[[], T], *, failed: bool = False) -> T:
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

    async def _gave_up(self, err: Exception) -> bool:
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
                await self._try_again(End.STUCK, Exit(STUCK, why))
                run = await self._end(Exit(STUCK, why), relieve=False)
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

    def _present(self) -> Run:
        try:
            return lifecycle.present(self._ctx, self.work.run.run_id)
        except NotFound as err:
            raise Overtaken(self.work.run.run_id) from err

    def _see(self, run: Run) -> None:
        self.work = dataclasses.replace(self.work, run=run)


def _is_puzzling(err: Exception) -> bool:
    return isinstance(err, Conflict) or not isinstance(err, KnitError)


def _is_hopeless(err: Exception) -> bool:
    return not _is_puzzling(err) and not isinstance(err, OutOfSpace | Unavailable)
