"""Cursors: written and read back, and refused where they do not belong."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.domain.errors import InvalidInput
from knit_server.domain.paging import DataPosition, PlanPosition, Position, RunPosition
from knit_server.wire import cursors

NUMBER = st.integers(-(1 << 62), (1 << 62) - 1)
POSITIONS = st.one_of(
    st.builds(DataPosition, NUMBER, NUMBER, NUMBER), st.builds(RunPosition, NUMBER, NUMBER),
    st.builds(PlanPosition, st.text()),
)  # fmt: skip


@given(POSITIONS)
def test_round_trip(position: Position) -> None:
    """A cursor needs no escaping in a URL, and says what it was made from, by way of a Link, too."""
    text = cursors.encode(position)
    assert text.replace("-", "").replace("_", "").isalnum()
    assert cursors.decode(type(position), text) == position  # type: ignore[type-var]
    link = cursors.link("/knit/api/data", {"tag": [b"a:b c", b"x:\xe9"], "cursor": [b"old"], "limit": [b"3"]}, text)
    assert link == f'</knit/api/data?tag=a%3Ab+c&tag=x%3A%E9&limit=3&cursor={text}>; rel="next"'
    assert cursors.following(link) == text


@given(POSITIONS, st.sampled_from([DataPosition, PlanPosition, RunPosition]))
def test_of_another_list(position: Position, kind: type[Position]) -> None:
    """A cursor of one list is none of another."""
    if type(position) is not kind:
        with pytest.raises(InvalidInput, match="not a cursor of this list"):
            cursors.decode(kind, cursors.encode(position))  # type: ignore[type-var]


@given(st.text())
def test_made_up(text: str) -> None:
    """Nothing but a cursor is read as one."""
    with pytest.raises(InvalidInput):
        cursors.decode(RunPosition, text)


@pytest.mark.parametrize(
    "json",
    ['["r",1]', '["r",1,2,3]', '["r",1,"2"]', '["r",1.5,2]', '["r",true,2]', '["r",99999999999999999999,2]', '["r"]',
     '{"r":1}', '"r"', "[]", "null", '["p",5]', '[["r"],1,2]', "[" * 5000, '["r",NaN,1]'],
)  # fmt: skip
def test_forged(json: str) -> None:
    """What looks like a cursor and is none is refused, before a database sees it."""
    with pytest.raises(InvalidInput):
        cursors.decode(RunPosition, base64.urlsafe_b64encode(json.encode()).decode().rstrip("="))


def test_page() -> None:
    """Neither means all of the list; either means a page, never longer than the longest."""
    cursor = cursors.encode(RunPosition(updated_at=5, seq=6))
    assert cursors.page(RunPosition, None, None) is None
    assert cursors.page(RunPosition, "7", None) == (None, 7)
    assert cursors.page(RunPosition, "9" * 5000, cursor) == ((5, 6), cursors.MAX_PAGE)
    assert cursors.page(RunPosition, None, cursor) == ((5, 6), cursors.MAX_PAGE)


@pytest.mark.parametrize("limit", ["0", "-1", "", "1.5", "many", "٣", "0" * 30 + "1"])
def test_no_limit(limit: str) -> None:
    """A limit is a number from 1."""
    with pytest.raises(InvalidInput, match="limit is not a number of rows"):
        cursors.page(RunPosition, limit, None)


@pytest.mark.parametrize("header", ["", '<x?cursor=a>; rel="prev"', '<x?limit=1>; rel="next"', "nonsense"])
def test_no_next_page(header: str) -> None:
    """Without a link to the next page, there is none."""
    assert cursors.following(header) is None


def test_several_links() -> None:
    """The next page is found among other links."""
    assert cursors.following('<x?cursor=a>; rel="prev", <y?b=1&cursor=c>; title="t"; rel=next') == "c"
