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
from knit_server.client.streams import Ending, Event
from knit_server.domain.errors import KnitError

log = logging.getLogger("knit.lab")

Listener = Callable[[Sequence[Event]], None]
"""Told what changed, oldest first: events of the kinds data, plan and run as the server sends them, and these:

- `open`: the stream stands; from now on nothing is missed. Comes first, and again when the server is back.
- `reset`: something was missed; fetch anew what is shown.
- `lost`: the server is away. It is tried again until it is back.
"""

BATCH = 0.1
"""Seconds over which events are gathered for a loop: 200 Runs at once must not redraw 200 times."""
PAUSE = 1.0
"""Seconds before a stream that was cut off is taken up again; doubled up to `LONGEST`."""
LONGEST = 15.0
PATIENCE = 2.0
"""Seconds that `close` waits for the thread; it ends at once unless it is just connecting."""


class Changes:
    """Follows the changes of one server for any number of listeners. Any thread may call it."""

    def __init__(self, client: KnitClient) -> None:
        self._client = client
        self._guard = threading.Lock()
        self._posts: list[_Post] = []
        self._thread: threading.Thread | None = None
        self._ending = Ending()
        self._state: Event | None = None

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` all changes from now on, until the returned function is called.

        Within a running event loop it is told there, in batches; else in the thread that follows.
        """
        try:
            return self._join(_Post(listener, asyncio.get_running_loop()))
        except RuntimeError:
            return self.listen_in_thread(listener)

    def listen_in_thread(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` as `listen` does, but at once, in the thread that follows: for who blocks the loop."""
        return self._join(_Post(listener, None))

    @property
    def are_followed(self) -> bool:
        """Whether anybody listens."""
        with self._guard:
            return bool(self._posts)

    def close(self) -> None:
        """Tell nobody any more, and end the thread. Who listens later begins anew."""
        with self._guard:
            for post in self._posts:
                post.over = True
            self._posts.clear()
            self._ending.ask()
            thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(PATIENCE)

    def _join(self, post: _Post) -> Callable[[], None]:
        with self._guard:
            self._posts.append(post)
            if self._thread is None or self._ending.is_asked:
                self._state, self._ending = None, Ending()
                self._thread = threading.Thread(
                    target=self._follow, args=(self._ending,), name="knit-changes", daemon=True
                )
                self._thread.start()
            standing = self._state
        if standing is not None:
            post.take(standing)
        return lambda: self._leave(post)

    def _leave(self, post: _Post) -> None:
        post.over = True
        with self._guard, contextlib.suppress(ValueError):  # it has left already
            self._posts.remove(post)
            if not self._posts:
                self._ending.ask()

    def _tell(self, event: Event, ending: Ending) -> None:
        with self._guard:
            if ending.is_asked:
                return
            if event.kind in ("open", "lost"):
                self._state = event
            posts = tuple(self._posts)
        for post in posts:
            post.take(event)

    def _follow(self, ending: Ending) -> None:
        after: int | None = None
        pause = PAUSE
        has_stood = is_lost = False
        while not ending.is_asked:
            try:
                for event in self._client.events(after, greet=True, ending=ending):
                    pause, is_lost = PAUSE, False
                    self._tell(event, ending)
                    if event.kind == "open" and has_stood and after is None:  # nothing says what was missed
                        self._tell(Event(id=None, kind="reset", data={}), ending)
                    has_stood = True
                    after = event.id if event.id is not None else after
            except KnitError as err:
                log.debug("the change stream was cut off: %s", err.reason)
            except Exception:  # a thread that dies in silence would leave widgets standing still
                log.exception("following changes failed")
            if not is_lost:
                is_lost = True
                self._tell(Event(id=None, kind="lost", data={}), ending)
            if ending.wait(pause):
                return
            pause = min(LONGEST, pause * 2)


class _Post:
    """One listener, and what it has not been told yet."""

    def __init__(self, listener: Listener, loop: asyncio.AbstractEventLoop | None) -> None:
        self._listener = listener
        self._loop = loop
        self.over = False
        """Whether it has left: then it is told nothing more, not even what has been gathered."""
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
        if self.over:
            return
        try:
            self._listener(batch)
        except Exception:  # one that fails must not keep the others from being told
            log.exception("a listener to changes failed")
