"""One reader of the change stream for all who listen: a commit costs one query, however many listeners there are.

Recent events stay in memory. A listener says how far it has read; what it missed comes from memory or, if that does
not reach back far enough, from the database. So a slow listener costs nothing, and nobody has a queue of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable

from knit_server.handlers.workers import Workers, in_loop
from knit_server.persistence.events import Event
from knit_server.service import events
from knit_server.service.context import Context

MEMORY = 2000
"""Events kept in memory."""
SAFETY = 60.0
"""Seconds between looks without a signal: the safety net."""
SHARED = 1.0
"""The same where another process, whose signals do not reach this one, writes to the same database."""
RETRY = 1.0
"""Seconds until the next try after the database failed."""

_log = logging.getLogger(__name__)


class Feed:
    """The change stream of one server. It reads only while somebody listens."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._context: Context | None = None
        self._interval = SAFETY
        self._unsubscribe: Callable[[], None] = lambda: None
        self._recent: deque[Event] = deque()
        self._start = 0  # `_recent` holds every event after this one ...
        self._last = 0  # ... up to this one
        self._listeners = 0
        self._changed = asyncio.Event()  # something was committed
        self._begun = asyncio.Event()  # `_start` and `_last` are true
        self._news = asyncio.Condition()
        self._reader: asyncio.Task[None] | None = None

    def open(self, context: Context, *, shared: bool) -> None:
        """Read the stream of `context`; with `shared`, look every second instead of waiting for signals alone."""
        loop = asyncio.get_running_loop()

        def signal(topics: frozenset[str]) -> None:
            in_loop(loop, self._changed.set)

        self._context = context
        self._interval = SHARED if shared else SAFETY
        self._unsubscribe()
        self._unsubscribe = context.signals.subscribe(signal)

    def alone(self) -> None:
        """From now on, whoever else writes wakes this process: signals are enough."""
        self._interval = SAFETY

    def close(self) -> None:
        """Stop reading."""
        self._unsubscribe()
        self._stop()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Keep the reader going while somebody listens."""
        self._listeners += 1
        if self._reader is None:
            self._reader = asyncio.create_task(self._run(), name="knit-feed")
        try:
            await self._begun.wait()
            yield
        finally:
            self._listeners -= 1
            if not self._listeners:
                self._stop()

    async def resume(self, position: int | None) -> events.Batch:
        """Return what a new listener gets first: the events after `position`, or none if it starts now (None).

        `reset` is true if `position` is too old, or from another database.
        """
        if position is None:
            return events.Batch(events=[], reset=False, last=self._last)
        batch = await self._read(position)
        if batch.last < position:
            return events.Batch(events=[], reset=True, last=self._last)
        return batch

    async def after(self, position: int, patience: float) -> events.Batch:
        """Return the events after `position`, waiting at most `patience` seconds for the first; maybe none."""
        if position < self._start:
            return await self._read(position)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience), self._news:
                await self._news.wait_for(lambda: self._last > position)
        found = [event for event in self._recent if event.id > position]
        return events.Batch(events=found, reset=False, last=max(position, self._last))

    async def _run(self) -> None:
        while True:
            try:
                if not self._begun.is_set():
                    self._start = self._last = (await self._read(None)).last
                    self._begun.set()
                await self._fetch()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._interval):
                        await self._changed.wait()
                self._changed.clear()
            except Exception:
                _log.exception("the change stream cannot be read; listeners wait")
                await asyncio.sleep(RETRY)

    async def _fetch(self) -> None:
        """Read everything new and tell the listeners."""
        while (batch := await self._read(self._last)).events or batch.reset:
            if batch.reset:
                self._recent.clear()
                self._start = batch.last
            self._recent.extend(batch.events)
            while len(self._recent) > MEMORY:
                self._start = self._recent.popleft().id
            async with self._news:
                self._last = batch.last
                self._news.notify_all()

    async def _read(self, position: int | None) -> events.Batch:
        if self._context is None:
            return events.Batch(events=[], reset=False, last=position or 0)
        return await self._workers.call(events.since, self._context, position)

    def _stop(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
        self._begun.clear()
        self._recent.clear()
