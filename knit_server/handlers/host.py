"""What the handlers of one server share: Knit's Context once it is there, the threads, and the change feed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from knit_server.domain.errors import KnitError, Unavailable
from knit_server.handlers.feed import Feed
from knit_server.handlers.pipe import BodyPipe
from knit_server.handlers.workers import Workers
from knit_server.service.context import Context

SETTING = "knit_host"
"""Where a web application keeps its `Host`."""
PATIENCE = 30.0
"""How long a request that comes while Knit starts waits for it, in seconds."""


class Host:
    """Made before the server listens, `open`ed when Knit has started, `close`d when the server stops.

    `own_token` lets in beside what Jupyter lets in, "" if there is none; see `own_token`.
    """

    def __init__(self) -> None:
        self.workers = Workers()
        self.feed = Feed(self.workers)
        self.bodies: set[BodyPipe] = set()
        self.stopping = asyncio.Event()
        self.own_token = ""
        self._decided = asyncio.Event()
        self.status: Callable[[], str] = lambda: "starting"
        self._context: Context | None = None
        self._failure: KnitError = Unavailable("Knit has not started yet", advice="Try again in a moment.")

    async def context(self) -> Context:
        """Return the Context, waiting while Knit starts. Raises `Unavailable` with the reason if it could not."""
        if not self._decided.is_set():
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._decided.wait()
            except TimeoutError as err:
                raise self._failure from err
        if self._context is None:
            raise Unavailable(f"Knit is not running here: {self._failure.reason}", advice=self._failure.advice)
        return self._context

    def open(self, context: Context, *, shared: bool = False, status: Callable[[], str] = lambda: "ok") -> None:
        """Serve `context` from now on. `shared`: another process may change things unseen; see `Feed.open`.

        `status` tells monitors how Knit stands; it must not block.
        """
        self._context = context
        self.status = status
        self._decided.set()
        self.feed.open(context, shared=shared)

    def fail(self, why: KnitError) -> None:
        """Answer every request with `why`: Knit could not start."""
        self._failure = why
        self._decided.set()

    def close(self) -> None:
        """Answer nothing any more: streams end, bodies on their way are cut."""
        self._context = None
        self._failure = Unavailable("the server stops", advice="Try again when it is back.")
        self._decided.set()
        self.stopping.set()
        self.feed.close()
        for body in list(self.bodies):
            body.cut("the server stopped before the body was complete")
        self.workers.close()
