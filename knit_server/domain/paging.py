"""Lists in pages: a page knows where the next one begins.

A position is what a list is ordered by, taken from the last row of a page; so a page costs the same wherever it lies,
and rows that come or go before it move nothing. Rules: docs/rules.md, "Pages".
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")


class Order(enum.Enum):
    """Which end of a list comes first. The newest first is the same list, read from its end."""

    OLDEST = "oldest"
    NEWEST = "newest"


class DataPosition(NamedTuple):
    """How far a list of Data was read.

    Data with a timestamp come first, up to (`timestamp`, `seq`); then those without, up to the sequence number
    `unset`, 0 if none was read yet. The newest first, it is the other way round, down to these.
    """

    timestamp: int
    seq: int
    unset: int


class RunPosition(NamedTuple):
    """How far a list of Runs was read."""

    updated_at: int
    seq: int


class PlanPosition(NamedTuple):
    """How far a list of Plans was read."""

    plan_id: str


Position = DataPosition | RunPosition | PlanPosition


@dataclass(frozen=True, kw_only=True)
class Page(Generic[_T]):
    """Some rows of a list, and the position after which there are more; None at its end."""

    rows: list[_T]
    next: Position | None = None

    def showing(self, show: Callable[[list[_T]], list[_R]]) -> Page[_R]:
        """Return the same page with its rows shown otherwise."""
        return Page(rows=show(self.rows), next=self.next)
