"""What is kept in memory for the next reader: the last values, as many as there is room for."""

from __future__ import annotations

import pytest

from knit_server.content.recent import Recent


class Maker:
    """Makes values, and counts them."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, recent: Recent[str, bytes], key: str, size: int = 1) -> bytes:
        def make() -> bytes:
            self.made.append(key)
            return key.encode() * size

        return recent.get(key, make, len)


def test_made_once() -> None:
    """A value is made when it is asked for first, and given from memory then."""
    recent, make = Recent[str, bytes](3), Maker()
    assert [make(recent, key) for key in "aabab"] == [b"a", b"a", b"b", b"a", b"b"]
    assert make.made == ["a", "b"]


def test_the_longest_unused_goes_first() -> None:
    """When there is no room any more; asking counts as use."""
    recent, make = Recent[str, bytes](2), Maker()
    for key in "abacab":
        make(recent, key)
    assert make.made == ["a", "b", "c", "b"]


def test_what_is_too_large_is_not_kept() -> None:
    """It is given, and nothing goes for it."""
    recent, make = Recent[str, bytes](2), Maker()
    assert make(recent, "a") == b"a"
    assert make(recent, "b", 3) == make(recent, "b", 3) == b"bbb"
    make(recent, "a")
    assert make.made == ["a", "b", "b"]


def test_errors_are_not_kept() -> None:
    """What could not be made is tried again."""
    recent: Recent[str, bytes] = Recent(2)

    def broken() -> bytes:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        recent.get("a", broken, len)
    assert recent.get("a", lambda: b"now", len) == b"now"
