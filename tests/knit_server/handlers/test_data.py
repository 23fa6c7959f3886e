"""/data over HTTP: push, find, pull, tag; what is refused and how; streams that break."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import socket
import tarfile
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tornado.httputil import HTTPHeaders

TOKEN = "secret-token"
DEADLINE = 20.0
MISSING = "00000000-0000-4000-8000-000000000000"
TarGz = Callable[..., bytes]


def unpacked(body: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]


class TestPush:
    def test_push_and_pull(self, client: httpx.Client, tar_gz: TarGz) -> None:
        """What was pushed comes back, with the tags given, under its content id (scenario 76)."""
        answer = client.post(
            "/data", params=[("tag", "type:a"), ("tag", "name:x y")], content=tar_gz(f="hello", d__g=b"\0\1")
        )
        assert answer.status_code == 200, answer.text
        data = answer.json()
        assert [tag for tag in data["tags"] if not tag.startswith("knit#")] == ["name:x y", "type:a"]
        assert data["upstream"]["run"]["status"] == "done"
        pulled = client.get(f"/data/{data['knitId']}")
        assert pulled.headers["content-type"] == "application/tar+gzip"
        assert unpacked(pulled.content) == {"f": b"hello", "d/g": b"\0\1"}
        details = client.get(f"/data/{data['knitId']}/details").json()
        assert pulled.headers["x-knit-content-id"] == details["contentId"]

    @pytest.mark.parametrize(
        "media", ["application/tar+gzip", "application/x-gzip", "application/octet-stream; x=y", None]
    )
    def test_names_for_a_tar_gz(self, client: httpx.Client, tar_gz: TarGz, media: str | None) -> None:
        """Clients call a tar.gz by many names, or by none."""
        headers = {} if media is None else {"Content-Type": media}
        assert client.post("/data", content=tar_gz(f="x"), headers=headers).status_code == 200

    def test_chunked_and_slash(self, client: httpx.Client, tar_gz: TarGz) -> None:
        """A body of unknown length and a trailing slash are fine, as is a Content-Encoding that says gzip again."""
        body = tar_gz(f="x" * 100_000)
        parts = (body[at : at + 1000] for at in range(0, len(body), 1000))
        assert client.post("/data/", content=parts, headers={"Content-Encoding": "gzip"}).status_code == 200

    def test_other_media_are_refused(self, client: httpx.Client) -> None:
        """A form is no archive: 415 with a reason, and no Run is left."""
        answer = client.post("/data", data={"a": "b"})
        assert answer.status_code == 415
        assert "tar.gz" in answer.json()["reason"]

    def test_no_archive(self, client: httpx.Client) -> None:
        """Bytes that are no tar.gz: 400, and the Run is failed."""
        answer = client.post("/data", content=b"hello, I am no archive" * 10)
        assert answer.status_code == 400
        assert set(answer.json()) >= {"message", "reason"}

    def test_system_tags_are_refused_before_the_body(self, client: httpx.Client, tar_gz: TarGz) -> None:
        """knit# tags are Knit's: 400, and nothing is made."""
        before = len(client.get("/runs").json())
        answer = client.post("/data", params={"tag": "knit#id:1"}, content=tar_gz(f="x"))
        assert answer.status_code == 400
        assert len(client.get("/runs").json()) == before

    def test_expect_continue(self, knit: Any, tar_gz: TarGz) -> None:
        """`Expect: 100-continue` is answered, and the push goes on."""
        body = tar_gz(f="x")
        with raw(knit, "POST", "/data", f"Expect: 100-continue\r\nContent-Length: {len(body)}") as connection:
            assert b"100" in connection.recv(100)
            connection.sendall(body)
            assert connection.recv(100).startswith(b"HTTP/1.1 200")


