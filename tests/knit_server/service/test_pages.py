"""Pages of Data, Plans and Runs, as people are shown them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from desk import Desk, counted

from knit_server.domain.paging import Page
from knit_server.service import data, plans, runs
from knit_server.service.data import DataQuery
from knit_server.service.plans import PlanQuery
from knit_server.service.runs import RunQuery
from knit_server.testing import ManualClock, some_tags

LISTS = [
    (data.find, data.page, DataQuery()),
    (data.find, data.page, DataQuery(tags=some_tags("a:1"))),
    (plans.find, plans.page, PlanQuery()),
    (plans.find, plans.page, PlanQuery(in_tags=some_tags("a:1"))),
    (runs.find, runs.page, RunQuery()),
]


@pytest.mark.parametrize(("find", "page", "query"), LISTS, ids=[repr(query)[:40] for _, _, query in LISTS])
def test_pages_are_the_list(
    desk: Desk, clock: ManualClock, find: Callable[..., list[Any]], page: Callable[..., Page[Any]], query: object
) -> None:
    """Page after page, the list comes as it is, whatever their size, while nothing changes."""
    for number in range(3):
        desk.apply({"/in": "a:1" if number else "b:1"}, {"/out": f"c:{number}"})
        clock.advance(7)
    for number in range(4):
        desk.push("a:1" if number % 2 else "b:1")
        clock.advance(number % 2)
    desk.start()
    whole = find(desk.ctx, query)
    assert len(whole) > 1
    for size in range(1, len(whole) + 2):
        found, after = [], None
        while True:
            got = page(desk.ctx, query, after, size)
            found += got.rows
            after = got.next
            if after is None:
                break
            assert len(got.rows) == size
        assert found == whole


def test_costs(desk: Desk) -> None:
    """A page takes as many statements wherever it lies."""
    for number in range(12):
        desk.push("a:1", f"n:{number}")
    costs, after = [], None
    while not costs or after is not None:
        with counted() as statements:
            got = data.page(desk.ctx, DataQuery(), after, 3)  # type: ignore[arg-type]
        costs.append(len(statements))
        after = got.next
    assert len(costs) == 4
    assert max(costs[:-1]) == min(costs[:-1])
