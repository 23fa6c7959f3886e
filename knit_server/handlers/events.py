"""/events: the change stream as server-sent events (HTML Living Standard, section 9.2)."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from tornado import web

from knit_server.domain import times
from knit_server.domain.errors import InvalidInput, Unavailable
from knit_server.handlers.base import KnitHandler, as_json
from knit_server.persistence.events import Event
from knit_server.service.events import Batch
from knit_server.wire.endpoints import EVENTS

HEARTBEAT = 15.0
"""Seconds of silence until a comment is sent, so that proxies keep the connection and a dead client is noticed."""

_NAMES = {"data": "knitId", "plan": "planId", "run": "runId"}


class Events(KnitHandler):
    """/events"""

    _track_activity = False  # a page that is left open is no activity

    @web.authenticated
    async def get(self) -> None:
        """Send changes as they happen, from Last-Event-ID or from now on."""
        position = self._last_event_id()
        async with self.host.feed.listening():
            await self.send(EVENTS, self._events(await self.host.feed.resume(position)))

    def _last_event_id(self) -> int | None:
        given = self.request.headers.get("Last-Event-ID", "").strip()
        if given and not (given.isascii() and given.isdecimal() and len(given) < 19):
            raise InvalidInput(f"Last-Event-ID is not a number: {given!r}", advice="Send the id of an event, or none.")
        return int(given) if given else None

    async def _events(self, batch: Batch) -> AsyncGenerator[bytes]:
        yield _reset(batch.last) if batch.reset else f"id: {batch.last}\n: welcome\n\n".encode()
        while True:
            if batch.events:
                yield b"".join(_event(event) for event in batch.events)
            try:
                batch = await self.while_open(self.host.feed.after(batch.last, HEARTBEAT))
            except Unavailable:  # the server stops: a clean end, for whoever listens comes back and resumes
                return
            if batch.reset:
                yield _reset(batch.last)
            elif not batch.events:
                yield b": still here\n\n"


def _event(event: Event) -> bytes:
    data = as_json({_NAMES[event.kind]: event.subject, "at": times.format_instant(event.at), **event.payload})
    return f"event: {event.kind}\nid: {event.id}\ndata: ".encode() + data + b"\n\n"


def _reset(last: int) -> bytes:
    return f"event: reset\nid: {last}\ndata: {{}}\n\n".encode()
