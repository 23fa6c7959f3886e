"""Threads of Knit's own, so that neither Jupyter's event loop nor its default pool ever waits for Knit.

Short calls share a small pool. What lasts as long as a client wishes (an upload, the build of an image) gets a daemon
thread of its own: a client that stalls holds up nobody, and a server that stops does not wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from knit_server.domain.errors import Unavailable

_P = ParamSpec("_P")
_T = TypeVar("_T")

CALLS = 16
"""Short calls at once. SQLite answers in well under a millisecond, so few threads serve many requests."""
STREAMS = 64
"""Uploads and builds at once; the next one waits before its body is read."""


class Workers:
    """The threads of one server."""

    def __init__(self) -> None:
        self._calls = ThreadPoolExecutor(CALLS, thread_name_prefix="knit-call")
        self._slots = asyncio.Semaphore(STREAMS)
        self._closed = False

    async def call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a short `function` in the pool and return what it returns. Raises `Unavailable` after `close`."""
        if self._closed:
            raise Unavailable("the server stops", advice="Try again when it is back.")
        return await asyncio.get_running_loop().run_in_executor(self._calls, partial(function, *args, **kwargs))

    async def start(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> asyncio.Future[_T]:
        """Start a long `function` in a thread of its own, once one of `STREAMS` is free; return its future."""
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()
        future.add_done_callback(self._done)

        def run() -> None:
            try:
                outcome = partial(_settle, future, result=function(*args, **kwargs))
            except BaseException as err:
                outcome = partial(_settle, future, error=err)
            in_loop(loop, outcome)

        threading.Thread(target=run, name="knit-stream", daemon=True).start()
        return future

    def close(self) -> None:
        """Take no more calls. What runs is not waited for."""
        self._closed = True
        self._calls.shutdown(wait=False, cancel_futures=True)

    def _done(self, future: asyncio.Future[_T]) -> None:
        self._slots.release()
        if not future.cancelled():
            future.exception()  # seen: nobody may be left to await it when the client has gone


def _settle(future: asyncio.Future[_T], *, result: _T | None = None, error: BaseException | None = None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type] # either an error or a result


def in_loop(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *args: object) -> None:
    """Have `callback` called in `loop`, from another thread; if the loop has ended, nobody is there to be told."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(partial(callback, *args))
