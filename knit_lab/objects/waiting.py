"""Waiting for the end of a Run by the change stream: no polling, and nothing is missed in between."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from knit_lab.display import html as markup
from knit_lab.display import progress
from knit_lab.display.html import MARKS
from knit_server.client.streams import Event
from knit_server.domain.errors import Unavailable
from knit_server.domain.runs import Status
from knit_server.wire import shapes

if TYPE_CHECKING:
    from knit_lab.session import Session

_ENDED = frozenset({Status.DONE.value, Status.FAILED.value, Status.INVALIDATED.value})
_LOOK = 60.0
"""Seconds after which the Run is looked at even if no change was told."""
_TICK = 1.0
"""Seconds after which a notebook is told again how long it has waited."""


def until_ended(session: Session, detail: shapes.RunDetail, deadline: float | None) -> shapes.RunDetail:
    """Return the Run once it has ended. Raises `Unavailable` at `deadline` (of the monotonic clock), `NotFound`.

    Where IPython runs, a line says meanwhile how the Run stands and since when it is waited for.
    """
    told: queue.SimpleQueue[None] = queue.SimpleQueue()
    run_id = detail["runId"]
    if (detail := session.client.show_run(run_id))["status"] in _ENDED:
        return detail

    def listen(events: Sequence[Event]) -> None:
        if any(event.kind in ("reset", "open") or event.data.get("runId") == run_id for event in events):
            told.put(None)

    leave = session.changes.listen_in_thread(listen)
    began = time.monotonic()
    try:
        with progress.line(True) as tell:
            while (detail := session.client.show_run(run_id))["status"] not in _ENDED:
                left = _LOOK if deadline is None else min(_LOOK, deadline - time.monotonic())
                if left <= 0:
                    raise Unavailable(
                        f"Run {run_id} is still {detail['status']}", advice=f"Wait longer, or see knit.why('{run_id}')"
                    )
                _next(told, left, partial(tell, partial(_words, detail, began)))
    finally:
        leave()
    return detail


def _next(told: queue.SimpleQueue[None], patience: float, tick: Callable[[], None]) -> None:
    """Return when something was told, or after `patience` seconds; several changes at once need one look."""
    until = time.monotonic() + patience
    while (left := until - time.monotonic()) > 0:
        tick()
        try:
            told.get(timeout=min(_TICK, left))
        except queue.Empty:
            continue
        break
    while not told.empty():
        told.get_nowait()


def _words(detail: shapes.RunDetail, began: float) -> str:
    """Say how a Run stands that is waited for."""
    status, waited = detail["status"], round(time.monotonic() - began)
    return f"Run {markup.short(detail['runId'])} {MARKS.get(status, '')} {status}, waited {waited} s"
