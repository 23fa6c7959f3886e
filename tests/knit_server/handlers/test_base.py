"""What all handlers share, with handlers of the test's own: who may in, bodies, errors, streams."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, BinaryIO

import httpx
import pytest
from jupyter_server.auth.authorizer import Authorizer
from tornado import web

from knit_server.domain import errors
from knit_server.handlers.base import MAX_JSON, KnitHandler, NothingHere, as_json
from knit_server.handlers.pipe import LIMIT
from knit_server.handlers.upload import THROWN_AWAY, UploadHandler

Serve = Callable[..., Any]
TOKEN = "secret-token"
DEADLINE = 20.0


class Echo(KnitHandler):
    """Says what it got, through a service."""

    @web.authenticated
    async def get(self) -> None:
        await self.reply(dict, lambda ctx: {"ctx": str(ctx), "thread": threading.current_thread().name})

    @web.authenticated
    async def post(self) -> None:
        await self.reply_with(lambda body: {"body": body}, self.json_body())


class ReadOnly(Authorizer):
    """Lets everybody read Knit and nobody write."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        assert resource == "knit"
        return action == "read"


def raising(err: BaseException) -> type[KnitHandler]:
    class Raising(KnitHandler):
        @web.authenticated
        async def get(self) -> None:
            def service(ctx: object) -> None:
                raise err

            await self.call(service)

    return Raising


class TestWhoMayIn:
    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
    def test_nobody_without_a_token(self, serve: Serve, method: str) -> None:
        """No token, a wrong token or a token in the wrong place: 403 as JSON, for any path."""
        served = serve(("/knit/api/echo", Echo), ("/knit/api/.*", NothingHere))
        for token in (None, "wrong"):
            with served.client(token) as client:
                for path in ("/echo", "/other"):
                    answer = client.request(method, path)
                    assert answer.status_code == 403
                    assert "token" in answer.json()["advice"]

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
    def test_wrong_token_when_writing(self, serve: Serve, method: str) -> None:
        """Whoever writes with a wrong token, or none, is told of the token, not of a cookie he never had."""
        served = serve(("/knit/api/.*", NothingHere))
        for token in (None, "wrong"):
            with served.client(token) as client:
                told = client.request(method, "/data").json()
                assert "token" in told["reason"]
                assert "xsrf" not in told["message"].lower()

    def test_token(self, serve: Serve) -> None:
        """With the token: no cookie, no XSRF, for reading and writing; work is done in Knit's own threads."""
        served = serve(("/knit/api/echo", Echo))
        with served.client() as client:
            answer = client.get("/echo").json()
            assert answer["ctx"] == "the context"
            assert answer["thread"].startswith("knit-call")
            assert client.post("/echo", json={"a": 1}).json() == {"body": {"a": 1}}

    def test_authorizer(self, serve: Serve) -> None:
        """Jupyter's authorizer decides, by read and write on the resource `knit`, before the body is taken."""
        served = serve(("/knit/api/echo", Echo), ("/knit/api/up", Swallow), authorizer=ReadOnly())
        with served.client() as client:
            assert client.get("/echo").status_code == 200
            assert client.post("/echo", json={}).status_code == 403
            assert client.post("/up", content=b"x").status_code == 403
        assert Swallow.begun == 0

    def test_upload_is_refused_before_its_body(self, serve: Serve) -> None:
        """Without a token, `Expect: 100-continue` is answered by 403 and not one byte is asked for."""
        served = serve(("/knit/api/up", Swallow))
        with socket.create_connection(("127.0.0.1", served.port), timeout=DEADLINE) as connection:
            connection.sendall(
                b"POST /knit/api/up HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000\r\n"
                b"Expect: 100-continue\r\n\r\n"
            )
            assert connection.recv(1000).startswith(b"HTTP/1.1 403")

    def test_cookie_needs_xsrf(self, serve: Serve) -> None:
        """A browser that is logged in by cookie may read; to write it must show that the page is Jupyter's."""
        served = serve(("/knit/api/echo", Echo))
        with served.client() as logged_in:
            logged_in.get("/echo")
            cookies = logged_in.cookies
        with httpx.Client(base_url=served.api, cookies=cookies, trust_env=False) as browser:
            assert browser.get("/echo", headers={"Referer": served.root}).status_code == 200
            refused = browser.post("/echo", json={})
            assert refused.status_code == 403
            assert "xsrf" in refused.json()["reason"]

    def test_unknown_host(self, serve: Serve) -> None:
        """A name that is not this machine's is refused (DNS rebinding)."""
        served = serve(("/knit/api/echo", Echo))
        with served.client() as client:
            answer = client.get("/echo", headers={"Host": "evil.example"})
            assert answer.status_code == 403
            assert "the name evil.example" in answer.json()["reason"]


