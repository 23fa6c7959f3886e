"""/why: why did it run, why did it not, why does it not move?"""

from __future__ import annotations

from tornado import web

from knit_server.domain.errors import InvalidInput
from knit_server.handlers.base import KnitHandler
from knit_server.service import why
from knit_server.wire import why as codec


class Why(KnitHandler):
    """/why"""

    @web.authenticated
    async def get(self) -> None:
        """Explain a Data, a Plan or a Run."""
        what = self.one("id")
        if not what:
            raise InvalidInput("what is to be explained?", advice="Give the id of a Data, a Plan or a Run: ?id=ID")
        await self.reply(codec.encode, why.why, what, self.one("plan") or None)
