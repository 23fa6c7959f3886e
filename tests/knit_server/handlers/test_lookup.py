"""/resolve and /tags over HTTP."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

TarGz = Callable[..., bytes]


def test_resolve(client: httpx.Client, tar_gz: TarGz) -> None:
    """A beginning, kinds with commas, and a limit."""
    data = client.post("/data", params=[("tag", "look:up")], content=tar_gz(f="x")).json()["knitId"]
    found = client.get("/resolve", params={"prefix": data[:12], "kind": "data,run"}).json()
    assert found == [{"kind": "data", "id": data, "about": "look:up"}]
    assert client.get("/resolve/", params={"limit": "0"}).json() == []


@pytest.mark.parametrize("query", [{"kind": "image"}, {"limit": "many"}, {"limit": "-1"}])
def test_refused(client: httpx.Client, query: dict[str, str]) -> None:
    """Kinds that have no ids and what is no number are told."""
    answer = client.get("/resolve", params=query)
    assert answer.status_code == 400
    assert next(iter(query.values())) in answer.json()["reason"]


def test_tags(client: httpx.Client, tar_gz: TarGz) -> None:
    """Tags of Data by how they begin, with how many carry each."""
    for tags in (["use:1", "use:2"], ["use:1"]):
        client.post("/data", params=[("tag", each) for each in tags], content=tar_gz(f="x"))
    assert client.get("/tags", params={"prefix": "use"}).json() == [
        {"tag": "use:1", "count": 2}, {"tag": "use:2", "count": 1},
    ]  # fmt: skip
    assert client.get("/tags", params={"prefix": "use:", "limit": 1}).json() == [{"tag": "use:1", "count": 2}]
