"""Beginnings of ids."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.domain import ids

UUIDS = st.uuids().map(str)


@given(UUIDS, st.integers(0, 36))
def test_every_beginning_spans_its_id(one: str, length: int) -> None:
    """An id lies between the bounds of each of its beginnings, in either case; all of it is itself."""
    low, high = ids.span(one[:length].upper()) or ("", "")
    assert low <= one <= high
    assert len(low) == len(high) == 36
    if length == 36:
        assert low == high == one


@given(UUIDS, UUIDS, st.integers(0, 36))
def test_only_what_begins_so_is_in_the_span(one: str, other: str, length: int) -> None:
    """Nothing else lies between the bounds, with dashes or, as some collations have it, without."""
    low, high = ids.span(one[:length]) or ("", "")
    begins = other.startswith(one[:length])
    assert (low <= other <= high) is begins
    bare = [each.replace("-", "") for each in (low, other, high)]
    assert (bare[0] <= bare[1] <= bare[2]) is begins


@pytest.mark.parametrize("word", ["xyz1", "3f0c-", "3f0c1234a", "3f0c 12", "3F0G", "é", "0" * 37, "*", "%", "٣٣٣٣"])
def test_what_no_id_begins_with(word: str) -> None:
    """Other letters, and dashes in the wrong places, span nothing."""
    assert ids.span(word) is None
    assert not ids.is_short(word)


def test_short() -> None:
    """From four characters on, and never a whole id."""
    one = str(uuid.uuid4())
    assert [ids.is_short(one[:length]) for length in (3, 4, 35, 36)] == [False, True, True, False]
