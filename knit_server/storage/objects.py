"""Immutable objects under keys: what a store must be able to do, and no more.

Only what every object store does alike is used: whole-object put, ranged get, list, delete. No ETag, no conditional
put, no server-side copy, no rename is relied on, and no key is a prefix of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Stored:
    """One object as a listing shows it. `modified` is in seconds since the epoch: when it was last (re)written."""

    key: str
    size: int
    modified: float


class Objects(Protocol):
    """A flat space of immutable objects. Every method raises `KnitError` (`OutOfSpace`, `Unavailable`)."""

    def put(self, objects: Sequence[tuple[str, Sequence[bytes]]]) -> None:
        """Store objects, each the concatenation of its parts; all are durable on return, stored in this order.

        Storing a key again replaces it by the same bytes, heals damage, and makes it young for the sweeper.
        """
        ...

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | None:
        """Return the bytes from `start`, fewer at the end; None if there is no such object."""
        ...

    def look(self, key: str) -> Stored | None:
        """Return what a listing would show of one object; None if there is no such object."""
        ...

    def list(self, prefix: str) -> Iterator[Stored]:
        """List all objects whose key starts with `prefix` (which ends in `/`), in no particular order."""
        ...

    def delete(self, key: str) -> None:
        """Delete an object; one that is gone already is fine."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...
