"""A clock, and timers that go by it: time moves when a test says so."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

from knit_server.testing import ManualClock


@dataclass(eq=False)
class Timer:
    """Something to be called at an instant."""

    due: float
    call: Callable[[], None]
    loop: asyncio.AbstractEventLoop
    time: VirtualTime

    def cancel(self) -> None:
        """Do not call any more."""
        self.time.drop(self)


class VirtualTime(ManualClock):
    """A clock whose `call_later` may stand for a scheduler's timer."""

    def __init__(self) -> None:
        super().__init__()
        self._guard = threading.Lock()
        self._timers: list[Timer] = []

    def call_later(self, delay: float, call: Callable[[], None]) -> Timer:
        """Call after so many seconds of this clock, in the loop of whoever asks."""
        timer = Timer(self.now + delay * 1000, call, asyncio.get_running_loop(), self)
        with self._guard:
            self._timers.append(timer)
        return timer

    def drop(self, timer: Timer) -> None:
        """Forget a timer."""
        with self._guard, contextlib.suppress(ValueError):
            self._timers.remove(timer)

    def advance(self, milliseconds: int) -> None:
        """Move on, and call what is due."""
        with self._guard:
            self.now += milliseconds
            due = [timer for timer in self._timers if timer.due <= self.now]
            self._timers = [timer for timer in self._timers if timer not in due]
        for timer in due:
            with contextlib.suppress(RuntimeError):  # its loop is closed: nobody waits any more
                timer.loop.call_soon_threadsafe(timer.call)

    def waits(self, milliseconds: int) -> bool:
        """Whether a timer is due in exactly so long."""
        with self._guard:
            return any(timer.due == self.now + milliseconds for timer in self._timers)
