"""Parts of queries that several methods of the client send."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

Depth = int | Literal["all"]
"""How many steps a graph goes in one direction."""

EVERY = 1 << 62
"""More rows than any list has."""


def each(name: str, values: Iterable[str]) -> list[tuple[str, str]]:
    """Return a member that is repeated for each of `values`."""
    return [(name, value) for value in values]


def depths(upstream: Depth, downstream: Depth) -> Sequence[tuple[str, str]]:
    """Return the members that say how far a graph goes."""
    return [("upstream", str(upstream)), ("downstream", str(downstream))]
