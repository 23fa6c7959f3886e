"""Use cases about the change stream."""

from __future__ import annotations

from dataclasses import dataclass

from knit_server.persistence import events
from knit_server.persistence.events import Event
from knit_server.service.context import Context


@dataclass(frozen=True)
class Batch:
    """Events after some id. `reset` says that older ones are gone: the reader must start over. `last` resumes here."""

    events: list[Event]
    reset: bool
    last: int


def since(ctx: Context, after: int | None, limit: int = 500) -> Batch:
    """Return events that came after the id `after`; None means from now on."""
    with ctx.db.read() as tx:
        found = [] if after is None else events.after(tx, after, limit)
        if found and found[0].id - 1 == after:  # the next one is there, so none is missing: no need to look further
            return Batch(found, False, found[-1].id)
        oldest, newest = events.bounds(tx)
    if after is None:
        return Batch([], False, newest)
    if after > newest or after < oldest - 1:
        return Batch([], True, newest)
    return Batch(found, False, found[-1].id if found else after)
