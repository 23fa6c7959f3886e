"""Cutting long lists for `IN (...)`: databases limit the number of bound values in a statement."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

BATCH = 500
"""Values in one statement; SQLite's own limit was 999 for long."""


def batched(values: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Yield `values` in lists of at most `size`."""
    iterator = iter(values)
    while some := list(itertools.islice(iterator, size)):
        yield some
