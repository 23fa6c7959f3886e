"""How long a kernel's event loop and the server's are held up while the Run monitor follows 200 Runs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import runs
from serving import Server, server
from tables import Table

from knit_lab.components.monitor import Monitor
from knit_lab.session import Session

COUNT = 200
QUIET = 5.0
"""Seconds of looking at a server where nothing happens."""
TICK = 0.005
"""Seconds between two looks at the clock; what is more than that is lag."""


def monitored() -> Table:
    """Open a monitor on a quiet server, then let one push make 200 Runs, and look how late the loops are."""
    table = Table(
        "Run monitor while 200 Runs go",
        ("what", "median ms", "99th percentile ms", "worst ms", "longest ms of CPU", "messages to the page"),
        "Lag is how much later than asked a 5 ms timer fires on the kernel's loop, and how long `GET /health` takes\n"
        "on the server's; the goal is 50 ms. Where the machine has other work to do, that is its lag, too; the\n"
        "CPU time of the kernel's loop between two ticks is its own. Messages: changes of what widgets show.",
    )
    with server() as knit:
        runs.image(knit)
        for number in range(COUNT):
            knit.client.apply_plan(runs.plan("fan:in", f"fan:{number}"))
        asyncio.run(_measured(knit, table))
    return table


async def _measured(knit: Server, table: Table) -> None:
    session = Session(knit.client)
    monitor = Monitor(session)
    messages: list[object] = []
    _count(monitor, messages.append)
    try:
        until = time.monotonic() + QUIET
        await _row(table, "quiet", knit, lambda: time.monotonic() > until, messages)
        source = knit.folder / "push"
        source.mkdir()
        (source / "file.txt").write_text("x")
        push = threading.Thread(target=lambda: knit.client.push(source, ["fan:in"]))
        push.start()
        await _row(table, f"{COUNT} Runs", knit, lambda: monitor.watch.counts.get("done", 0) > COUNT, messages)
        push.join()
    finally:
        monitor.close()
        session.changes.close()


async def _row(table: Table, what: str, knit: Server, is_over: Callable[[], bool], messages: list[object]) -> None:
    messages.clear()
    late: list[float] = []
    longest = 0.0
    answers: list[float] = []
    over = threading.Event()
    asking = threading.Thread(target=_ask, args=(knit, over, answers))
    asking.start()
    while not is_over():
        begun, cpu = time.perf_counter(), time.thread_time()
        await asyncio.sleep(TICK)
        longest = max(longest, (time.thread_time() - cpu) * 1000)
        late.append(max(0.0, time.perf_counter() - begun - TICK) * 1000)
    over.set()
    asking.join()
    table.add(f"kernel, {what}", *_summary(late), longest, len(messages))
    table.add(f"server, {what}", *_summary(answers), "-", "-")


def _ask(knit: Server, over: threading.Event, answers: list[float]) -> None:
    while not over.wait(0.02):
        begun = time.perf_counter()
        knit.client.health()
        answers.append((time.perf_counter() - begun) * 1000)


def _count(widget: object, told: Callable[[object], None]) -> None:
    """Tell every change of a trait that would be sent to a page, of `widget` and all that is in it."""
    synced = widget.traits(sync=True)  # type: ignore[attr-defined]
    widget.observe(told, [name for name in synced if not name.startswith("_")])  # type: ignore[attr-defined]
    for child in getattr(widget, "children", ()):
        _count(child, told)


def _summary(taken: list[float]) -> tuple[float, float, float]:
    ordered = sorted(taken)
    return ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], ordered[-1]
