"""The ids of Knit: lower-case UUID strings of 36 characters, told apart by type; and what a beginning of one can be."""

from __future__ import annotations

import re
from typing import NewType

KnitId = NewType("KnitId", str)
PlanId = NewType("PlanId", str)
RunId = NewType("RunId", str)
CauseId = NewType("CauseId", str)

LENGTH = 36
LEAST = 4
"""Characters of an id from which on people may leave the rest out."""

_LOWEST = "00000000-0000-0000-0000-000000000000"
_HIGHEST = "ffffffff-ffff-ffff-ffff-ffffffffffff"
_DASHES = tuple(at for at, char in enumerate(_LOWEST) if char == "-")
_DIGITS = re.compile(r"[0-9a-f-]*", re.ASCII)


def span(prefix: str) -> tuple[str, str] | None:
    """Return the lowest and the highest id that begin with `prefix`, in either case, or None if no id does.

    Both are whole ids: in every collation, ids with dashes at the same places compare as their digits do.
    """
    text = prefix.lower()
    if len(text) > LENGTH or not _DIGITS.fullmatch(text):
        return None
    if any((char == "-") is not (at in _DASHES) for at, char in enumerate(text)):
        return None
    return text + _LOWEST[len(text) :], text + _HIGHEST[len(text) :]


def is_short(word: str) -> bool:
    """Whether `word` can stand for an id of which the end was left out."""
    return LEAST <= len(word) < LENGTH and span(word) is not None
