"""/images: list, build, load, tag, remove."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any, BinaryIO, TypeVar

from tornado import web

from knit_server.domain.errors import InvalidInput
from knit_server.handlers.base import as_json, each
from knit_server.handlers.upload import UploadHandler
from knit_server.handlers.workers import in_loop
from knit_server.service import images
from knit_server.service.context import Context
from knit_server.wire import codecs, errors
from knit_server.wire.endpoints import LINES

_T = TypeVar("_T")


class Telling(UploadHandler):
    """A route whose POST tells how the work goes, line by line, and ends with its outcome."""

    def teller(self) -> Callable[[str], None]:
        """Return what a worker calls with each line."""
        loop, self._lines = asyncio.get_running_loop(), asyncio.Queue[str]()
        return lambda line: in_loop(loop, self._lines.put_nowait, line)

    async def progress(
        self, work: asyncio.Future[_T], name: str, encode: Callable[[_T], object]
    ) -> AsyncGenerator[bytes]:
        """Yield a line for each line of the work, then one with what it made as `name`, or with its error."""
        while not work.done() or not self._lines.empty():
            line = asyncio.ensure_future(self._lines.get())
            either: list[asyncio.Future[Any]] = [line, work]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not line.done():
                line.cancel()
                continue
            yield _line({"progress": line.result()})
        if (err := work.exception()) is None:
            yield await self.host.workers.call(lambda: _line({name: encode(work.result())}))
        elif not self._headers_written:
            raise err  # with its own status
        else:
            self.log_exception(type(err), err, err.__traceback__)
            yield _line({"error": errors.body(err)})


class Images(Telling):
    """/images"""

    @web.authenticated
    async def get(self) -> None:
        """List images."""
        await self.reply(each(codecs.image), images.find)

    def consumer(self) -> Callable[[Context, BinaryIO], object]:
        """Build the context in the body; the build goes on when the body has ended."""
        return partial(
            images.build, name=self._name(), dockerfile=self.one("dockerfile") or "Dockerfile",
            build_args=dict(_argument(text) for text in self.get_query_arguments("arg")), progress=self.teller(),
        )  # fmt: skip

    @web.authenticated
    async def post(self) -> None:
        """Build an image and tell how it goes."""
        await self.send(LINES, self.progress(self.body_ended(), "image", codecs.image))

    @web.authenticated
    async def put(self) -> None:
        """Give an image a further name."""
        new = self.json_body()
        if not isinstance(new, dict) or not isinstance(new.get("name"), str) or not new["name"]:
            raise InvalidInput("name must be a string", advice='Send {"name": "the-new-name:tag"}.')
        await self.reply(codecs.image, images.tag, self._name(), new["name"])

    @web.authenticated
    async def delete(self) -> None:
        """Take a name from an image."""
        await self.call(images.remove, self._name())
        self.set_status(204)
        self.finish()

    def _name(self) -> str:
        if not (name := self.one("name")):
            raise InvalidInput("name is missing", advice="Add ?name=NAME:TAG to the path.")
        return name


class ImageArchives(Telling):
    """/images/load"""

    def consumer(self) -> Callable[[Context, BinaryIO], object]:
        """Load the archive in the body; the work goes on when the body has ended."""
        return partial(images.load, names=self.get_query_arguments("name"), progress=self.teller())

    @web.authenticated
    async def post(self) -> None:
        """Load images and tell how it goes."""
        await self.send(LINES, self.progress(self.body_ended(), "images", each(codecs.image)))


def _line(value: object) -> bytes:
    return as_json(value) + b"\n"


def _argument(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidInput(f"not a build argument: {text!r}", advice="Write arg=NAME=VALUE.")
    return name, value
