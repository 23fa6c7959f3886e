"""The change stream of a server, shared by everything in a notebook that shows something live.

One thread follows it while anybody listens. Listeners are told in batches, on the event loop on which they began to
listen (a kernel's: so widgets change between cells, never in the middle of one), else in the thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence

from knit_server.client.api import KnitClient
from knit_server.client.streams import Event
from knit_server.domain.errors import KnitError

log = logging.getLogger("knit.lab")

Listener = Callable[[Sequence[Event]], None]
"""Told what changed, oldest first. An event of kind `reset`: fetch anew what is shown; `lost`: the server is away."""

BATCH = 0.1
"""Seconds over which events are gathered for a loop: 200 Runs at once must not redraw 200 times."""
PAUSE = 1.0
"""Seconds before a stream that was cut off is taken up again; doubled up to `LONGEST`."""
LONGEST = 15.0


class Changes:
    """Follows the changes of one server for any number of listeners."""

    def __init__(self, client: KnitClient) -> None:
        self._client = client
        self._guard = threading.Lock()
        self._posts: list[_Post] = []
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` all changes from now on, until the returned function is called."""
        try:
            return self._join(_Post(listener, asyncio.get_running_loop()))
        except RuntimeError:
            return self.listen_in_thread(listener)

    def listen_in_thread(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` as `listen` does, but at once, in the thread that follows: for who blocks the loop.

        It is told `open` when the stream stands: from then on nothing is missed.
        """
        return self._join(_Post(listener, None))

    def _join(self, post: _Post) -> Callable[[], None]:
        with self._guard:
            self._posts.append(post)
            if self._thread is None or self._stopping.is_set():
                self._stopping = threading.Event()
                self._thread = threading.Thread(
                    target=self._follow, args=(self._stopping,), name="knit-changes", daemon=True
                )
                self._thread.start()
        return lambda: self._leave(post)

    def close(self) -> None:
        """Tell nobody any more; the thread ends at the server's next word."""
        with self._guard:
            self._posts.clear()
            self._stopping.set()

    def _leave(self, post: _Post) -> None:
        with self._guard, contextlib.suppress(ValueError):
            self._posts.remove(post)
            if not self._posts:
                self._stopping.set()

    def _tell(self, event: Event, stopping: threading.Event) -> None:
        with self._guard:
            posts = () if stopping.is_set() else tuple(self._posts)
        for post in posts:
            post.take(event)

    def _follow(self, stopping: threading.Event) -> None:
        after: int | None = None
        pause = PAUSE
        lost = False
        while not stopping.is_set():
            try:
                for event in self._client.events(after, greet=True):
                    if stopping.is_set():
                        return
                    pause = PAUSE
                    if event.kind == "open":
                        if lost and after is None:  # nothing says what was missed
                            self._tell(Event(id=None, kind="reset", data={}), stopping)
                        elif lost:
                            self._tell(event, stopping)
                        lost = False
                        continue
                    after = event.id if event.id is not None else after
                    self._tell(event, stopping)
            except KnitError as err:
                log.debug("the change stream was cut off: %s", err.reason)
            if not lost:
                lost = True
                self._tell(Event(id=None, kind="lost", data={}), stopping)
            stopping.wait(pause)
            pause = min(LONGEST, pause * 2)


class _Post:
    """One listener, and what it has not been told yet."""

    def __init__(self, listener: Listener, loop: asyncio.AbstractEventLoop | None) -> None:
        self._listener = listener
        self._loop = loop
        self._waiting: list[Event] = []
        self._guard = threading.Lock()

    def take(self, event: Event) -> None:
        if self._loop is None:
            self._call([event])
            return
        with self._guard:
            self._waiting.append(event)
            if len(self._waiting) > 1:
                return  # whoever put the first one has called the loop
        with contextlib.suppress(RuntimeError):  # the loop is closed: the kernel ends
            self._loop.call_soon_threadsafe(self._loop.call_later, BATCH, self._deliver)

    def _deliver(self) -> None:
        with self._guard:
            batch, self._waiting = self._waiting, []
        self._call(batch)

    def _call(self, batch: list[Event]) -> None:
        try:
            self._listener(batch)
        except Exception:  # one that fails must not keep the others from being told
            log.exception("a listener to changes failed")
