"""Garbage over HTTP: every answer is JSON with a message, no status lies, and the server goes on."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterator

import pytest
from server import Answer, Server

JSON = {"Content-Type": "application/json"}
TAR_GZ = {"Content-Type": "application/tar+gzip"}


@pytest.fixture(autouse=True)
def nothing_changes(server: Server) -> Iterator[None]:
    """After garbage there are as many Plans as before, no usable Data more, and the server is well."""

    def inventory() -> tuple[int, int]:
        usable = [each for each in server.get("/data") if not any("knit#transient" in tag for tag in each["tags"])]
        return len(server.get("/plans?image=act:1")), len(usable)

    before = inventory()
    yield
    assert inventory() == before
    assert server.get("/health")["version"]


def told(answer: Answer, status: int, *words: str) -> str:
    """Check that an error is told in the one form that errors have."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"].startswith("application/json"), answer
    body = answer.json
    assert body["message"].startswith(body["reason"])
    for word in words:
        assert word in body["message"], f"{word!r} is not in {body['message']!r}"
    assert "Traceback" not in body["message"]
    return str(body["message"])


def archive(*members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    """A tar.gz of files, or of another kind of entries."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.size = kind, link, len(content)
            tar.addfile(entry, io.BytesIO(content))
    return target.getvalue()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", ["not JSON", "UTF-8"]),
        (b"\xff\xfe", ["not JSON"]),
        (b"", ["Plan"]),
        (b"[]", ["Plan"]),
        (b"null", ["Plan"]),
        (b'"text"', ["Plan"]),
        (b'{"image": 5}', ["image"]),
        (b'{"image": "act:1", "inputs": "all"}', ["inputs"]),
        (b'{"image": "act:1", "inputs": [{"path": "/in", "tags": [5]}]}', ["tags"]),
        (b'{"image": "act:1", "inputs": [{"path": "/in\\u0000", "tags": ["a:b"]}]}', ["inputs[0].path holds a NUL"]),
        (b'{"image": "act:1", "active": "perhaps", "inputs": []}', ["active"]),
        (b"[" * 100_000, ["JSON"]),
    ],
)
def test_bodies_that_are_no_plan(server: Server, body: bytes, words: list[str]) -> None:
    """What is no Plan is refused with 400 and the member that is wrong."""
    told(server.request("POST", "/plans", body, JSON), 400, *words)


def test_wrong_content_type(server: Server) -> None:
    """A body of another kind than it should be is refused, or read as what it is; never taken for something else."""
    answer = server.request("POST", "/plans", b"image: act:1", {"Content-Type": "application/x-yaml"})
    told(answer, 400, "not JSON")
    told(server.request("POST", "/data", b"{}", JSON), 415, "tar.gz", "application/tar+gzip")


def test_huge_json(server: Server) -> None:
    """JSON of more than 10 MiB is refused by its length, announced or not."""
    huge = b'{"image": "' + b"x" * (11 << 20) + b'"}'
    told(server.request("POST", "/plans", huge, JSON), 413, "longer than 10 MiB")
    below = b'{"image": "' + b"x" * (9 << 20) + b'"}'
    assert len(told(server.request("POST", "/plans", below, JSON), 400, "image")) < 2000, "no echo of what was sent"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404), ("GET", "/nothing", 404), ("GET", "/data/x/y/z", 404), ("GET", "/../../api", 404),
        ("GET", "/data/%2e%2e%2f%2e%2e%2fetc%2fpasswd", 404), ("GET", "/data/%00", 404), ("GET", "/runs/%ff", 400),
        ("POST", "/nothing", 404), ("DELETE", "/data", 405), ("PATCH", "/plans", 405), ("DELETE", "/data/x", 405),
        ("POST", "/runs", 405), ("PUT", "/data/no-such", 404), ("GET", "/runs/no-such/log", 404),
        ("PUT", "/plans/no-such/active", 404), ("GET", "/data?tag=nocolon", 400), ("GET", "/data?since=soon", 400),
        ("GET", "/data?duration=1h", 400), ("GET", "/runs?status=asleep", 400), ("GET", "/plans?active=perhaps", 400),
        ("GET", "/data/x/lineage?upstream=-1", 400), ("GET", "/data/x/lineage?upstream=many", 400),
        ("GET", "/events", 400), ("POST", "/images", 400),
    ],
)  # fmt: skip
def test_routes_that_are_wrong(server: Server, method: str, path: str, status: int) -> None:
    """No route, no such method, no such thing, and a query that cannot be: each has its status and says so."""
    headers = {"Last-Event-ID": "yesterday"} if path == "/events" else TAR_GZ if path == "/images" else JSON
    told(server.request(method, path, b"{}" if method == "PUT" else None, headers), status)


def test_everything_asks_for_the_token(server: Server) -> None:
    """Without the right token there is no route, no method and no body."""
    for method, path, body in (
        ("GET", "/data", None), ("POST", "/data", archive(("a", b"a"))), ("POST", "/plans", b"{}"),
        ("PUT", "/runs/x/abort", None), ("GET", "/events", None), ("GET", "/nothing", None), ("GET", "/health", None),
    ):  # fmt: skip
        for token in ("wrong", ""):
            told(server.request(method, path, body, TAR_GZ, token=token), 403, "token")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", ["archive"]),
        (b"this is no archive at all", ["gzip"]),
        (gzip.compress(b""), ["archive"]),
        (gzip.compress(b"this is gzip, but no tar inside of it. " * 50), ["header"]),
        (archive(("a", b"x" * 5000))[:-20], ["archive"]),
        (archive(("a", b"x" * 5000))[:40], ["archive"]),
        (archive(("a", b"a")) + b"more", ["archive", "follows its end"]),
        (archive(("../x", b"a")), ["../x"]),
        (archive(("a/../../x", b"a")), ["a/../../x"]),
        (archive(("/etc/passwd", b"a")), ["/etc/passwd"]),
        (archive(("a", b"1"), ("a", b"2")), ["a"]),
        (archive(("a", b"1"), ("a/b", b"2")), ["a"]),
        (archive(("device", b""), kind=tarfile.CHRTYPE), ["device"]),
        (archive(("hard", b""), kind=tarfile.LNKTYPE, link="../../etc/passwd"), ["../../etc/passwd"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "body",
)
def test_archives_that_are_wrong(server: Server, body: bytes, words: list[str]) -> None:
    """What is no whole tar.gz, or would leave its place, is refused; its Run has failed and says why."""
    before = {run["runId"] for run in server.get("/runs?status=failed")}
    told(server.request("POST", "/data?tag=http:garbage", body, TAR_GZ), 400, *words)
    assert server.data("http:garbage") == []
    (run,) = [run for run in server.get("/runs?status=failed") if run["runId"] not in before]
    assert any(word in run["exit"]["message"] for word in words), run["exit"]
    assert server.request("GET", f"/data/{run['outputs'][0]['knitId']}").status == 409


def test_bad_tags_of_a_push(server: Server) -> None:
    """A push with a tag that cannot be is refused before its body is read."""
    before = len(server.get("/runs"))
    told(server.request("POST", "/data?tag=nocolon", archive(("a", b"a")), TAR_GZ), 400, "nocolon")
    told(server.request("POST", "/data?tag=knit%23id:1", archive(("a", b"a")), TAR_GZ), 400, "knit#")
    assert len(server.get("/runs")) == before


@pytest.mark.parametrize(
    "change",
    [
        {"add": "a:b"}, {"add": [5]}, {"add": [{"key": "a"}]}, {"add": ["nocolon"]}, {"add": ["knit#id:1"]},
        {"remove_key": [5]}, [],
    ],
)  # fmt: skip
def test_tag_changes_that_are_wrong(server: Server, change: object) -> None:
    """A tag change that is none is refused before the Data is looked for."""
    told(server.request("PUT", "/data/no-such", json.dumps(change).encode(), JSON), 400)
