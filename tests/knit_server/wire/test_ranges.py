"""Byte ranges in headers, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.wire import ranges
from knit_server.wire.ranges import Part


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", Part(0, 1)), ("bytes=2-4", Part(2, 5)), ("bytes=2-", Part(2, 10)), ("bytes=-3", Part(7, 10)),
        ("bytes=-99", Part(0, 10)), ("bytes=8-99", Part(8, 10)), ("BYTES= 1 - 2 ", Part(1, 3)),
        ("bytes=9-9", Part(9, 10)), ("bytes=2-" + "9" * 5000, Part(2, 10)),
    ],
)  # fmt: skip
def test_parts(header: str, part: Part) -> None:
    """From, to, both, and the last bytes; what reaches beyond the end is cut there."""
    assert ranges.wanted(header, 10) == part


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=" + "9" * 5000 + "-"])
def test_nothing_there(header: str) -> None:
    """What begins behind the end is an empty part."""
    part = ranges.wanted(header, 10)
    assert part is not None
    assert part.start == part.stop
    assert ranges.told(part, 10) == "bytes */10"


def test_an_empty_file() -> None:
    """It has no part at all."""
    for header in ("bytes=0-", "bytes=0-0", "bytes=-5"):
        assert ranges.wanted(header, 0) == Part(0, 0)


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes", "bytes=", "bytes=-", "bytes=4-2", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b", "bytes=1-2x",
     "bytes=\u0661-", "bytes=--1", "bytes=+1-2"],
)  # fmt: skip
def test_the_whole_file(header: str | None) -> None:
    """Nothing asked, another unit, several ranges, and what is no range."""
    assert ranges.wanted(header, 10) is None


@given(st.integers(0, 99), st.integers(1, 99) | st.none(), st.integers(1, 99))
def test_both_ends_agree(start: int, length: int | None, size: int) -> None:
    """What is asked for is what Python's slices are, and what is told is read back."""
    stop = None if length is None else start + length
    part = ranges.wanted(ranges.ask(start, stop), size)
    assert part is not None
    assert range(size)[part.start : part.stop] == range(size)[start:stop]
    assert ranges.came(ranges.told(part, size)) == (part if part.start < part.stop else None)


@pytest.mark.parametrize("header", [None, "", "bytes */10", "bytes 1-2", "lines 1-2/3", "bytes a-b/c"])
def test_no_part_came(header: str | None) -> None:
    """A header that names none."""
    assert ranges.came(header) is None
