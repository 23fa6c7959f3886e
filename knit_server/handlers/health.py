"""/health: how the server is."""

from __future__ import annotations

from tornado import web

from knit_server.handlers.base import KnitHandler
from knit_server.service import health


class Health(KnitHandler):
    """/health"""

    @web.authenticated
    async def get(self) -> None:
        """Tell how the server is."""
        await self.reply(dict, health.health, self.host.status())
