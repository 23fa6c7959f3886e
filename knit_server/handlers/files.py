"""/data/{knitId}/files: the names in a Data, and single files of it, whole or in part."""

from __future__ import annotations

from http import HTTPStatus

from tornado import web

from knit_server.domain.errors import InvalidInput
from knit_server.handlers.base import KnitHandler, as_json, each
from knit_server.service import files
from knit_server.wire import codecs, errors, ranges
from knit_server.wire.endpoints import LOG


class Files(KnitHandler):
    """/data/{knitId}/files"""

    @web.authenticated
    async def get(self, knit_id: str) -> None:
        """List the names in a Data or, with `path`, send the file of that name, or the part that `Range` asks for."""
        path = self.get_query_argument("path", None, strip=False)  # names may begin and end with blanks
        if path is None:
            await self.reply(each(codecs.file_entry), files.entries, knit_id)
            return
        await self._answer(await self.call(files.read, knit_id, path))

    async def _answer(self, file: files.File) -> None:
        etag = f'"{file.id}"'
        self.set_header("ETag", etag)
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Cache-Control", "private, no-cache")  # it may be kept, but who may read it is asked each time
        if self.check_etag_header():
            self.set_status(HTTPStatus.NOT_MODIFIED)
            self.finish()
            return
        await self._send(file, self._wanted(etag, file.entry.size))

    def _wanted(self, etag: str, size: int) -> ranges.Part | None:
        """What `Range` asks for, unless `If-Range` holds another file."""
        headers = self.request.headers
        return ranges.wanted(headers.get("Range"), size) if headers.get("If-Range", etag) == etag else None

    async def _send(self, file: files.File, part: ranges.Part | None) -> None:
        size = file.entry.size
        if part is None:
            self.set_header("Content-Length", str(size))
            await self.send(LOG, self.threaded(file.blocks()))
            return
        self.set_header("Content-Range", ranges.told(part, size))
        if part.start == part.stop:
            self.set_status(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.clear_header("ETag")
            advice = f"It has {size} bytes, the first of which is byte 0."
            self.finish(as_json(errors.body(InvalidInput("there are no such bytes in the file", advice=advice))))
            return
        self.set_status(HTTPStatus.PARTIAL_CONTENT)
        self.set_header("Content-Length", str(part.stop - part.start))
        await self.send(LOG, self.threaded(file.blocks(*part)))
