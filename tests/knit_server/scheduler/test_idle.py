"""What a Knit costs that has nothing to do: nothing, but for a look once a minute."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from scheduler_world import World, scheduling

from knit_server.scheduler import Scheduler
from knit_server.scheduler.supervisor import SAFETY_NET

DEADLINE = 20.0


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect what any thread sends to any database."""
    found: list[str] = []

    def note(_c: object, _cursor: object, text: str, *_: object) -> None:
        found.append(text)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def timers(scheduler: Scheduler) -> list[float]:
    """Return in how many seconds each timer of the scheduler's loop rings."""

    async def look() -> list[float]:
        loop = asyncio.get_running_loop()
        return sorted(each.when() - loop.time() for each in loop._scheduled if not each.cancelled())  # type: ignore[attr-defined]

    assert scheduler._loop is not None
    return asyncio.run_coroutine_threadsafe(look(), scheduler._loop).result(DEADLINE)


def test_asleep(world: World) -> None:
    """When all Runs have ended, no timer rings before the safety net but that of the leases, which asks for nothing."""
    with scheduling(world.ctx) as scheduler:
        world.apply("copy:1", {"/in": ("a:b",)}, "c:d")
        world.push("a:b")
        world.until_ended()
        world.until_tidy()
        renewal = world.ctx.limits.lease / 3000
        world.until(lambda: timers(scheduler)[:1] and timers(scheduler)[0] > renewal / 2, "only slow timers are left")
        assert len([each for each in timers(scheduler) if each < SAFETY_NET / 2]) <= 1
        with statements() as sent:
            done = threading.Event()
            assert scheduler._loop is not None
            scheduler._loop.call_soon_threadsafe(lambda: (scheduler._keep(), done.set()))
            assert done.wait(DEADLINE)
        assert sent == []
