"""Lists in pages over HTTP: the body stays a list, a header leads on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

TarGz = Callable[..., bytes]


def pages(client: httpx.Client, path: str, **query: Any) -> list[list[Any]]:
    """Follow the links from page to page."""
    found = []
    answer = client.get(path, params=query)
    while True:
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        if "next" not in answer.links:
            return found
        answer = client.get(str(answer.url.join(answer.links["next"]["url"])))


@pytest.fixture
def filled(own_knit: Any, tar_gz: TarGz) -> Any:
    """A Knit with five Data, two Plans of users and ten Runs more."""
    with own_knit.client() as client:
        for number in (1, 2):
            plan = {"image": f"x:{number}", "inputs": [{"path": "/in", "tags": ["a:1"]}], "log": {"tags": []}}
            assert client.post("/plans", json={**plan, "active": False}).status_code == 200
        for number in range(5):
            client.post("/data", params=[("tag", "a:1"), ("tag", f"n:{number}")], content=tar_gz(f="x"))
    return own_knit


@pytest.mark.parametrize(("path", "rows"), [("/data", 15), ("/plans", 3), ("/runs", 15)])
def test_pages_are_the_list(filled: Any, path: str, rows: int) -> None:
    """Pages of any size put together are what comes without limit; only the last may be shorter."""
    with filled.client() as client:
        whole = client.get(path).json()
        assert len(whole) == rows
        for size in (1, 2, rows - 1, rows, 5000):
            found = pages(client, path, limit=size)
            assert [row for page in found for row in page] == whole
            assert {len(page) for page in found[:-1]} <= {size}
            assert found[-1]


def test_the_query_goes_along(filled: Any) -> None:
    """The link to the next page asks for the same, slash and all; a cursor alone leads to the rest."""
    with filled.client() as client:
        whole = client.get("/data/", params={"tag": "a:1", "since": "2020-01-01T00:00:00+00:00"}).json()
        found = pages(client, "/data/", tag="a:1", since="2020-01-01T00:00:00+00:00", limit=2)
        assert [row for page in found for row in page] == whole
        assert [len(page) for page in found] == [2, 2, 1]
        following = client.get("/data", params={"tag": "a:1", "limit": 2}).links["next"]["url"]
        cursor = httpx.URL(following).params["cursor"]
        assert client.get("/data", params={"tag": "a:1", "cursor": cursor}).json() == whole[2:]
        assert client.get("/runs", params={"cursor": cursor}).status_code == 400
        assert "Link" not in client.get("/data").headers


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "x"}, {"limit": ""}, {"cursor": "x"}, {"cursor": ""}])
@pytest.mark.parametrize("path", ["/data", "/plans", "/runs"])
def test_refusals(client: httpx.Client, path: str, query: dict[str, str]) -> None:
    """What is no limit and no cursor is refused by its name."""
    answer = client.get(path, params=query)
    assert answer.status_code == 400
    assert next(iter(query)) in answer.json()["reason"]


def test_description(client: httpx.Client) -> None:
    """The API describes itself, at the place where it is, and says its version."""
    told = client.get("/openapi.json").json()
    assert told["servers"] == [{"url": "/knit/api"}]
    assert told["info"]["version"] == client.get("/health").json()["apiVersion"]
