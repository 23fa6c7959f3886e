"""Instants and durations as text."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from knit_server.domain import times
from knit_server.domain.errors import InvalidInput

ZONES = [UTC, *map(ZoneInfo, ["Asia/Tokyo", "America/New_York", "Asia/Kathmandu", "Africa/Monrovia", "Pacific/Apia"])]
FIRST = times.parse_instant("0001-01-02T00:00:00Z")
LAST = times.parse_instant("9999-12-30T23:59:59.998Z")
FIELDS = ("hour", "minute", "second", "microsecond")
instants = st.integers(FIRST, LAST)


def millis(year: int, month: int, day: int, *rest: int) -> int:
    when = datetime(year, month, day).replace(**dict(zip(FIELDS, rest, strict=False)), tzinfo=UTC)
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@given(instants, st.sampled_from(ZONES))
@example(-1, UTC)
@example(FIRST, ZoneInfo("America/New_York"))
@example(LAST, ZoneInfo("Asia/Tokyo"))
def test_what_is_shown_names_the_same_instant(instant: int, zone: ZoneInfo) -> None:
    """A timestamp copied from any output, in any zone, is read back as the same instant."""
    assert times.parse_instant(times.format_instant(instant, zone)) == instant


@pytest.mark.parametrize(
    ("instant", "text"),
    [(0, "1970-01-01T00:00:00+00:00"), (586, "1970-01-01T00:00:00.586+00:00"), (500, "1970-01-01T00:00:00.5+00:00"),
     (10, "1970-01-01T00:00:00.01+00:00"), (1, "1970-01-01T00:00:00.001+00:00"), (-1, "1969-12-31T23:59:59.999+00:00")],
)  # fmt: skip
def test_fraction_has_no_trailing_zeros(instant: int, text: str) -> None:
    """Up to three digits are shown, none if they are zero, and never `Z`."""
    assert times.format_instant(instant) == text


def test_zones_with_seconds_show_whole_minutes() -> None:
    """Liberia was 44 minutes and 30 seconds behind until 1972: RFC 3339 cannot say that, the instant still holds."""
    text = times.format_instant(millis(1970, 6, 1), ZoneInfo("Africa/Monrovia"))
    assert text == "1970-05-31T23:15:00-00:45"


@pytest.mark.parametrize(
    ("text", "instant"),
    [("2024-03-06T09:25:16.586+00:00", millis(2024, 3, 6, 9, 25, 16, 586000)),
     ("2024-03-06T09:25:16.5869999999+00:00", millis(2024, 3, 6, 9, 25, 16, 586000)),
     ("2024-03-06t09:25:16z", millis(2024, 3, 6, 9, 25, 16)),
     ("2024-03-06T09:25:16-00:00", millis(2024, 3, 6, 9, 25, 16)),
     ("2024-03-06T18:25:16.5+09:00", millis(2024, 3, 6, 9, 25, 16, 500000)),
     ("2016-12-31T23:59:60Z", millis(2017, 1, 1)),
     ("2024-02-29T00:00:00Z", millis(2024, 2, 29))],
)  # fmt: skip
def test_strict_instants(text: str, instant: int) -> None:
    """RFC 3339 date-times are read; digits past the millisecond are cut, not rounded."""
    assert times.parse_instant(text) == instant


HOSTILE = [
    "", " ", "Z", "2024", "2024-03-06", "2024-03-06T09:25Z", "2024-03-06T09:25:16", "2024-03-06 09:25:16Z",
    "2024-03-06T09:25:16.Z", "2024-03-06T09:25:16,5Z", "2024-13-06T09:25:16Z", "2023-02-29T00:00:00Z",
    "2024-03-06T24:00:00Z", "2024-03-06T09:60:16Z", "2024-03-06T09:25:61Z", "2024-03-06T09:25:16+24:00",
    "2024-03-06T09:25:16+09:60", "2024-03-06T09:25:16+0900", "2024-03-06T09:25:16Z\n", " 2024-03-06T09:25:16Z",
    "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+10:00", "9999-12-31T23:59:60Z", "9999-12-31T23:59:59-23:59",
    "٢٠٢٤-03-06T09:25:16Z", "２０２４-03-06T09:25:16Z", "\x00", "2024-03-06T09:25:16Z\x00", "\ud800", "9" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:30]))
def test_hostile_instants_are_refused(text: str) -> None:
    """Whatever else is sent is refused with an error for people, which quotes only a little of it."""
    with pytest.raises(InvalidInput) as caught:
        times.parse_instant(text)
    assert len(str(caught.value)) < 500


@given(st.text() | st.from_regex(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"))
def test_no_text_breaks_the_readers(text: str) -> None:
    """Any text is read or refused; nothing else happens, and what was read can be shown in every zone."""
    for read in (times.parse_instant, lambda text: times.parse_loose_instant(text, UTC), times.parse_duration):
        try:
            value = read(text)
        except InvalidInput:
            continue
        if read is not times.parse_duration:
            for zone in ZONES:
                times.format_instant(value, zone)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2026-01-31", millis(2026, 1, 30, 15)), ("2026-01-31T09", millis(2026, 1, 31)),
     ("2026-01-31 09:30", millis(2026, 1, 31, 0, 30)),
     (" 2026-01-31T09:30:15.25 ", millis(2026, 1, 31, 0, 30, 15, 250000)),
     ("2026-01-31Z", millis(2026, 1, 31)), ("2026-01-31T09:30-05:00", millis(2026, 1, 31, 14, 30))],
)  # fmt: skip
def test_loose_instants(text: str, expected: int) -> None:
    """People may leave out time and zone; without a zone the local one (here Tokyo's) is meant."""
    assert times.parse_loose_instant(text, ZoneInfo("Asia/Tokyo")) == expected


@pytest.mark.parametrize(
    ("text", "utc"),
    [("2026-03-08T01:59", "2026-03-08T06:59:00+00:00"), ("2026-03-08T03:00", "2026-03-08T07:00:00+00:00"),
     ("2026-11-01T01:30", "2026-11-01T05:30:00+00:00"), ("2026-11-01T02:00", "2026-11-01T07:00:00+00:00"),
     ("2026-03-08T02:30", "2026-03-08T07:30:00+00:00")],
)  # fmt: skip
def test_daylight_saving(text: str, utc: str) -> None:
    """Around New York's changes: an hour that comes twice means its first, one that is skipped lies after the gap."""
    assert times.format_instant(times.parse_loose_instant(text, ZoneInfo("America/New_York"))) == utc


def test_order_of_text_is_order_of_time() -> None:
    """Instants with all three digits and one zone sort as text as they do in time."""
    texts = [times.format_instant(instant, timezone(timedelta(hours=9))) for instant in range(111, 999, 111)]
    assert all(first < second for first, second in itertools.pairwise(texts))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("300ms", 300), ("1.5h", 5_400_000), ("2h45m", 9_900_000), ("1h15m30.918s", 4_530_918), ("-1.5s", -1500),
     ("+5m", 300_000), (".5s", 500), ("1.s", 1000), ("1µs", 0), ("1500us", 2), ("2500μs", 2), ("1000000ns", 1),
     ("0.1s0.2s", 300), ("24h", 86_400_000), (" 1s ", 1000)],
)  # fmt: skip
def test_durations(text: str, expected: int) -> None:
    """Durations are numbers with units, added up exactly and rounded to milliseconds at the end."""
    assert times.parse_duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "1", "s", ".s", "1 h", "1d", "1h 2m", "--1s", "1e3s", "∞", "١s", "9" * 400 + "h", "878401h"]
)
def test_hostile_durations_are_refused(text: str) -> None:
    """Other units, blanks inside, numbers without a unit, and what is longer than a century are refused."""
    with pytest.raises(InvalidInput):
        times.parse_duration(text)


@given(st.integers(0, 10**9), st.sampled_from([("ms", 1), ("s", 1000), ("m", 60_000)]))
def test_whole_durations_are_exact(number: int, unit: tuple[str, int]) -> None:
    """A whole number of a unit loses nothing, unless it is refused as too long."""
    try:
        assert times.parse_duration(f"{number}{unit[0]}") == number * unit[1]
    except InvalidInput:
        assert number * unit[1] > 36_600 * 86_400_000
