"""/data/{knitId}/files: the names in a Data, and single files of it."""

from __future__ import annotations

from tornado import web

from knit_server.handlers.base import KnitHandler, each
from knit_server.service import files
from knit_server.wire import codecs
from knit_server.wire.endpoints import LOG


class Files(KnitHandler):
    """/data/{knitId}/files"""

    @web.authenticated
    async def get(self, knit_id: str) -> None:
        """List the names in a Data or, with `path`, send the file of that name."""
        path = self.get_query_argument("path", None, strip=False)  # names may begin and end with blanks
        if path is None:
            await self.reply(each(codecs.file_entry), files.entries, knit_id)
            return
        file = await self.call(files.read, knit_id, path)
        self.set_header("Content-Length", str(file.entry.size))
        await self.send(LOG, self.threaded(file.chunks))
