"""Parts of files, from servers that know ranges, that do not, and that get them wrong."""

from __future__ import annotations

import pytest
from double import Answer, Asked

from knit_server.domain.errors import Damaged, InvalidInput, NotFound

CONTENT = bytes(range(100))
ROUTE = "GET /data/x/files"


def serve(server, asked_for: str, begin: int, end: int) -> None:
    """Answer the one range that is asked for."""

    def answer(asked: Asked) -> Answer:
        assert asked.headers["Range"] == asked_for
        headers = {"Content-Range": f"bytes {begin}-{end - 1}/100"}
        return Answer(CONTENT[begin:end], status=206, headers=headers)

    server.on(ROUTE, answer)


def test_a_part(knit, server) -> None:
    """Asked for by its first and last byte; what is beyond the end does not come."""
    serve(server, "bytes=10-19", 10, 20)
    assert knit.read_range("x", "a b", 10, 20) == CONTENT[10:20]
    assert server.last.query == [("path", "a b")]
    serve(server, "bytes=90-199", 90, 100)
    assert knit.read_range("x", "f", 90, 200) == CONTENT[90:]
    serve(server, "bytes=5-", 5, 100)
    assert knit.read_range("x", "f", 5) == CONTENT[5:]


def test_the_whole(knit, server) -> None:
    """Without limits no range is asked for."""
    server.on(ROUTE, CONTENT)
    assert knit.read_range("x", "f") == CONTENT
    assert "Range" not in server.last.headers


def test_nothing(knit, server) -> None:
    """An empty part is not asked for; behind the end there is none."""
    assert knit.read_range("x", "f", 7, 7) == b""
    assert server.asked == []
    server.on(ROUTE, {"reason": "there are no such bytes in the file"}, status=416)
    assert knit.read_range("x", "f", 200) == b""


@pytest.mark.parametrize(("start", "stop"), [(0, 10), (10, 20), (95, 120), (30, None), (100, 110)])
def test_a_server_without_ranges(knit, server, start, stop) -> None:
    """The part is cut out of the whole that comes."""
    server.on(ROUTE, CONTENT)
    assert knit.read_range("x", "f", start, stop) == CONTENT[start:stop]


@pytest.mark.parametrize(("begin", "end"), [(0, 10), (11, 20), (10, 30)])
def test_another_part(knit, server, said, begin, end) -> None:
    """Another part than was asked for is never handed out."""
    serve(server, "bytes=10-19", begin, end)
    told = said(lambda: knit.read_range("x", "f", 10, 20), Damaged)
    assert told == "another part of 'f' came than was asked for"


def test_refused(knit, server, said) -> None:
    """What is no range, before anything is sent; what the server refuses, as what it is."""
    assert said(lambda: knit.read_range("x", "f", -1)) == "no range of bytes: -1 to the end"
    assert said(lambda: knit.read_range("x", "f", 5, 3), InvalidInput) == "no range of bytes: 5 to 3"
    server.on(ROUTE, {"reason": "r", "advice": "a"}, status=404)
    assert said(lambda: knit.read_range("x", "f", 0, 3), NotFound) == "r"
