"""/health and /openapi.json: how the server is, and what it offers."""

from __future__ import annotations

from tornado import web

from knit_server.handlers.base import KnitHandler, each
from knit_server.service import checks, health
from knit_server.wire import codecs, openapi
from knit_server.wire.endpoints import API_VERSION


class Health(KnitHandler):
    """/health"""

    @web.authenticated
    async def get(self) -> None:
        """Tell how the server is."""
        await self.reply(lambda told: {**told, "apiVersion": API_VERSION}, health.health, self.host.status())


class Checks(KnitHandler):
    """/health/checks"""

    @web.authenticated
    async def get(self) -> None:
        """Look whether everything does what it must."""
        await self.reply(each(codecs.check), checks.checks)


class Description(KnitHandler):
    """/openapi.json"""

    @web.authenticated
    async def get(self) -> None:
        """Describe the API as it is reached here."""
        root = self.request.path.rstrip("/").removesuffix("/openapi.json")
        await self.reply_with(openapi.document, root)
