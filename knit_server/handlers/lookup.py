"""/resolve and /tags: what people need to name things briefly."""

from __future__ import annotations

from tornado import web

from knit_server.handlers.base import KnitHandler, each
from knit_server.service import resolve, tags
from knit_server.wire import codecs, requests


class Resolve(KnitHandler):
    """/resolve"""

    @web.authenticated
    async def get(self) -> None:
        """Find ids by how they begin."""
        kinds = requests.kinds(self.commas("kind"))
        limit = requests.count("limit", self.one("limit"), 6)
        await self.reply(each(codecs.candidate), resolve.resolve, self.one("prefix") or "", kinds, limit)


class Tags(KnitHandler):
    """/tags"""

    @web.authenticated
    async def get(self) -> None:
        """List tags in use."""
        limit = requests.count("limit", self.one("limit"), 100)
        await self.reply(each(codecs.tag_use), tags.in_use, self.one("prefix") or "", limit)
