"""The log of a Run in a notebook: its end, as a terminal shows it, growing while the Run goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from knit_lab.components.logs import KEPT, LogView, Tail, plain
from knit_lab.objects.runs import Run
from knit_lab.session import Session

WAIT = 20.0


async def seen(widget: Any, name: str, fits: Callable[[Any], bool]) -> Any:
    """Wait until the trait `name` of `widget` fits."""
    told = asyncio.Event()
    widget.observe(lambda change: told.set(), name)
    try:
        async with asyncio.timeout(WAIT):
            while not fits(getattr(widget, name)):
                await told.wait()
                told.clear()
    finally:
        widget.unobserve_all(name)
    return getattr(widget, name)


def test_keeps_the_end_in_whole_lines() -> None:
    """Of a long log the end is kept, from the beginning of a line, in bounded memory."""
    tail = Tail(100)
    for at in range(1000):
        tail.add(f"line {at}\n".encode())
    assert tail.is_cut
    assert tail.text.startswith("line ")
    assert tail.text.endswith("line 999\n")
    assert len(tail.text) <= 100


def test_characters_may_be_cut_by_blocks() -> None:
    """A block may end in the middle of a character."""
    tail = Tail()
    for byte in "grün ✔\n".encode():
        tail.add(bytes([byte]))
    assert tail.text == "grün ✔\n"
    assert not tail.is_cut


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b[31mred\x1b[0m\n", "red\n"),
        ("10 %\r50 %\r100 %\nover\n", "100 %\nover\n"),
        ("dos\r\nline\r\n", "dos\nline\n"),
        ("a\x00b\x07", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"),
        ("\x1b]0;title\x07text", "text"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_shows_what_a_terminal_would(given: str, shown: str) -> None:
    """Colours go, lines that are written over show their last form; the rest stays text."""
    assert plain(given) == shown


async def test_shows_the_log_of_a_run(session: Session, ran: Callable[..., Run]) -> None:
    """The log of a Run that has ended is shown, and that it has ended."""
    run = await asyncio.to_thread(ran, {"a.txt": b"alpha"})
    view = LogView(session)
    view.follow(run.id)
    await seen(view._pane, "state", lambda state: "ends" in state)
    assert "made a.txt" in view.text
    view.close()


async def test_follows_a_run_that_goes_on(session: Session, case: str, upper: Callable[..., Any]) -> None:
    """What the program prints is shown while it runs; the end of following leaves no thread behind."""
    session.push({"a.txt": b"alpha", "hang": b""}, [case])
    run = upper().apply().runs.latest
    await asyncio.to_thread(started, session, run.id)
    view = LogView(session)
    view.follow(run.id)
    await seen(view._pane, "text", lambda text: "made a.txt" in text)
    assert "following" in view.state
    view.stop()
    assert (view.text, view.state) == ("", "")
    await asyncio.to_thread(no_thread)
    run.stop(fail=True)


async def test_tells_why_there_is_no_log(session: Session) -> None:
    """An error of the server is said with its advice."""
    view = LogView(session)
    view.follow("00000000-0000-4000-8000-000000000000")
    await seen(view._said, "value", lambda value: "alert" in value)
    assert view.state == ""
    view.close()


async def test_another_run_takes_over(session: Session, ran: Callable[..., Run]) -> None:
    """When another Run is followed, nothing of the one before is shown."""
    run = await asyncio.to_thread(ran, {"b.txt": b"beta"})
    view = LogView(session)
    view.follow("00000000-0000-4000-8000-000000000000")
    view.follow(run.id)
    await seen(view._pane, "state", lambda state: "ends" in state)
    assert view._said.value == ""
    assert "made b.txt" in view.text
    view.close()


def test_bounds_are_small() -> None:
    """A message to the page stays far below what a connection bears."""
    assert KEPT <= 1 << 16


def started(session: Session, run_id: str) -> None:
    told = threading.Event()
    leave = session.changes.listen_in_thread(lambda events: told.set())
    try:
        while session.client.show_run(run_id)["status"] != "running":
            assert told.wait(WAIT)
            told.clear()
    finally:
        leave()


def no_thread() -> None:
    for each in threading.enumerate():
        if each.name == "knit-log":
            each.join(WAIT)
            assert not each.is_alive()
