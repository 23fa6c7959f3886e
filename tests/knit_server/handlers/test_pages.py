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


@pytest.mark.parametrize("path", ["/data", "/runs"])
def test_newest_first(filled: Any, path: str) -> None:
    """The same rows from the end of the list, in pages or not; another order is refused with advice."""
    with filled.client() as client:
        whole = client.get(path).json()[::-1]
        assert client.get(path, params={"order": "newest"}).json() == whole
        assert [row for page in pages(client, path, order="newest", limit=2) for row in page] == whole
        refused = client.get(path, params={"order": "best"})
        assert refused.status_code == 400
        assert "not an order of a list: 'best'" in refused.text


def test_usable_data_only(filled: Any) -> None:
    """`transient=false` leaves out Data whose Runs have not ended well, `transient=true` the others."""
    with filled.client() as client:
        usable = client.get("/data", params={"transient": "false"}).json()
        others = client.get("/data", params={"transient": "true"}).json()
        assert len(usable) == 5
        assert len(usable) + len(others) == len(client.get("/data").json())
        assert not [tag for row in usable for tag in row["tags"] if tag.startswith("knit#transient")]
        assert client.get("/data", params={"transient": "false", "order": "newest", "limit": 1}).json() == usable[-1:]
