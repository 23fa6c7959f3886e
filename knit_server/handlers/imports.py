"""/data/import: Data that were put into a folder."""

from __future__ import annotations

from tornado import web

from knit_server.domain.errors import InvalidInput
from knit_server.handlers.base import KnitHandler
from knit_server.service import imports
from knit_server.wire import codecs
from knit_server.wire.endpoints import JWT


class ImportBegin(KnitHandler):
    """/data/import/begin"""

    @web.authenticated
    async def post(self) -> None:
        """Begin an import."""
        self.finish(await self.call(imports.begin), set_content_type=JWT)


class ImportEnd(KnitHandler):
    """/data/import/end"""

    @web.authenticated
    async def post(self) -> None:
        """End an import; the body is its token."""
        if self.request.headers.get("Content-Type", "").split(";")[0].strip().lower() != JWT:
            raise InvalidInput("the body is not said to be a token", advice=f"Send it as Content-Type: {JWT}.")
        token = bytes(self._body or b"").strip().decode("ascii", errors="replace")
        await self.reply(codecs.data_detail, imports.end, token)
