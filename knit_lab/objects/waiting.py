"""Waiting for the end of a Run by the change stream: no polling, and nothing is missed in between."""

from __future__ import annotations

import queue
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from knit_server.client.streams import Event
from knit_server.domain.errors import Unavailable
from knit_server.domain.runs import Status
from knit_server.wire import shapes

if TYPE_CHECKING:
    from knit_lab.session import Session

_ENDED = frozenset({Status.DONE.value, Status.FAILED.value, Status.INVALIDATED.value})
_LOOK = 60.0
"""Seconds after which the Run is looked at even if no change was told."""


def until_ended(session: Session, detail: shapes.RunDetail, deadline: float | None) -> shapes.RunDetail:
    """Return the Run once it has ended. Raises `Unavailable` at `deadline` (of the monotonic clock), `NotFound`."""
    told: queue.SimpleQueue[None] = queue.SimpleQueue()
    run_id = detail["runId"]

    def listen(events: Sequence[Event]) -> None:
        if any(event.kind in ("reset", "open") or event.data.get("runId") == run_id for event in events):
            told.put(None)

    leave = session.changes.listen_in_thread(listen)
    try:
        while (detail := session.client.show_run(run_id))["status"] not in _ENDED:
            left = _LOOK if deadline is None else min(_LOOK, deadline - time.monotonic())
            if left <= 0:
                raise Unavailable(
                    f"Run {run_id} is still {detail['status']}", advice=f"Wait longer, or see knit.why('{run_id}')"
                )
            try:
                told.get(timeout=left)
                while True:  # several changes at once need one look
                    told.get_nowait()
            except queue.Empty:
                pass
    finally:
        leave()
    return detail
