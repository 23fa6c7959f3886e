"""Questions that must not hold a kernel up, asked in a thread one by one; and what is asked for often, done once.

Where no event loop runs (a plain Python, a test), everything happens at once, on the spot. Transfers, which can be
called off, are in `working`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from knit_server.domain.errors import KnitError

log = logging.getLogger("knit.lab")

T = TypeVar("T")


class Worker:
    """Does slow calls one after another beside the loop; the outcome is told on the loop."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def do(self, call: Callable[[], T], then: Callable[[T], None], failed: Callable[[KnitError], None]) -> None:
        """Call `call` in the thread, then on the loop `then` with what it gave, or `failed` with its error."""
        if self._closed:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            _tried(call).tell(then, failed)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="knit-widget")
        task = loop.create_task(self._beside(loop, self._pool, call, then, failed))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def idle(self) -> None:
        """Wait until nothing is under way any more."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def close(self) -> None:
        """Begin nothing any more, and tell nobody about what is under way."""
        self._closed = True
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _beside(
        self, loop: asyncio.AbstractEventLoop, pool: ThreadPoolExecutor, call: Callable[[], T],
        then: Callable[[T], None], failed: Callable[[KnitError], None],
    ) -> None:  # fmt: skip
        try:
            outcome = await loop.run_in_executor(pool, _tried, call)
        except (asyncio.CancelledError, RuntimeError):  # closed before it began
            return
        if not self._closed:
            outcome.tell(then, failed)


class Once:
    """Calls `act` soon, and at most once in `pause` seconds, however often it is asked for."""

    def __init__(self, act: Callable[[], None], pause: float, *, settle: bool = False) -> None:
        """With `settle`, `act` is called when nobody has asked for `pause` seconds."""
        self._act, self._pause, self._settle = act, pause, settle
        self._handle: asyncio.TimerHandle | None = None
        self._last = float("-inf")

    def ask(self) -> None:
        """See to it that `act` is called."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._act()
            return
        if self._handle is not None:
            if not self._settle:
                return
            self._handle.cancel()
        wait = self._pause if self._settle else max(0.0, self._last + self._pause - loop.time())
        self._handle = loop.call_later(wait, self._now, loop)

    def drop(self) -> None:
        """Forget that it was asked for."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _now(self, loop: asyncio.AbstractEventLoop) -> None:
        self._handle = None
        try:
            self._act()
        except Exception:  # on a loop nobody would be told
            log.exception("a widget failed")
        self._last = loop.time()


def defect() -> KnitError:
    """Return what people are told of an error that is no `KnitError`."""
    return KnitError("Knit itself has failed here", advice="The log of the kernel tells more; please report it.")


class _Outcome(Generic[T]):
    """What a call gave, or how it failed."""

    def __init__(self, found: T | None, error: KnitError | None) -> None:
        self._found, self._error = found, error

    def tell(self, then: Callable[[T], None], failed: Callable[[KnitError], None]) -> None:
        try:
            if self._error is None:
                then(self._found)  # type: ignore[arg-type]  # None only where the call gives None
            else:
                failed(self._error)
        except KnitError as err:
            failed(err)
        except Exception:
            log.exception("a widget failed")
            failed(defect())


def _tried(call: Callable[[], T]) -> _Outcome[T]:
    try:
        return _Outcome(call(), None)
    except KnitError as err:
        return _Outcome(None, err)
    except Exception:
        log.exception("a question of a widget failed")
        return _Outcome(None, defect())
