"""What was read a moment ago, kept in memory for the next reader. Only for what never changes under its key."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Keeps the values used last, as many as weigh no more than `room` together. Several threads may share it.

    What alone weighs more than that is given and not kept.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._weight = 0
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, key: K, make: Callable[[], V], weigh: Callable[[V], int]) -> V:
        """Return the value under `key`, made if it is not kept, perhaps by two threads at once.

        What `make` raises goes on.
        """
        with self._guard:
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return kept[0]
        value = make()
        weight = weigh(value)
        with self._guard:
            if key not in self._kept and weight <= self._room:
                self._kept[key] = value, weight
                self._weight += weight
                while self._weight > self._room:
                    self._weight -= self._kept.popitem(last=False)[1][1]
        return value
