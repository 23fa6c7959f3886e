"""/resolve over HTTP."""

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
