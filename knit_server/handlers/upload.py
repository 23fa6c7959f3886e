"""Bodies that a worker reads while they come in: Data and build contexts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, BinaryIO, cast

from tornado import web
from tornado.httputil import HTTPHeaders

from knit_server.handlers import trailers
from knit_server.handlers.base import KnitHandler
from knit_server.handlers.pipe import BodyPipe
from knit_server.service.context import Context
from knit_server.wire.endpoints import CHECKSUM_TRAILER

MEDIA = frozenset({
    "", "application/tar+gzip", "application/x-gzip", "application/gzip", "application/octet-stream",
    "application/x-tar", "application/x-gtar", "application/x-compressed-tar",
})  # fmt: skip
"""What clients call a tar.gz. What it really is, its content decides."""
THROWN_AWAY = 16 << 20
"""How much of a body that nobody wants any more is still read, so that the client comes to see the answer."""
THROWING_AWAY = 3.0
"""Seconds after which it is read no further: a slow sender is told at the latest then."""

_UNLIMITED = 1 << 62


class UploadHandler(KnitHandler):
    """A route whose POST takes a tar.gz. A worker reads it as it comes; memory stays bounded, whatever its size."""

    _pipe: BodyPipe | None = None
    _work: asyncio.Future[Any]
    _trailers: HTTPHeaders | None = None
    _thrown_away = 0
    _enough: float | None = None

    def consumer(self) -> Callable[[Context, BinaryIO], object]:
        """Return what reads the body, in a worker. Raises `InvalidInput` if the query is wrong already."""
        raise NotImplementedError

    def body_ended(self) -> asyncio.Future[Any]:
        """Tell the consumer that this was all; the future has what it returns."""
        assert self._pipe is not None
        self._pipe.end(self._trailers.get(CHECKSUM_TRAILER) if self._trailers else None)
        return self._work

    async def begin_body(self) -> None:
        """Start the worker."""
        if self.request.method != "POST":
            await super().begin_body()
            return
        if self.request.headers.get("Content-Type", "").split(";")[0].strip().lower() not in MEDIA:
            raise web.HTTPError(415, "the body is not a tar.gz: send it as application/tar+gzip")
        consume, connection = self.consumer(), self.request.connection
        cast("Any", connection).set_max_body_size(_UNLIMITED)
        announced = self.request.headers.get("Trailer", "").lower()
        self._trailers = trailers.accept(connection) if announced else None
        self._pipe = pipe = BodyPipe(md5=CHECKSUM_TRAILER in announced)
        self.host.bodies.add(pipe)
        self._work = await self.host.workers.start(_consume, consume, self.ctx, pipe)
        self._work.add_done_callback(lambda _: self.host.bodies.discard(pipe))

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Hand a part of the body to the worker."""
        return super().data_received(chunk) if self._pipe is None else self._hand_over(chunk, self._pipe)

    def on_connection_close(self) -> None:
        """Tell the worker that the rest will never come."""
        super().on_connection_close()
        if self._pipe is not None:
            self._pipe.cut()

    async def _hand_over(self, chunk: bytes, pipe: BodyPipe) -> None:
        if await pipe.put(chunk) or self._finished:
            return
        self._thrown_away += len(chunk)
        now = asyncio.get_running_loop().time()
        self._enough = self._enough or now + THROWING_AWAY
        if self._thrown_away > THROWN_AWAY or now > self._enough:
            await asyncio.wait([self._work])
            if (err := self._work.exception()) is not None:
                self.send_error(exc_info=(type(err), err, err.__traceback__))


def _consume(consume: Callable[[Context, BinaryIO], object], ctx: Context, pipe: BodyPipe) -> object:
    try:
        return consume(ctx, cast("BinaryIO", pipe))
    finally:
        pipe.close()
