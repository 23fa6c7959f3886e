"""Hooks that live in the test: what each was told, and what it says."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping

from knit_server.domain.errors import Unavailable
from knit_server.domain.runs import Status
from knit_server.domain.views import RunView

Answer = Callable[[RunView], Mapping[str, str]]


class FakeHooks:
    """Hooks of one scheduler or of several in turn. `told` lists (when, run id, status), in order.

    `refuse` names the statuses before whose change they say no, `hang` those in which they never answer. `check` is
    called with each Run, in the scheduler's own thread.
    """

    wanted = True

    def __init__(self, env: Mapping[str, str] | None = None, check: Callable[[RunView], object] | None = None) -> None:
        self.env = env or {}
        self.check = check or (lambda run: None)
        self.told: list[tuple[str, str, str]] = []
        self.refuse: set[Status] = set()
        self.hang: set[Status] = set()
        self.hang_after: set[Status] = set()
        self.only: str | None = None  # the Run to which that applies; all of them if None
        self.refused = threading.Event()
        self.hanging = threading.Event()
        self.dropped = threading.Event()
        self.closed = False
        self._hung: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def go_on(self) -> None:
        """Hang no more; from any thread."""
        self.hang, self.hang_after = set(), set()
        for loop, event in self._hung:
            with contextlib.suppress(RuntimeError):  # that loop is over
                loop.call_soon_threadsafe(event.set)

    async def before(self, run: RunView) -> Mapping[str, str]:
        """Be asked."""
        status = run.run.status
        self.told.append(("before", run.run.run_id, status.value))
        self.check(run)
        if self.only in (None, run.run.run_id):
            if status in self.hang:
                await self._hang()
            if status in self.refuse:
                self.refused.set()
                raise Unavailable("hook http://hook.example/ answered 500")
        return self.env if status is Status.READY else {}

    async def after(self, run: RunView) -> None:
        """Be told."""
        self.told.append(("after", run.run.run_id, run.run.status.value))
        self.check(run)
        if run.run.status in self.hang_after and self.only in (None, run.run.run_id):
            await self._hang()

    async def close(self) -> None:
        """Be let go."""
        self.closed = True

    async def _hang(self) -> None:
        event = asyncio.Event()
        self._hung.append((asyncio.get_running_loop(), event))
        self.hanging.set()
        try:
            await event.wait()
        except asyncio.CancelledError:
            self.dropped.set()
            raise

    def of(self, run_id: str) -> list[str]:
        """What was told of one Run: `waiting?` before a change, `ready!` after it."""
        return [f"{status}{'?' if when == 'before' else '!'}" for when, told, status in self.told if told == run_id]
