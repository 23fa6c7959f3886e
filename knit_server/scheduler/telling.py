"""One Run's talk with the hooks: asking them before each change, telling them after it, in the order of the changes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Protocol

from knit_server.domain import notes
from knit_server.domain.errors import KnitError
from knit_server.domain.runs import Run, Status
from knit_server.domain.views import RunView
from knit_server.scheduler.hooks import Hooks
from knit_server.service import lifecycle, stepping
from knit_server.service.lifecycle import Overtaken

if TYPE_CHECKING:
    from knit_server.service.context import Context

log = logging.getLogger("knit.scheduler")

_DOUBLINGS = 6
"""After so many refusals in a row, the pause grows no more: it is twice `retry_after` then."""


class Refused(Exception):
    """A hook did not agree, for a reason that people can read."""


class Moved(Exception):
    """The Run does not stand where it stood when its hooks began to be asked."""


class Host(Protocol):
    """What a talk needs of its scheduler. `refusals` counts those in a row, by Run."""

    ctx: Context
    hooks: Hooks
    retry_after: float
    refusals: dict[str, int]


class Telling:
    """The talk about one Run. Lives in the scheduler's loop."""

    def __init__(self, host: Host, run_id: str) -> None:
        self._host = host
        self._run_id = run_id
        self._asked: tuple[Status, int] | None = None
        self._moved = asyncio.Event()
        self._told: asyncio.Task[None] | None = None

    @property
    def wanted(self) -> bool:
        """Whether there are hooks at all."""
        return self._host.hooks.wanted

    async def ask(self, run: Run, *, as_status: Status | None = None) -> Mapping[str, str]:
        """Ask before the next change of `run`, as it stands or as if it stood `as_status`; returns the environment.

        Raises `Refused`, `Moved`, or `Overtaken` if the Run is no more.
        """
        if not self.wanted:
            return {}
        self._asked = run.status, run.attempt
        try:
            while True:
                await self._all_told()
                self._moved.clear()
                view = self._seen(as_status, run)
                found = await self._unless_moved(self._host.hooks.before(view))
                if found is not None:
                    self._host.refusals.pop(self._run_id, None)
                    return found
        finally:
            self._asked = None

    def tell(self) -> None:
        """Tell after a change, as the Run stands now; nobody waits for it but the next question."""
        if not self.wanted:
            return
        try:
            view = stepping.seen(self._host.ctx, self._run_id)
        except KnitError as err:
            log.warning("no hook is told of a change of Run %s: %s", self._run_id, err.reason)
            return
        if view is not None:
            self._told = asyncio.create_task(self._tell(view, self._told), name=f"hooks {self._run_id}")

    async def rest(self, refusal: Refused, ended: Awaitable[object] | None = None) -> None:
        """Say who refused and why, and wait a while, longer each time; not after the Run has moved or `ended`."""
        count = self._host.refusals[self._run_id] = self._host.refusals.get(self._run_id, 0) + 1
        pause = self._host.retry_after * 2.0 ** (min(count, _DOUBLINGS) - _DOUBLINGS + 1)
        log.warning("Run %s waits: %s; tried again after %.2g s", self._run_id, refusal, pause)
        with contextlib.suppress(KnitError):
            text = notes.held_by_hook(str(refusal), pause, self._host.ctx.now())
            lifecycle.note(self._host.ctx, self._run_id, text)
        moved = asyncio.ensure_future(self._moved.wait())
        others = [] if ended is None else [asyncio.ensure_future(ended)]
        try:
            await asyncio.wait([moved, *others], timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        finally:
            moved.cancel()

    def look(self, run: Run | None) -> None:
        """See how the Run stands, None for a deleted one: a question about what is over is dropped."""
        if self._asked is not None and (run is None or (run.status, run.attempt) != self._asked):
            self.disturb()

    def disturb(self) -> None:
        """Drop the question, to look at the Run anew."""
        self._moved.set()

    async def end(self) -> None:
        """Wait until all is told."""
        await self._all_told()

    def cut(self) -> None:
        """Tell no more."""
        if self._told is not None:
            self._told.cancel()

    def _seen(self, as_status: Status | None, run: Run) -> RunView:
        try:
            view = stepping.seen(self._host.ctx, self._run_id)
            if view is None:
                raise Overtaken(self._run_id)
            if (view.run.status, view.run.attempt) != (run.status, run.attempt):
                raise Moved
            if as_status is not None:
                view = stepping.seen(self._host.ctx, self._run_id, status=as_status) or view
        except KnitError as err:
            raise Refused(f"its hooks were not asked: {err.reason}") from err
        return view

    async def _unless_moved(self, question: Awaitable[Mapping[str, str]]) -> Mapping[str, str] | None:
        """Return the answer, or None if the Run has to be looked at first."""
        answer = asyncio.ensure_future(question)
        moved = asyncio.ensure_future(self._moved.wait())
        try:
            await asyncio.wait([answer, moved], return_when=asyncio.FIRST_COMPLETED)
            return answer.result() if answer.done() else None
        except KnitError as err:
            raise Refused(err.reason) from err
        except Exception as err:
            log.exception("a hook of Run %s could not be asked", self._run_id)
            raise Refused(f"Knit could not ask its hooks ({type(err).__name__}); the server's log says more") from err
        finally:
            moved.cancel()
            answer.cancel()

    async def _tell(self, view: RunView, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        try:
            await self._host.hooks.after(view)
        except Exception:
            log.exception("the hooks of Run %s could not be told", self._run_id)

    async def _all_told(self) -> None:
        told, self._told = self._told, None
        if told is not None:
            try:
                await told
            except asyncio.CancelledError:
                told.cancel()
                raise
