"""One request on its way to another server, and its answer on the way back, part by part: nothing is kept.

Spoken over tornado's own HTTP/1.1, since requests and answers end with trailers here, and neither tornado's HTTP client
nor httpx lets those through. Redirects are not followed, contents not unpacked, connections not used again.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections.abc import Awaitable
from typing import Protocol
from urllib.parse import SplitResult

from tornado import web
from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine
from tornado.iostream import StreamClosedError
from tornado.tcpclient import TCPClient

from knit_server.domain.errors import KnitError, Unavailable
from knit_server.handlers import trailers

CONNECT = 10.0
"""Seconds that the other server may take to accept a connection."""

_BUFFER = 1 << 20
_UNLIMITED = 1 << 62


class Unreached(web.HTTPError):
    """The other server cannot be reached or breaks off (502), or takes too long (504)."""

    def __init__(self, status: int, reason: str, advice: str) -> None:
        super().__init__(status)
        self.told: KnitError = Unavailable(reason, advice=advice)


class Receiver(Protocol):
    """Takes the answer as it comes. What is awaited holds the other server back."""

    def begin(self, start: ResponseStartLine, headers: HTTPHeaders) -> Awaitable[None]:
        """Take status and headers."""
        ...

    def part(self, chunk: bytes) -> Awaitable[None]:
        """Take a part of the body."""
        ...


class Exchange(HTTPMessageDelegate):
    """One request to the server of `url`. `open` it, `begin`, `send` and `end` the request, await the answer.

    `begun` is done with the head of the answer; `ended` with all of it, and has its trailers. Both raise `Unreached`.
    """

    def __init__(self, url: SplitResult, receiver: Receiver, *, patience: float) -> None:
        loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[HTTPHeaders] = loop.create_future()
        for future in (self.begun, self.ended):
            future.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen
        self._url = url
        self._receiver = receiver
        self._patience = patience
        self._answering: asyncio.Future[bool] | None = None
        self._trailers = HTTPHeaders()

    @property
    def name(self) -> str:
        """The other server, for people."""
        return f"{self._url.scheme}://{self._url.netloc}"

    async def open(self) -> None:
        """Connect. Raises `Unreached`."""
        secure = self._url.scheme == "https"
        host, port = self._url.hostname or "", self._url.port or (443 if secure else 80)
        try:
            async with asyncio.timeout(CONNECT):
                stream = await TCPClient().connect(
                    host, port, ssl_options=_trust() if secure else None, max_buffer_size=_BUFFER
                )
        except (OSError, StreamClosedError) as err:  # TimeoutError is an OSError
            raise self._unreached(err) from err
        stream.set_nodelay(True)
        parameters = HTTP1ConnectionParameters(no_keep_alive=True, max_body_size=_UNLIMITED)
        self._connection = HTTP1Connection(stream, is_client=True, params=parameters)

    async def begin(self, method: str, path: str, headers: HTTPHeaders, *, chunked: bool) -> None:
        """Send the head of the request, and listen from now on. `chunked`: a body of unknown length follows."""
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif "Content-Length" not in headers and method in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = "0"
        written = self._connection.write_headers(RequestStartLine(method, path, "HTTP/1.1"), headers)
        if chunked:
            trailers.send_chunks(self._connection)
        self._trailers = trailers.accept(self._connection)
        self._answering = asyncio.ensure_future(self._connection.read_response(self))
        self._answering.add_done_callback(self._broke_off)
        await self._within(written)

    async def send(self, chunk: bytes) -> None:
        """Send a part of the body, once the other server takes it; nothing if it listens no more but has answered.

        Raises `Unreached`.
        """
        try:
            if not self.ended.done():
                await self._within(self._connection.write(chunk))
        except StreamClosedError:  # it may have said why
            await asyncio.wait([self.begun], timeout=1.0)
            if not self.begun.done():
                raise self._cut() from None
        if self.begun.done():
            self.begun.result()

    def end(self, last: HTTPHeaders | None) -> None:
        """The request is complete; `last` are its trailers."""
        if self._connection.stream is not None and not self._connection.stream.closed():
            if last:
                trailers.send(self._connection, last)
            self._connection.finish()

    async def answer(self) -> HTTPHeaders:
        """Wait for the end of the answer; its head has to come in time. Returns trailers. Raises `Unreached`."""
        await self._within(self.begun)
        return await self.ended

    def close(self) -> None:
        """Break the connection, if it is still there."""
        if hasattr(self, "_connection"):
            self._connection.close()

    # --- what tornado tells -------------------------------------------------------------------------------------------

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """Give the head on; what comes before the real one (1xx) is for this connection only."""
        assert isinstance(start_line, ResponseStartLine)
        return None if 100 <= start_line.code < 200 else self._begin_answer(start_line, headers)

    async def _begin_answer(self, start: ResponseStartLine, headers: HTTPHeaders) -> None:
        lengths = {each.strip() for each in headers.get("Content-Length", "0").split(",")}
        if len(lengths) != 1 or not all(each.isascii() and each.isdecimal() for each in lengths):
            self._fail(self._cut())
            self.close()
        elif not self.begun.done():
            self.begun.set_result(None)
            await self._unless_gone(self._receiver.begin(start, headers))

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Give a part of the body on."""
        return self._unless_gone(self._receiver.part(chunk))

    def finish(self) -> None:
        """The answer is complete."""
        if not self.ended.done():
            self.ended.set_result(self._trailers)

    def on_connection_close(self) -> None:
        """The answer was cut off."""
        self._fail(self._cut())

    # --- failures -----------------------------------------------------------------------------------------------------

    async def _unless_gone(self, taken: Awaitable[None]) -> None:
        try:
            await taken
        except StreamClosedError:  # nobody is there who wants the rest
            self.close()

    async def _within(self, work: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await asyncio.shield(asyncio.ensure_future(work))
        except TimeoutError as err:
            late = Unreached(
                504, f"no answer in time from {self.name}", f"It had {self._patience:g} s. Is it busy? Try again later."
            )
            self._fail(late)
            self.close()
            raise late from err

    def _broke_off(self, answering: asyncio.Future[bool]) -> None:
        if answering.cancelled() or answering.exception() is not None or not answering.result():
            self._fail(self._cut())

    def _fail(self, err: Unreached) -> None:
        for future in (self.begun, self.ended):
            if not future.done():
                future.set_exception(err)

    def _cut(self) -> Unreached:
        return Unreached(502, f"the answer was cut off, from {self.name}", "Look at that server's log; try again.")

    def _unreached(self, err: Exception) -> Unreached:
        cause = err.real_error if isinstance(err, StreamClosedError) and err.real_error is not None else err
        if isinstance(cause, TimeoutError):
            return Unreached(504, f"no connection in time to {self.name}", "Is that server running? Try again later.")
        if isinstance(cause, ssl.SSLError):
            advice = "This server must trust its certificate; and is it https?"
            return Unreached(502, f"no TLS connection to {self.name}: {cause.reason or cause}", advice)
        if isinstance(cause, socket.gaierror):
            return Unreached(502, f"the host of {self.name} cannot be found", "Check proxy_to in Knit's settings.")
        said = getattr(cause, "strerror", None) or cause
        return Unreached(502, f"cannot connect to {self.name}: {said}", "Is that server running?")


@functools.cache
def _trust() -> ssl.SSLContext:
    """The authorities of this machine."""
    return ssl.create_default_context()
