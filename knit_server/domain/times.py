"""Instants and durations as text. An instant is an `int`: milliseconds since 1970-01-01T00:00:00Z.

Knit keeps and shows milliseconds, so a timestamp copied from its output names exactly the Data it was copied from
(docs/rules.md, "Timestamps").
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal

from knit_server.domain.errors import InvalidInput

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MINUTE = timedelta(minutes=1)
_DAY = 24 * 3600 * 1000
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND + _DAY
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND - _DAY
"""Years 1 to 9999 without their first and last day: what can be written in every zone."""
_LONGEST = 366 * 100 * _DAY
"""The longest duration: a century."""

_OFFSET = r"(?P<offset>[Zz]|[+-]\d{2}:\d{2})"
_RFC3339 = re.compile(rf"(\d{{4}})-(\d{{2}})-(\d{{2}})[Tt](\d{{2}}):(\d{{2}}):(\d{{2}})(?:\.(\d+))?{_OFFSET}", re.ASCII)
_LOOSE = re.compile(
    rf"(\d{{4}})-(\d{{2}})-(\d{{2}})(?:[Tt ](\d{{2}})(?::(\d{{2}})(?::(\d{{2}})(?:\.(\d+))?)?)?)?{_OFFSET}?",
    re.ASCII,
)

_MICRO = Decimal("0.001")
_UNITS: dict[str, Decimal] = {"ns": Decimal("0.000001"), "us": _MICRO, "µs": _MICRO, "μs": _MICRO, "ms": Decimal(1)}
_UNITS |= {"s": Decimal(1000), "m": Decimal(60_000), "h": Decimal(3_600_000)}
_DURATION = re.compile(r"[+-]?(?:0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)


def format_instant(instant: int, zone: tzinfo = UTC) -> str:
    """Write `instant` (milliseconds) as RFC 3339 with a numeric offset.

    The fraction has up to three digits, without trailing zeros, and is left out when it is zero. Offsets are whole
    minutes, all that RFC 3339 can say; zones that had others long ago are shown at the minute below.
    """
    when = _at(instant).astimezone(zone)
    offset = when.utcoffset() or timedelta(0)
    text = when.astimezone(timezone(offset // _MINUTE * _MINUTE)).replace(microsecond=0).isoformat()
    fraction = f"{instant % 1000:03d}".rstrip("0")
    return f"{text[:19]}{'.' + fraction if fraction else ''}{text[19:25]}"


def parse_instant(text: str) -> int:
    """Read a strict RFC 3339 date-time; digits past the millisecond are cut. Raises `InvalidInput`."""
    return _read(text, _RFC3339, None, "Write it like 2026-01-31T09:30:00.123+00:00.")


def parse_loose_instant(text: str, local: tzinfo) -> int:
    """Read a date with optional time and zone, as people type it; without a zone it is in `local`.

    Raises `InvalidInput`.
    """
    advice = "Write a date, optionally with a time and a zone, like 2026-01-31 or 2026-01-31T09:30+09:00."
    return _read(text.strip(), _LOOSE, local, advice)


def parse_duration(text: str) -> int:
    """Read a duration such as `300ms`, `1.5h` or `2h45m` into milliseconds: a century at most.

    Raises `InvalidInput`.
    """
    stripped = text.strip()
    if not _DURATION.fullmatch(stripped):
        raise InvalidInput(
            f"not a duration: {text[:60]!r}", advice="Write a number and a unit, like 300ms, 1.5h or 2h45m."
        )
    total = sum((Decimal(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(stripped)), Decimal(0))
    if total > _LONGEST:
        raise InvalidInput(f"the duration {text[:60]!r} is too long", advice="A century at most.")
    return round(-total if stripped.startswith("-") else total)


def format_duration(duration: int) -> str:
    """Write a duration from zero (milliseconds) as `parse_duration` reads it: `2h45m`, `90s` as `1m30s`, `0s`."""
    parts = []
    for unit, length in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, duration = divmod(duration, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _at(instant: int) -> datetime:
    return _EPOCH + instant * _MILLISECOND


def _read(text: str, pattern: re.Pattern[str], local: tzinfo | None, advice: str) -> int:
    match = pattern.fullmatch(text)
    if match is None:
        raise InvalidInput(f"not a date and time: {text[:60]!r}", advice=advice)
    *parts, fraction, offset = match.groups()
    year, month, day, hour, minute, second = (int(part) if part else 0 for part in parts)
    try:
        when = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=_zone(offset, local))
        instant = (when - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError) as err:
        raise InvalidInput(f"not a date and time: {text[:60]!r} ({err})", advice=advice) from err
    if second > 60:  # 60 is RFC 3339's leap second
        raise InvalidInput(f"not a date and time: {text[:60]!r} (second {second})", advice=advice)
    leap = 1000 if second == 60 else 0
    instant += leap + int((fraction or "0").ljust(3, "0")[:3])
    if not _FIRST <= instant <= _LAST:
        raise InvalidInput(f"out of range: {text[:60]!r}", advice="Years go from 1 to 9999, without the very ends.")
    return instant


def _zone(offset: str | None, local: tzinfo | None) -> tzinfo:
    if offset is None:
        return local or UTC
    if offset in "Zz":
        return UTC
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    if hours > 23 or minutes > 59:  # RFC 3339, time-numoffset
        raise ValueError(f"offset {offset}")
    return timezone((1 if offset[0] == "+" else -1) * timedelta(hours=hours, minutes=minutes))