class TestBodies:
    def test_json(self, serve: Serve) -> None:
        """No body is None; what is no JSON is 400 with the place."""
        served = serve(("/knit/api/echo", Echo))
        with served.client() as client:
            assert client.post("/echo").json() == {"body": None}
            assert client.post("/echo", content=b' ["\xc3\xa4"] ').json() == {"body": ["ä"]}
            for body in (b"{", b"\xff", b"[" * 100_000, b"nul"):
                answer = client.post("/echo", content=body)
                assert answer.status_code == 400
                assert answer.json()["reason"].startswith("the body is not JSON: ")

    @pytest.mark.parametrize("announced", [True, False])
    def test_too_long(self, serve: Serve, announced: bool) -> None:
        """A JSON body over the limit is 413, whether its length is announced or found out."""
        served = serve(("/knit/api/echo", Echo))
        body = b'"' + b"x" * MAX_JSON + b'"'
        with served.client() as client:
            answer = client.post("/echo", content=body if announced else iter([body[: MAX_JSON // 2]] * 3))
            assert answer.status_code == 413
            assert "MiB" in answer.json()["reason"]
            assert client.post("/echo", content=b'"' + b"x" * (MAX_JSON - 2) + b'"').status_code == 200

    def test_any_text(self) -> None:
        """Answers are UTF-8; half a surrogate, which UTF-8 has not, is escaped."""
        assert as_json({"a": "ä日\n"}) == '{"a": "ä日\\n"}'.encode()
        assert as_json("\udc80") == b'"\\udc80"'


class TestErrors:
    @pytest.mark.parametrize(
        ("err", "status"),
        [
            (errors.InvalidInput("wrong", advice="do this", see="docs/x.md"), 400),
            (errors.Unsupported("not yet"), 400),
            (errors.NotFound("gone"), 404),
            (errors.EquivalentPlan("p"), 409),
            (errors.NotUsable("unusable"), 409),
            (errors.Unavailable("later"), 503),
            (errors.OutOfSpace("full"), 507),
            (errors.Damaged("broken"), 500),
        ],
    )
    def test_status_and_body(self, serve: Serve, err: errors.KnitError, status: int) -> None:
        """Each error has its status and says reason and advice; the message has both, for older clients."""
        served = serve(("/knit/api/x", raising(err)))
        with served.client() as client:
            answer = client.get("/x")
        told = {"message": str(err), "reason": err.reason, "advice": err.advice, "see": err.see}
        assert answer.status_code == status
        assert answer.json() == {name: text for name, text in told.items() if text is not None}
        assert answer.headers["content-type"] == "application/json"

    def test_a_defect_leaks_nothing(self, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
        """Anything else is 500 in the same words always; the log has the rest."""
        served = serve(("/knit/api/x", raising(ZeroDivisionError("the secret"))))
        with served.client() as client:
            answer = client.get("/x")
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert "the secret" in caplog.text

    def test_no_such_path_or_method(self, serve: Serve) -> None:
        """404 and 405 are JSON as well."""
        served = serve(("/knit/api/echo", Echo), ("/knit/api/.*", NothingHere))
        with served.client() as client:
            for method, path, status in [("GET", "/no", 404), ("POST", "/no", 404), ("DELETE", "/echo", 405)]:
                answer = client.request(method, path)
                assert answer.status_code == status
                assert set(answer.json()) == {"message", "reason", "advice"}

    def test_knit_did_not_start(self, serve: Serve) -> None:
        """If Knit could not start, every request says why."""
        served = serve(("/knit/api/echo", Echo), context=None)
        served.call(lambda: served.host.fail(errors.Damaged("the database is damaged", advice="Restore it.")))
        with served.client() as client:
            answer = client.get("/echo")
        assert answer.status_code == 503
        assert answer.json()["reason"] == "Knit is not running here: the database is damaged"
        assert answer.json()["advice"] == "Restore it."

    def test_waits_while_knit_starts(self, serve: Serve) -> None:
        """A request that comes early is answered when Knit has started."""
        served = serve(("/knit/api/echo", Echo), context=None)
        answers: list[int] = []

        def ask() -> None:
            with served.client() as client:
                answers.append(client.get("/echo").status_code)

        asking = threading.Thread(target=ask)
        asking.start()
        from knit_server.handlers.host import Host

        def begin(host: Host) -> None:
            host._context = "late"  # type: ignore[assignment]
            host._decided.set()

        served.call(lambda: begin(served.host))
        asking.join(DEADLINE)
        assert answers == [200]


class Parts(KnitHandler):
    """Streams what the test says."""

    make: Callable[[], Iterator[bytes]]
    closed = threading.Event()

    @web.authenticated
    async def get(self) -> None:
        await self.send("application/x-parts", self.threaded(type(self).make()))


class TestStreams:
    def test_whole(self, serve: Serve) -> None:
        """Parts arrive in order under their media type."""

        class Here(Parts):
            make = staticmethod(lambda: iter([b"a", b"b" * 100_000]))

        served = serve(("/knit/api/x", Here))
        with served.client() as client:
            answer = client.get("/x")
            assert answer.content == b"a" + b"b" * 100_000
            assert answer.headers["content-type"] == "application/x-parts"
            assert client.get("/x").status_code == 200

    def test_error_at_the_start_has_its_status(self, serve: Serve) -> None:
        """What fails before the first part is an ordinary error."""

        def make() -> Iterator[bytes]:
            if not Parts.closed.is_set():
                raise errors.Damaged("broken")
            yield b""

        class Here(Parts):
            pass

        Here.make = staticmethod(make)
        with serve(("/knit/api/x", Here)).client() as client:
            assert client.get("/x").status_code == 500

    @pytest.mark.parametrize("err", [errors.Damaged("broken"), ZeroDivisionError()])
    def test_error_in_the_middle_breaks_the_connection(self, serve: Serve, err: Exception) -> None:
        """A stream that cannot go on never has a clean end, and its generator is closed."""
        closed = threading.Event()

        def make() -> Iterator[bytes]:
            try:
                yield b"a" * 1000
                raise err
            finally:
                closed.set()

        class Here(Parts):
            pass

        Here.make = staticmethod(make)
        with serve(("/knit/api/x", Here)).client() as client, pytest.raises(httpx.RemoteProtocolError):
            client.get("/x")
        assert closed.wait(DEADLINE)

    def test_back_pressure_and_a_client_that_leaves(self, serve: Serve) -> None:
        """No part is made before the last one is taken; when the client leaves, the generator is closed."""
        made, closed = [0], threading.Event()

        def make() -> Iterator[bytes]:
            try:
                while True:
                    made[0] += 1
                    yield b"x" * (1 << 20)
            finally:
                closed.set()

        class Here(Parts):
            pass

        Here.make = staticmethod(make)
        with serve(("/knit/api/x", Here)).client() as client, client.stream("GET", "/x") as answer:
            parts = answer.iter_raw()
            next(parts)
            before = -1
            while made[0] != before:  # until the buffers of both ends are full
                before = made[0]
                assert not closed.wait(0.2)
            assert made[0] < 64
        assert closed.wait(DEADLINE)

    def test_pause_ends_with_the_server(self, serve: Serve) -> None:
        """A stream that waits is broken off when the server stops."""

        class Waiting(KnitHandler):
            @web.authenticated
            async def get(self) -> None:
                await self.send("text/plain", self.parts())

            async def parts(self) -> AsyncGenerator[bytes]:
                yield b"begun"
                await self.while_open(asyncio.sleep(DEADLINE))

        served = serve(("/knit/api/x", Waiting))
        with served.client() as client, client.stream("GET", "/x") as answer:
            parts = answer.iter_raw()
            assert next(parts) == b"begun"
            served.call(served.host.close)
            with pytest.raises(httpx.RemoteProtocolError):
                next(parts)


class Swallow(UploadHandler):
    """Counts how often a body was begun."""

    begun = 0

    def consumer(self) -> Callable[[Any, BinaryIO], object]:
        type(self).begun += 1
        return lambda ctx, stream: None

    @web.authenticated
    async def post(self) -> None:
        await self.reply_with(lambda size: {"size": size}, await self.body_ended())


def uploading(consume: Callable[[Any, BinaryIO], object]) -> type[UploadHandler]:
    class Uploading(UploadHandler):
        def consumer(self) -> Callable[[Any, BinaryIO], object]:
            return consume

        @web.authenticated
        async def post(self) -> None:
            await self.reply_with(lambda value: {"value": value}, await self.body_ended())

    return Uploading


class TestUploads:
    def test_sender_is_held_back(self, serve: Serve) -> None:
        """While the worker does not read, the server takes no more than its pipe and the buffers of the kernel hold."""
        go, sent = threading.Event(), [0]
        block = b"x" * (1 << 16)

        def consume(ctx: object, stream: BinaryIO) -> int:
            assert go.wait(DEADLINE)
            return sum(len(part) for part in iter(lambda: stream.read(1 << 20), b""))

        def body() -> Iterator[bytes]:
            for _ in range(1024):
                sent[0] += len(block)
                yield block

        served = serve(("/knit/api/up", uploading(consume)))
        answers: list[Any] = []

        def push() -> None:
            with served.client() as client:
                answers.append(client.post("/up", content=body()).json())

        pushing = threading.Thread(target=push)
        pushing.start()
        before = -1
        while sent[0] != before:  # until everything between the two ends is full
            before = sent[0]
            pushing.join(0.2)
        assert LIMIT <= sent[0] < 1024 * len(block)
        assert all(pipe._size <= LIMIT + len(block) for pipe in served.host.bodies)
        go.set()
        pushing.join(DEADLINE)
        assert answers == [{"value": 1024 * len(block)}]

    def test_early_error_is_seen(self, serve: Serve) -> None:
        """When the worker gives up early, the client comes to see why, even though it is still sending."""

        def consume(ctx: object, stream: BinaryIO) -> None:
            stream.read(10)
            raise errors.OutOfSpace("full")

        served = serve(("/knit/api/up", uploading(consume)))
        with served.client() as client:
            for size in (100, THROWN_AWAY // 2, THROWN_AWAY * 4):
                answer = client.post("/up", content=(b"x" * (1 << 16) for _ in range(max(1, size >> 16))))
                assert answer.status_code == 507
                assert answer.json()["reason"] == "full"

    def test_worker_that_reads_nothing(self, serve: Serve) -> None:
        """A worker that needs no more of the body is fine; the rest is thrown away."""
        served = serve(("/knit/api/up", uploading(lambda ctx, stream: "enough")))
        with served.client() as client:
            answer = client.post("/up", content=(b"x" * (1 << 16) for _ in range(1000)))
            assert answer.json() == {"value": "enough"}

    def test_client_that_leaves(self, serve: Serve) -> None:
        """When the client leaves in the middle, the worker's next read is an error."""
        seen: list[BaseException] = []
        done = threading.Event()

        def consume(ctx: object, stream: BinaryIO) -> None:
            try:
                while stream.read(10):
                    pass
            except errors.Unavailable as err:
                seen.append(err)
            done.set()

        served = serve(("/knit/api/up", uploading(consume)))
        with socket.create_connection(("127.0.0.1", served.port)) as connection:
            head = f"Host: 127.0.0.1\r\nAuthorization: token {TOKEN}\r\nContent-Length: 1000"
            connection.sendall(f"POST /knit/api/up HTTP/1.1\r\n{head}\r\n\r\nhello".encode())
        assert done.wait(DEADLINE)
        assert "closed the connection" in str(seen[0])
