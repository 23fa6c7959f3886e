"""What goes into `IN (...)`: not too many values at once, and no texts that a database refuses."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

BATCH = 500
"""Values in one statement; SQLite's own limit was 999 for long."""


def possible(ids: Iterable[str]) -> list[str]:
    """Return, once each, those of `ids` that may be ids at all: users may ask for anything, also with NULs in it."""
    return [each for each in dict.fromkeys(ids) if each.isascii() and each.isprintable()]


def batched(values: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Yield `values` in lists of at most `size`."""
    iterator = iter(values)
    while some := list(itertools.islice(iterator, size)):
        yield some
