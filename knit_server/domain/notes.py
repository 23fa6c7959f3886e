"""What a Run's note says, where more than people read it: `why` tells by it what holds a Run."""

from __future__ import annotations

from knit_server.domain import times

HELD_BY_HOOK = "held by a hook: "
"""How the note of a Run begins that a lifecycle hook does not let go on. Each change of its status takes it away."""


def held_by_hook(reason: str, pause: float, now: int) -> str:
    """Return the note of a Run whose hooks did not agree, for `reason`, and are asked again `pause` seconds after `now`
    (milliseconds).
    """
    return f"{HELD_BY_HOOK}{reason}; asked again at {times.format_instant(now + round(pause * 1000))}"


def hook_of(note: str | None) -> str | None:
    """Return which hook holds a Run, why, and when it is asked again, if its note says that one does."""
    return note.removeprefix(HELD_BY_HOOK) if note is not None and note.startswith(HELD_BY_HOOK) else None
