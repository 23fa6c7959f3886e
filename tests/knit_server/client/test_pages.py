"""Lists that are taken row by row: pages are fetched when they are needed, and only then."""

from __future__ import annotations

from itertools import islice

import pytest
from double import Answer, Asked, Double

from knit_server.client import transport
from knit_server.client.api import KnitClient

ROWS = [{"number": number} for number in range(10)]


@pytest.fixture
def paged(server: Double) -> Double:
    """A server with ten Data, three on a page at most."""

    def answer(asked: Asked) -> Answer:
        query = dict(asked.query)
        start, limit = int(query.get("cursor", 0)), min(int(query["limit"]), 3)
        more = start + limit < len(ROWS)
        headers = {"Link": f'</knit/api/data?limit=3&cursor={start + limit}>; rel="next"'} if more else {}
        return Answer(ROWS[start : start + limit], headers=headers)

    server.on("GET /data", answer)
    return server


@pytest.mark.parametrize("limit", [0, 1, 3, 4, 9, 10, 11])
def test_at_most(knit: KnitClient, paged: Double, limit: int) -> None:
    """So many rows come, in as many pages as that takes; no page asks for more than is still wanted."""
    assert knit.find_data(["a:b"], limit=limit) == ROWS[:limit]
    wanted = [int(dict(asked.query)["limit"]) for asked in paged.asked]
    assert wanted == list(range(limit, 0, -3))[: len(wanted)]
    assert len(wanted) == -(-min(limit, 10) // 3)
    assert all(("tag", "a:b") in asked.query for asked in paged.asked)


def test_all(knit: KnitClient, paged: Double) -> None:
    """Without limit all rows come, page after page."""
    assert list(knit.each_data()) == ROWS
    assert [dict(asked.query)["limit"] for asked in paged.asked] == [str(transport.PAGE)] * 4


def test_as_needed(knit: KnitClient, paged: Double) -> None:
    """Who stops early makes the server tell no more than that."""
    assert list(islice(knit.each_data(), 4)) == ROWS[:4]
    assert len(paged.asked) == 2


def test_a_server_without_pages(knit: KnitClient, server: Double) -> None:
    """A server that knows no limit tells everything; no more is given than was asked for."""
    server.on("GET /runs", ROWS)
    server.on("GET /plans", ROWS)
    assert knit.find_runs(limit=4, statuses=["done"]) == ROWS[:4]
    assert knit.find_plans(limit=4) == ROWS[:4]
    assert list(knit.each_run()) == list(knit.each_plan()) == ROWS