class TestTrailers:
    def push(self, knit: Any, body: bytes, checksum: str) -> bytes:
        headers = "Transfer-Encoding: chunked\r\nTrailer: x-checksum-md5\r\nContent-Type: application/tar+gzip"
        with raw(knit, "POST", "/data", headers) as connection:
            for at in range(0, len(body), 50):
                part = body[at : at + 50]
                connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
            connection.sendall(b"0\r\nx-checksum-md5: " + checksum.encode() + b"\r\n\r\n")
            return received(connection)

    def test_as_knitfab_pushes(self, knit: Any, tar_gz: TarGz) -> None:
        """A push that ends with its checksum, as Knitfab's client sends it, is taken (scenario 76)."""
        body = tar_gz(f="x" * 1000)
        assert self.push(knit, body, hashlib.md5(body).hexdigest()).startswith(b"HTTP/1.1 200")

    def test_wrong_checksum(self, knit: Any, tar_gz: TarGz) -> None:
        """If the checksum does not fit, the push fails and leaves no usable Data (scenario 76)."""
        answer = self.push(knit, tar_gz(f="x"), "0" * 32)
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"checksum" in answer

    def test_improper_framing(self, knit: Any) -> None:
        """A chunk that is framed wrongly ends the connection."""
        headers = "Transfer-Encoding: chunked\r\nTrailer: x-checksum-md5"
        with raw(knit, "POST", "/data", headers) as connection:
            connection.sendall(b"-5\r\nhello\r\n0\r\n\r\n")
            assert not received(connection).startswith(b"HTTP/1.1 200")


class TestPullTrailers:
    def test_as_knitfab_pulls(self, knit: Any, client: httpx.Client, tar_gz: TarGz) -> None:
        """A pull ends with the MD5 of the archive, also where the backend has it; the connection stays usable.

        (scenario 76)
        """
        pushed = client.post("/data", content=tar_gz(f="x" * 1000)).json()["knitId"]
        with raw(knit, "GET", f"/data/{pushed}", "Accept: */*") as connection:
            again = (
                f"GET /knit/api/backend/data/{pushed}/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token {TOKEN}\r\n"
            )
            connection.sendall(f"{again}Connection: close\r\n\r\n".encode())
            first, second = everything(connection).split(b"HTTP/1.1 200 OK")[1:]
        for answer in (first, second):
            head, _, chunked = answer.partition(b"\r\n\r\n")
            assert b"\r\nTrailer: x-checksum-md5" in head
            body, trailers = unchunked(chunked)
            assert hashlib.md5(body).hexdigest() == trailers["X-Checksum-Md5"]

    def test_http_1_0(self, knit: Any, client: httpx.Client, tar_gz: TarGz) -> None:
        """Where there are no chunks there is no trailer, and none is announced."""
        pushed = client.post("/data", content=tar_gz(f="x")).json()["knitId"]
        with socket.create_connection(("127.0.0.1", knit.port)) as connection:
            head = f"GET /knit/api/data/{pushed} HTTP/1.0\r\nHost: 127.0.0.1\r\nAuthorization: token {TOKEN}\r\n\r\n"
            connection.sendall(head.encode())
            answer = everything(connection)
        assert b"railer" not in answer.partition(b"\r\n\r\n")[0]
        assert gzip.decompress(answer.partition(b"\r\n\r\n")[2])


