"""/data: find, push, pull, tag, details."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from functools import partial
from typing import BinaryIO

from tornado import web
from tornado.httputil import HTTPHeaders

from knit_server.domain.paging import DataPosition
from knit_server.handlers import paging, trailers
from knit_server.handlers.base import KnitHandler
from knit_server.handlers.upload import UploadHandler
from knit_server.service import data
from knit_server.service.context import Context
from knit_server.wire import codecs, cursors, requests
from knit_server.wire.endpoints import CHECKSUM_TRAILER, CONTENT_ID_HEADER, TAR_GZ


class PushData(UploadHandler):
    """/backend/data, and what /data does with a body."""

    def consumer(self) -> Callable[[Context, BinaryIO], object]:
        """Make a Data of the body, with the tags of the query."""
        return partial(data.upload, tags=requests.user_tags_of_query(self.get_query_arguments("tag")))

    @web.authenticated
    async def post(self) -> None:
        """Push a Data."""
        await self.reply_with(codecs.data_detail, await self.body_ended())


class AllData(PushData):
    """/data"""

    @web.authenticated
    async def get(self) -> None:
        """Find Data."""
        since, until = requests.time_window(self.one("since"), self.one("duration"))
        tags = requests.tags_of_query(self.get_query_arguments("tag"))
        query = data.DataQuery(
            tags=tags, since=since, until=until, transient=requests.boolean("transient", self.one("transient")),
            order=cursors.order(self.one("order")),
        )  # fmt: skip
        await paging.reply(self, codecs.data_detail, query, by=DataPosition, find=data.find, page=data.page)


class PullData(KnitHandler):
    """/backend/data/{knitId}, and what /data/{knitId} gives."""

    @web.authenticated
    async def get(self, knit_id: str) -> None:
        """Pull a Data."""
        download = await self.call(data.download, knit_id)
        self.set_header(CONTENT_ID_HEADER, download.content_id)
        if trailers.can_send(self.request.connection):
            self.set_header("Trailer", CHECKSUM_TRAILER)
        await self.send(TAR_GZ, self._with_checksum(download.chunks))

    async def _with_checksum(self, chunks: Generator[bytes]) -> AsyncGenerator[bytes]:
        """Yield the archive, then let its MD5 follow; `send` has written every part when it asks for the next."""
        md5 = hashlib.md5(usedforsecurity=False)

        def hashed() -> Iterator[bytes]:
            with contextlib.closing(chunks):
                for chunk in chunks:
                    md5.update(chunk)
                    yield chunk

        async with contextlib.aclosing(self.threaded(hashed())) as parts:
            async for part in parts:
                yield part
        trailers.send(self.request.connection, HTTPHeaders({CHECKSUM_TRAILER: md5.hexdigest()}))


class OneData(PullData):
    """/data/{knitId}"""

    @web.authenticated
    async def put(self, knit_id: str) -> None:
        """Change tags."""
        add, remove, remove_keys = requests.tag_change(self.json_body())
        change = data.TagChange(add=add, remove=remove, remove_keys=remove_keys)
        await self.reply(codecs.data_detail, data.retag, knit_id, change)


class DataDetails(KnitHandler):
    """/data/{knitId}/details"""

    @web.authenticated
    async def get(self, knit_id: str) -> None:
        """Tell more of a Data."""
        await self.reply(dict, data.details, knit_id)
