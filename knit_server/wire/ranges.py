"""Byte ranges of a file, as headers say them: `Range`, `Content-Range` (RFC 9110, section 14), at both ends.

Positions are in bytes; a `Part` is [start, stop), as in Python, where the headers name the last byte.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_WANTED = re.compile(r"[Bb][Yy][Tt][Ee][Ss]=[ \t]*([0-9]*)[ \t]*-[ \t]*([0-9]*)[ \t]*", re.ASCII)
_CAME = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.ASCII)
_DIGITS = 18  # longer numbers are beyond any file


class Part(NamedTuple):
    """The bytes of a file from `start` up to `stop`."""

    start: int
    stop: int


def wanted(header: str | None, size: int) -> Part | None:
    """Read `Range` for a file of `size` bytes; an empty part cannot be satisfied (416), None is the whole file.

    Several ranges at once, other units and what is no range are no reason to refuse: the whole file is sent then.
    """
    found = _WANTED.fullmatch(header or "")
    if found is None or not (found[1] or found[2]):
        return None
    first, last = (_number(text) for text in found.groups())
    if first is None:
        return Part(max(0, size - (last or 0)), size)
    if last is not None and last < first:
        return None
    if first >= size:
        return Part(size, size)
    return Part(first, size if last is None else min(last + 1, size))


def ask(start: int, stop: int | None) -> str:
    """Write `Range` for the bytes from `start` up to `stop`, by default to the end."""
    return f"bytes={start}-{'' if stop is None else stop - 1}"


def told(part: Part, size: int) -> str:
    """Write `Content-Range` for a part of a file of `size` bytes, also for one that is empty."""
    return f"bytes {part.start}-{part.stop - 1}/{size}" if part.start < part.stop else f"bytes */{size}"


def came(header: str | None) -> Part | None:
    """Read `Content-Range`; None if it names no part."""
    found = _CAME.fullmatch((header or "").strip())
    return None if found is None else Part(int(found[1]), int(found[2]) + 1)


def _number(text: str) -> int | None:
    return int(text[: _DIGITS + 1]) if text else None
