"""Tags in use, on both databases."""

from __future__ import annotations

import pytest
from desk import Desk

from knit_server.service import tags


def found(desk: Desk, prefix: str = "", **more: int) -> list[tuple[str, int]]:
    return [(str(tag), count) for tag, count in tags.in_use(desk.ctx, prefix, **more)]


@pytest.fixture
def filled(desk: Desk) -> Desk:
    desk.push("type:raw", "name:a")
    desk.push("type:raw", "name:b")
    desk.push("type:Ripe", "types:many", "50%:x_y", "url:http://x")
    return desk


def test_by_how_they_begin(filled: Desk) -> None:
    """Key and value count, in their case; counted; by text."""
    assert found(filled, "type") == [("type:Ripe", 1), ("type:raw", 2), ("types:many", 1)]
    assert found(filled, "type:") == [("type:Ripe", 1), ("type:raw", 2)]
    assert found(filled, "type:r") == [("type:raw", 2)]
    assert found(filled, "url:http:") == [("url:http://x", 1)]
    assert found(filled, "TYPE") == []
    assert len(found(filled)) == 7


def test_limit(filled: Desk) -> None:
    """No more than asked for, the first by text."""
    assert found(filled, limit=2) == [("50%:x_y", 1), ("name:a", 1)]
    assert found(filled, limit=-1) == []


@pytest.mark.parametrize(
    ("prefix", "expected"), [("50%", 1), ("5%", 0), ("n_me", 0), ("\0", 0), ("type:\0", 0), ("'", 0)]
)
def test_signs_mean_nothing(filled: Desk, prefix: str, expected: int) -> None:
    """Wildcards of SQL are letters like others."""
    assert len(found(filled, prefix)) == expected


def test_only_tags_in_use(filled: Desk) -> None:
    """A tag that was taken from the last Data is gone."""
    pushed = filled.push("gone:1")
    filled.tag(pushed, remove=["gone:1"])
    assert found(filled, "gone") == []
