"""Reading what people write in a notebook: tags, times, durations, ids."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from knit_server.domain import tags as domain_tags
from knit_server.domain import times
from knit_server.domain.errors import InvalidInput

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def texts(tags: Iterable[str] | str) -> list[str]:
    """Read one tag or several as `key:value` texts, trimmed. Raises `InvalidInput`."""
    asked = [tags] if isinstance(tags, str) or not isinstance(tags, Iterable) else list(tags)
    for each in asked:
        if not isinstance(each, str):
            raise InvalidInput(f"not a tag: {each!r}", advice="Write each as a text, such as type:raw")
    return [str(domain_tags.parse(tag)) for tag in asked]


def instant(when: str | datetime | None) -> int | None:
    """Read a time into milliseconds since 1970; without a zone, this machine's own. Raises `InvalidInput`."""
    if when is None:
        return None
    if isinstance(when, str):
        local = datetime.now().astimezone().tzinfo
        return times.parse_loose_instant(when, local or UTC)
    if not isinstance(when, datetime):
        raise InvalidInput(f"not a time: {when!r}", advice="Write 2026-11-22 09:00, or give a datetime.")
    return (when.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)


def span(duration: str | timedelta | float | None) -> int | None:
    """Read a duration, a text such as `90m` or a number of seconds, into milliseconds. Raises `InvalidInput`."""
    if duration is None:
        return None
    if isinstance(duration, str):
        return times.parse_duration(duration)
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if not isinstance(seconds, int | float) or not 0 <= seconds < 100 * 366 * 86400:
        raise InvalidInput(f"not a duration: {duration}", advice="Write seconds, or a text such as 90m.")
    return round(seconds * 1000)


def count(limit: int | None) -> int | None:
    """Check how many are asked for at most; None means all. Raises `InvalidInput`."""
    if limit is None or (isinstance(limit, int) and not isinstance(limit, bool) and limit >= 0):
        return limit
    raise InvalidInput(f"not a number to list at most: {limit!r}", advice="Write limit=20, or leave it out for all.")


def moment(text: str) -> datetime:
    """Read a timestamp of the API, in this machine's own zone. Raises `InvalidInput`."""
    return (_EPOCH + timedelta(milliseconds=times.parse_instant(text))).astimezone()


def refuse_others(words: Iterable[object], example: str) -> None:
    """Raise `InvalidInput` unless `words` are texts, and there is one at least; `example` shows how to ask."""
    asked = list(words)
    if not asked or not all(isinstance(word, str) and word.strip() for word in asked):
        told = ", ".join(map(repr, asked)) or "nothing"
        raise InvalidInput(f"asked by {told}, which is neither an id nor a tag", advice=f"Write {example}")


def warn(words: str) -> None:
    """Warn whoever called this package from outside, so that a notebook names the cell and not a file of ours."""
    level, frame = 2, sys._getframe(1).f_back
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith("knit_lab."):
        level, frame = level + 1, frame.f_back
    warnings.warn(words, stacklevel=level + 1)


def is_tag(word: str) -> bool:
    """Whether `word` is meant as a tag and not as the beginning of an id."""
    return ":" in word
