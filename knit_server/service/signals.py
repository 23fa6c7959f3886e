"""Waking others by signal: who changes something announces topics, who waits for them subscribes."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

log = logging.getLogger("knit.signals")

Topics = frozenset[str]

LAUNCH, FINISH, PROJECT, SWEEP, EVENTS = "launch", "finish", "project", "sweep", "events"
"""What may be announced: Runs to launch, Runs to finish, nominations that owe Runs, things to tidy, new events."""

NEEDS = "needs"
"""Announced with `LAUNCH`: Runs that were too large before may fit now."""


class Signals:
    """Passes topics on to subscribers, in the thread of the one who announces. Subscribers must not block."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._subscribers: dict[int, Callable[[Topics], None]] = {}
        self._next = 0
        self._held = threading.local()

    def subscribe(self, callback: Callable[[Topics], None]) -> Callable[[], None]:
        """Call `callback` with the topics of each announcement; returns what ends that."""
        with self._guard:
            key, self._next = self._next, self._next + 1
            self._subscribers[key] = callback
        return lambda: self._unsubscribe(key)

    def announce(self, topics: Topics) -> None:
        """Pass `topics` on to all subscribers."""
        held: set[str] | None = getattr(self._held, "topics", None)
        if held is not None:
            held.update(topics)
            return
        with self._guard:
            callbacks = list(self._subscribers.values())
        for callback in callbacks:
            try:
                callback(topics)
            except Exception:  # what was announced has happened: nobody who hears of it badly may undo that
                log.exception("a subscriber failed to take %s", ", ".join(sorted(topics)))

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Keep what this thread announces until the end of the block: nobody wakes before all of it is done."""
        self._held.topics = set()
        try:
            yield
        finally:
            topics, self._held.topics = frozenset(self._held.topics), None
            if topics:
                self.announce(topics)

    def _unsubscribe(self, key: int) -> None:
        with self._guard:
            self._subscribers.pop(key, None)
