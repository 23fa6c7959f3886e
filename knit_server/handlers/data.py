"""/data: find, push, pull, tag, details."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import BinaryIO

from tornado import web

from knit_server.domain.paging import DataPosition
from knit_server.handlers import paging
from knit_server.handlers.base import KnitHandler
from knit_server.handlers.upload import UploadHandler
from knit_server.service import data
from knit_server.service.context import Context
from knit_server.wire import codecs, requests
from knit_server.wire.endpoints import CONTENT_ID_HEADER, TAR_GZ


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
        query = data.DataQuery(tags=tags, since=since, until=until)
        await paging.reply(self, codecs.data_detail, query, by=DataPosition, find=data.find, page=data.page)


class PullData(KnitHandler):
    """/backend/data/{knitId}, and what /data/{knitId} gives."""

    @web.authenticated
    async def get(self, knit_id: str) -> None:
        """Pull a Data."""
        download = await self.call(data.download, knit_id)
        self.set_header(CONTENT_ID_HEADER, download.content_id)
        await self.send(TAR_GZ, self.threaded(download.chunks))


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