def everything(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def unchunked(chunked: bytes) -> tuple[bytes, HTTPHeaders]:
    """Take a chunked body apart, into what it holds and its trailers."""
    body, size = b"", -1
    while size:
        line, _, chunked = chunked.partition(b"\r\n")
        size = int(line, 16)
        body += chunked[:size]
        chunked = chunked[size + 2 :] if size else chunked
    return body, HTTPHeaders.parse(chunked.rstrip().decode())


class TestCutPush:
    def test_leaves_a_failed_run(self, own_knit: Any, tar_gz: TarGz) -> None:
        """When the client goes away in the middle, the Run fails and its Data can never be pulled (scenario 78)."""
        body = tar_gz(f=bytes(range(256)) * 1000)
        with raw(own_knit, "POST", "/data", f"Content-Length: {len(body)}") as connection:
            connection.sendall(body[: len(body) // 2])
            with own_knit.client() as client:
                run = eventually(lambda: next(iter(client.get("/runs").json()), None))
        with own_knit.client() as client:
            eventually(lambda: client.get(f"/runs/{run['runId']}").json()["status"] == "failed")
            shown = client.get(f"/runs/{run['runId']}").json()
            answer = client.get(f"/data/{shown['outputs'][0]['knitId']}")
        assert answer.status_code == 409
        assert run["runId"] in answer.json()["reason"]
        assert not own_knit.host.bodies

    def test_server_stops(self, own_knit: Any, tar_gz: TarGz) -> None:
        """A server that stops does not wait for a client that stalls."""
        with raw(own_knit, "POST", "/data", "Content-Length: 1000") as connection:
            connection.sendall(tar_gz(f="x")[:20])
            eventually(lambda: own_knit.host.bodies)
            own_knit.call(own_knit.host.close)
            eventually(lambda: not own_knit.host.bodies)


class TestFind:
    def test_by_tags_and_time(self, client: httpx.Client, tar_gz: TarGz) -> None:
        """All tags must be there; the window of time is half-open (scenario 81)."""
        made = client.post("/data", params={"tag": "case:find"}, content=tar_gz(f="x")).json()
        stamp = next(tag for tag in made["tags"] if tag.startswith("knit#timestamp:")).partition(":")[2]

        def found(**query: Any) -> list[str]:
            answer = client.get("/data", params=query)
            assert answer.status_code == 200, answer.text
            return [each["knitId"] for each in answer.json()]

        assert found(tag=["case:find"]) == [made["knitId"]]
        assert found(tag=["case:find", "case:other"]) == []
        assert found(tag="case:find", since=stamp, duration="1ms") == [made["knitId"]]
        assert found(tag="case:find", since="2000-01-01T00:00:00Z", duration="1h") == []
        assert found(tag=["case:find", "knit#transient:unheard-of"]) == []
        assert found(tag=f"knit#id:{made['knitId']}") == [made["knitId"]]

    @pytest.mark.parametrize(
        "query", ["tag=x", "since=yesterday", "duration=1h", "since=2026-01-01T00:00:00Z&duration=1"]
    )
    def test_bad_queries(self, client: httpx.Client, query: str) -> None:
        """What cannot be read is 400 with words, never a guess (scenario 81)."""
        answer = client.get(f"/data?{query}")
        assert answer.status_code == 400
        assert answer.json()["reason"]


class TestTag:
    def test_change(self, client: httpx.Client, tar_gz: TarGz) -> None:
        """Removals first, then additions; tags may be objects, as Knitfab's client sends them (scenario 84)."""
        made = client.post(
            "/data", params=[("tag", "a:1"), ("tag", "b:1"), ("tag", "b:2")], content=tar_gz(f="x")
        ).json()
        change = {"add": [{"key": "a", "value": "1"}, "c:3"], "remove": ["a:1"], "remove_key": ["b"]}
        left = client.put(f"/data/{made['knitId']}", json=change).json()["tags"]
        assert [tag for tag in left if not tag.startswith("knit#")] == ["a:1", "c:3"]

    def test_refusals(self, client: httpx.Client, tar_gz: TarGz) -> None:
        """Unknown Data 404; bad JSON, system tags and wrong members 400 (scenarios 6, 84)."""
        made = client.post("/data", content=tar_gz(f="x")).json()["knitId"]
        assert client.put(f"/data/{MISSING}", json={"remove": ["a:b"]}).status_code == 404
        for body in (b"{", b"[]", b'{"add": ["knit#x:1"]}', b'{"add": "a:1"}', b"\xff", b'{"add": ["a"]}'):
            answer = client.put(f"/data/{made}", content=body)
            assert answer.status_code == 400, body
            assert answer.json()["reason"]

    def test_odd_text_survives(self, client: httpx.Client, tar_gz: TarGz) -> None:
        """Quotes, newlines, backslashes and any script pass through tags unchanged (scenario 7)."""
        odd = ['q:"', "n:a\nb", "b:\\n", "u:日本語 🎈"]
        made = client.post("/data", params=[("tag", tag) for tag in odd], content=tar_gz(f="x")).json()
        assert set(odd) <= set(made["tags"])


class TestPull:
    @pytest.mark.parametrize("path", ["", "/details", "/lineage"])
    def test_unknown(self, client: httpx.Client, path: str) -> None:
        """Unknown ids are 404, whatever they look like."""
        for name in (MISSING, "x", "%2e%2e", "%F0%9F%8E%88", "a%2Fb"):
            assert client.get(f"/data/{name}{path}").status_code == 404

    def test_damaged_content_never_ends_well(self, own_knit: Any) -> None:
        """If the store is damaged, the client sees an error or a broken stream, never a clean end."""
        rng = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(200_000))  # does not compress
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=0) as tar:
            for part in range(4):
                info = tarfile.TarInfo(f"f{part}")
                info.size = len(rng)
                tar.addfile(info, io.BytesIO(bytes([part]) + rng[1:]))
        with own_knit.client() as client:
            made = client.post("/data", content=buffer.getvalue()).json()["knitId"]
            packs = sorted(path for path in own_knit.engine.home.store.rglob("*") if path.stat().st_size > 1 << 20)
            last = packs[-1]
            last.chmod(0o600)
            with last.open("r+b") as file:
                file.seek(-(1 << 16), 2)
                file.write(b"\0" * 1000)
            own_trees_gone(own_knit)
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
                client.get(f"/data/{made}")


class TestBigBody:
    def test_arrives_whole(self, own_knit: Any) -> None:
        """A body much larger than any buffer, made as it is sent, arrives whole."""
        size = 64 << 20
        held = threading.Event()

        def body() -> Iterator[bytes]:
            block = hashlib.sha256(b"x").digest() * (1 << 15)
            yield from tar_of_zeros(size, block)
            held.set()

        with own_knit.client() as client:
            answer = client.post("/data", content=body())
            assert answer.status_code == 200, answer.text
            assert held.is_set()
            details = client.get(f"/data/{answer.json()['knitId']}/details").json()
        assert details["size"] == size


def tar_of_zeros(size: int, block: bytes) -> Iterator[bytes]:
    """A tar.gz of one file, made as it is read."""
    import zlib

    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31)
    info = tarfile.TarInfo("big")
    info.size = size
    yield squeeze.compress(info.tobuf())
    for _ in range(size // len(block)):
        yield squeeze.compress(block)
    yield squeeze.compress(b"\0" * 1024) + squeeze.flush()


def own_trees_gone(knit: Any) -> None:
    import shutil

    shutil.rmtree(knit.engine.home.trees / "trees", ignore_errors=True)
    (knit.engine.home.trees / "trees").mkdir(exist_ok=True)


def raw(knit: Any, method: str, path: str, headers: str) -> socket.socket:
    """Begin a request by hand; the caller sends its body."""
    connection = socket.create_connection(("127.0.0.1", knit.port), timeout=DEADLINE)
    prefix = urlsplit(knit.api).path
    head = f"{method} {prefix}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token {TOKEN}\r\n{headers}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def received(connection: socket.socket) -> bytes:
    """One answer, or what came of it."""
    response = http.client.HTTPResponse(connection)
    try:
        response.begin()
        return f"HTTP/1.1 {response.status}\n".encode() + response.read()
    except (http.client.HTTPException, ConnectionError) as err:
        return repr(err).encode()
    finally:
        response.close()


def eventually(check: Callable[[], Any]) -> Any:
    """Wait until `check` is true; the other side of HTTP tells in no other way."""
    import time

    deadline = time.monotonic() + DEADLINE
    while not (value := check()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
    return value
