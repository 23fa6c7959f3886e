"""Work beside the kernel's loop: transfers in threads, which tell how far they are and can be called off."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from knit_server.domain.errors import KnitError

log = logging.getLogger("knit.lab")

EVERY = 0.15
"""Seconds between two words of a transfer about how far it is."""

Tell = Callable[[int, str], None]
"""Told bytes done and the file it is at; raises `CalledOff` once the work was called off."""


class CalledOff(Exception):
    """The person who began the work does not want it any more."""


class Work:
    """One transfer in a thread. What it tells comes on the loop in which it was begun, or in its thread without one."""

    def __init__(
        self,
        task: Callable[[Tell], Any],
        *,
        told: Tell,
        done: Callable[[Any], None],
        failed: Callable[[KnitError | CalledOff], None],
    ) -> None:
        """Begin `task` at once; then exactly one of `done` (with its result) and `failed` is called."""
        self._told, self._done, self._failed = told, done, failed
        self._loop = _running_loop()
        self._over = threading.Event()
        self._next = 0.0
        self._thread = threading.Thread(target=self._run, args=(task,), name="knit-work", daemon=True)
        self._thread.start()

    def call_off(self) -> None:
        """Let it end at the next word it tells."""
        self._over.set()

    def join(self, seconds: float | None = None) -> None:
        """Wait for its thread."""
        self._thread.join(seconds)

    def _run(self, task: Callable[[Tell], Any]) -> None:
        try:
            result = task(self._tell)
        except (KnitError, CalledOff) as err:
            self._post(self._failed, err)
        except Exception as err:  # a thread that dies in silence would leave the widget busy for ever
            log.exception("work in the background failed")
            self._post(self._failed, KnitError(f"it failed: {err}", advice="This is a defect of Knit: please report."))
        else:
            self._post(self._done, result)

    def _tell(self, done: int, name: str) -> None:
        if self._over.is_set():
            raise CalledOff
        if (now := time.monotonic()) >= self._next:
            self._next = now + EVERY
            self._post(self._told, done, name)

    def _post(self, call: Callable[..., None], *arguments: Any) -> None:
        if self._loop is None:
            call(*arguments)
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed: the kernel ends
            self._loop.call_soon_threadsafe(call, *arguments)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs in this thread, None if none does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
