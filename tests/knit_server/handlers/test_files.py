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


BIG = bytes(range(256)) * 20_000


def part(client: httpx.Client, knit_id: str, wanted: str, path: str = "d/big", **headers: str) -> httpx.Response:
    sent = {"Range": wanted} | {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(f"/data/{knit_id}/files", params={"path": path}, headers=sent)


@pytest.mark.parametrize(
    ("wanted", "found", "told"),
    [
        ("bytes=0-0", BIG[:1], "bytes 0-0/5120000"),
        ("bytes=1000-2999", BIG[1000:3000], "bytes 1000-2999/5120000"),
        ("bytes=5119990-", BIG[-10:], "bytes 5119990-5119999/5120000"),
        ("bytes=-10", BIG[-10:], "bytes 5119990-5119999/5120000"),
        ("bytes=5119999-99999999", BIG[-1:], "bytes 5119999-5119999/5120000"),
        ("bytes=0-", BIG, "bytes 0-5119999/5120000"),
    ],
)
def test_a_part(client: httpx.Client, pushed: str, wanted: str, found: bytes, told: str) -> None:
    """206, with what the part is and how long."""
    answer = part(client, pushed, wanted)
    assert (answer.status_code, answer.content) == (206, found)
    assert answer.headers["content-range"] == told
    assert answer.headers["content-length"] == str(len(found))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "application/octet-stream"


def test_no_such_part(client: httpx.Client, pushed: str) -> None:
    """416 says how long the file is, as a header and in words."""
    for path, wanted, size in (("a", "bytes=5-", 5), ("a", "bytes=-0", 5)):
        answer = part(client, pushed, wanted, path)
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")
        assert answer.json()["reason"] == "there are no such bytes in the file"
        assert answer.json()["advice"] == "It has 5 bytes, the first of which is byte 0."


@pytest.mark.parametrize("wanted", ["bytes=0-1,3-4", "lines=1-2", "bytes=3-1", "x"])
def test_no_range_at_all(client: httpx.Client, pushed: str, wanted: str) -> None:
    """What is no single range of bytes is answered with all of them."""
    answer = part(client, pushed, wanted, "a")
    assert (answer.status_code, answer.content) == (200, b"hello")


def test_the_etag_is_the_bytes(client: httpx.Client, pushed: str, tar_gz: TarGz) -> None:
    """The same bytes have the same ETag, in another Data and under another name, too; other bytes have another."""
    other = client.post("/data", content=tar_gz(b="hello", c="hallo")).json()["knitId"]

    def etag(knit_id: str, path: str) -> str:
        return client.get(f"/data/{knit_id}/files", params={"path": path}).headers["etag"]

    assert etag(pushed, "a") == etag(other, "b") != etag(other, "c")
    assert etag(pushed, "a").startswith('"b3:')
    assert part(client, pushed, "bytes=1-2", "a").headers["etag"] == etag(pushed, "a")


def test_who_has_it_already(client: httpx.Client, pushed: str) -> None:
    """If-None-Match is answered with 304; If-Range with the part, or with all of what is something else by now."""
    etag = client.get(f"/data/{pushed}/files", params={"path": "a"}).headers["etag"]
    kept = client.get(f"/data/{pushed}/files", params={"path": "a"}, headers={"If-None-Match": etag})
    assert (kept.status_code, kept.content, kept.headers["etag"]) == (304, b"", etag)
    assert part(client, pushed, "bytes=1-2", "a", If_Range=etag).content == b"el"
    assert part(client, pushed, "bytes=1-2", "a", If_Range='"other"').content == b"hello"


def test_parts_of_what_is_no_file(client: httpx.Client, pushed: str) -> None:
    """Refused as without a range."""
    assert part(client, pushed, "bytes=0-1", "d").status_code == 400
    assert part(client, pushed, "bytes=0-1", "nope").status_code == 404
    assert part(client, MISSING, "bytes=0-1", "a").status_code == 404
