"""/data/{knitId}/files over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

TarGz = Callable[..., bytes]
MISSING = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def pushed(client: httpx.Client, tar_gz: TarGz) -> str:
    big = bytes(range(256)) * 20_000
    answer: dict[str, Any] = client.post("/data", content=tar_gz(a="hello", d__big=big)).json()
    return str(answer["knitId"])


def test_list(client: httpx.Client, pushed: str) -> None:
    """Names with kind, size, mode and time."""
    found = client.get(f"/data/{pushed}/files").json()
    assert [(each["path"], each["kind"], each["size"], each["mode"]) for each in found] == [
        ("a", "file", 5, "0644"), ("d", "dir", 0, "0755"), ("d/big", "file", 5_120_000, "0644"),
    ]  # fmt: skip
    assert found[0]["mtime"].endswith("+00:00")


def test_one(client: httpx.Client, pushed: str) -> None:
    """With a path the bytes come, their number announced."""
    answer = client.get(f"/data/{pushed}/files", params={"path": "d/big"})
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-length"] == "5120000"
    assert answer.content == bytes(range(256)) * 20_000
    assert client.get(f"/data/{pushed}/files/", params={"path": "a"}).content == b"hello"


@pytest.mark.parametrize(("path", "status"), [("d", 400), ("nope", 404), ("", 404), (" a", 404)])
def test_refused(client: httpx.Client, pushed: str, path: str, status: int) -> None:
    """What is no file, and what is not there."""
    assert client.get(f"/data/{pushed}/files", params={"path": path}).status_code == status


def test_no_such_data(client: httpx.Client) -> None:
    """404 with or without a path."""
    assert client.get(f"/data/{MISSING}/files").status_code == 404
    assert client.get(f"/data/{MISSING}/files", params={"path": "a"}).status_code == 404
