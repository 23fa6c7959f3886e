"""/runs: find, show, stop, retry, delete, details, log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from tornado import web

from knit_server.domain.errors import InvalidInput
from knit_server.domain.paging import RunPosition
from knit_server.domain.runs import Status
from knit_server.handlers import paging
from knit_server.handlers.base import KnitHandler, each
from knit_server.service import runs
from knit_server.wire import codecs, cursors, requests
from knit_server.wire.endpoints import LOG

LOG_POLL = 0.08
"""Seconds between looks at a growing log: a line is seen within about a tenth of a second."""
LOG_BLOCK = 1 << 18

_ASKED = {status.value: status for status in Status if status is not Status.INVALIDATED}


class AllRuns(KnitHandler):
    """/runs"""

    @web.authenticated
    async def get(self) -> None:
        """Find Runs."""
        since, until = requests.time_window(self.one("since"), self.one("duration"))
        query = runs.RunQuery(
            plans=self.commas("plan"), inputs=self.commas("knitIdInput"), outputs=self.commas("knitIdOutput"),
            statuses=tuple(_status(word) for word in self.commas("status")), since=since, until=until,
            order=cursors.order(self.one("order")),
        )  # fmt: skip
        await paging.reply(self, codecs.run_detail, query, by=RunPosition, find=runs.find, page=runs.page)


class OneRun(KnitHandler):
    """/runs/{runId}"""

    @web.authenticated
    async def get(self, run_id: str) -> None:
        """Show a Run."""
        await self.reply(codecs.run_detail, runs.show, run_id)

    @web.authenticated
    async def delete(self, run_id: str) -> None:
        """Delete a Run."""
        await self.call(runs.delete, run_id, downstream=requests.boolean("downstream", self.one("downstream")) or False)
        self.set_status(204)
        self.finish()


class RunAbort(KnitHandler):
    """/runs/{runId}/abort"""

    @web.authenticated
    async def put(self, run_id: str) -> None:
        """Stop a Run and let it fail."""
        await self.reply(codecs.run_detail, runs.abort, run_id)


class RunTearoff(KnitHandler):
    """/runs/{runId}/tearoff"""

    @web.authenticated
    async def put(self, run_id: str) -> None:
        """Stop a Run and keep what it made."""
        await self.reply(codecs.run_detail, runs.tearoff, run_id)


class RunRetry(KnitHandler):
    """/runs/{runId}/retry"""

    @web.authenticated
    async def put(self, run_id: str) -> None:
        """Try a Run again."""
        downstream = requests.boolean("downstream", self.one("downstream")) or False
        await self.reply(codecs.run_detail, runs.retry, run_id, downstream=downstream)


class RunDownstream(KnitHandler):
    """/runs/{runId}/downstream"""

    @web.authenticated
    async def get(self, run_id: str) -> None:
        """List what was made from a Run."""
        await self.reply(each(codecs.run_detail), runs.downstream, run_id)


class RunDetails(KnitHandler):
    """/runs/{runId}/details"""

    @web.authenticated
    async def get(self, run_id: str) -> None:
        """Tell more of a Run."""
        await self.reply(dict, runs.details, run_id)


class RunLogs(KnitHandler):
    """/runs/{runId}/log"""

    @web.authenticated
    async def get(self, run_id: str) -> None:
        """Send the log as it is or, with `follow`, until the program ends."""
        log = await self.call(runs.open_log, run_id)
        try:
            await self.send(LOG, self._parts(log, follow=self.one("follow") is not None))
        finally:
            await self.host.workers.call(log.close)

    async def _parts(self, log: runs.RunLog, *, follow: bool) -> AsyncGenerator[bytes]:
        call, offset = self.host.workers.call, 0
        yield b""  # the head of the answer: a follower knows at once that there is a log
        while True:
            live = follow and await call(log.is_live)  # asked first: what is printed until it ends is still read
            while part := await call(log.read, offset, LOG_BLOCK):
                offset += len(part)
                yield part
            if not live:
                return
            await self.while_open(asyncio.sleep(LOG_POLL))


def _status(word: str) -> Status:
    if word not in _ASKED:
        raise InvalidInput(f"unknown status: {word!r}", advice=f"Known are {', '.join(_ASKED)}.")
    return _ASKED[word]
