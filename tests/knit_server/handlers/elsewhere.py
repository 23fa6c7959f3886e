"""A server that extra APIs lead to: it tells what it was asked, and answers in ways that proxies get wrong."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable
from typing import Any, cast

from tornado import web
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders
from tornado.netutil import bind_sockets

from knit_server.handlers import trailers

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")


@web.stream_request_body
class Telling(web.RequestHandler):
    """Answers with what it was asked, as JSON; in status and headers as the query says."""

    SUPPORTED_METHODS = METHODS

    def prepare(self) -> None:
        cast("Any", self.request.connection).set_max_body_size(1 << 40)
        self.body, self.size = b"", 0
        self.trailers = trailers.accept(self.request.connection)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self.size += len(chunk)
        self.body = (self.body + chunk)[:1000]
        return None

    async def tell(self) -> None:
        self.set_status(int(self.get_query_argument("status", "200")), self.get_query_argument("reason", None))
        for header in self.get_query_arguments("header"):
            name, _, value = header.partition("=")
            (self.set_header if name == "Content-Type" else self.add_header)(name, value)
        told = {
            "method": self.request.method, "uri": self.request.uri, "body": self.body.decode("latin-1"),
            "size": self.size, "headers": list(self.request.headers.get_all()), "trailers": dict(self.trailers),
        }  # fmt: skip
        if self.get_status() not in (204, 304):
            self.write(json.dumps(told))

    get = head = post = put = patch = delete = options = trace = connect = tell


class Slow(web.RequestHandler):
    """Answers when `released`; notes when nobody waits any more."""

    released: asyncio.Event
    gone: threading.Event

    async def get(self) -> None:
        if self.get_query_argument("begin", ""):
            self.write(b"first")
            await self.flush()
        await self.released.wait()
        self.finish(b"last")

    def on_connection_close(self) -> None:
        self.gone.set()
        self.released.set()


class Large(web.RequestHandler):
    """Sends many bytes, and counts those that were taken."""

    sent = 0

    async def get(self) -> None:
        type(self).sent = 0
        block = bytes(1 << 16)
        for _ in range(int(self.get_query_argument("blocks"))):
            self.write(block)
            await self.flush()
            type(self).sent += len(block)


class Ending(web.RequestHandler):
    """Ends its answer with a trailer."""

    async def get(self) -> None:
        self.set_header("Trailer", "X-Sum")
        self.write(b"counted")
        await self.flush()
        trailers.send(self.request.connection, HTTPHeaders({"X-Sum": "7"}))


@web.stream_request_body
class Refusing(web.RequestHandler):
    """Has no use for a body, and says so before it has come."""

    def prepare(self) -> None:
        self.set_status(413)
        self.finish(b"too much")

    def data_received(self, chunk: bytes) -> None:
        pass


class Breaking(web.RequestHandler):
    """Breaks off: before an answer, or in its middle."""

    async def get(self) -> None:
        if self.get_query_argument("begin", ""):
            self.set_header("Content-Length", "100")
            self.write(b"a part")
            await self.flush()
        self.request.connection.stream.close()  # type: ignore[union-attr]


class Elsewhere:
    """The server, in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="elsewhere")
        self.thread.start()
        self.gone = threading.Event()
        sockets = bind_sockets(0, "127.0.0.1")
        self.port = sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.run(self._start(sockets))

    async def _start(self, sockets: list[Any]) -> None:
        self.released = asyncio.Event()
        slow = type("ThisSlow", (Slow,), {"released": self.released, "gone": self.gone})
        handlers = [("/slow", slow), ("/large", Large), ("/ending", Ending), ("/refusing", Refusing),
                    ("/breaking", Breaking), (".*", Telling)]  # fmt: skip
        self.server = HTTPServer(web.Application(handlers))
        self.server.add_sockets(sockets)

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def release(self) -> None:
        self.loop.call_soon_threadsafe(self.released.set)

    def close(self) -> None:
        async def stop() -> None:
            self.server.stop()
            await self.server.close_all_connections()

        self.run(stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(20)
        self.loop.close()
