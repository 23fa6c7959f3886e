"""The change stream in a notebook: shared, in batches on the loop, over restarts; no thread is left."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from server import Server, until

from knit_lab import following
from knit_lab.following import Changes
from knit_lab.session import Session
from knit_server.client.api import KnitClient
from knit_server.client.streams import Event

WAIT = 20.0
"""Seconds until something that must happen is given up."""


def threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "knit-changes" and each.is_alive()]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Whatever a test does, the thread that follows ends at once when nobody listens."""
    assert not threads()
    yield
    for each in threads():
        each.join(5)  # far less than the 15 seconds between two heartbeats
    assert not threads()


class Told:
    """What a listener was told, to be waited for."""

    def __init__(self) -> None:
        self.batches: queue.Queue[Sequence[Event]] = queue.Queue()
        self.kinds: list[str] = []
        self.threads: set[threading.Thread] = set()

    def __call__(self, events: Sequence[Event]) -> None:
        self.threads.add(threading.current_thread())
        self.kinds += [each.kind for each in events]
        self.batches.put(events)

    def until(self, fits: Callable[[Event], bool]) -> Event:
        while True:
            for event in self.batches.get(timeout=WAIT):
                if fits(event):
                    return event


def is_kind(kind: str) -> Callable[[Event], bool]:
    return lambda event: event.kind == kind


def test_a_listener_is_told_open_and_then_each_change(session: Session, case: str) -> None:
    """First `open`; from then on nothing is missed."""
    told = Told()
    leave = session.changes.listen_in_thread(told)
    told.until(is_kind("open"))
    pushed = session.push({"a": b"a"}, [case])
    told.until(lambda event: event.data.get("knitId") == pushed.id)
    leave()


def test_one_thread_for_all_listeners(session: Session, case: str) -> None:
    """Who comes later is told `open` at once; who has left is told nothing more; the others go on."""
    first, second = Told(), Told()
    leave_first = session.changes.listen_in_thread(first)
    first.until(is_kind("open"))
    leave_second = session.changes.listen_in_thread(second)
    second.until(is_kind("open"))
    assert len(threads()) == 1
    leave_first()
    count = len(first.kinds)
    pushed = session.push({"a": b"a"}, [case])
    second.until(lambda event: event.data.get("knitId") == pushed.id)
    assert len(first.kinds) == count
    leave_second()
    leave_second()  # twice is no error


def test_listening_again_after_all_have_left(session: Session, case: str) -> None:
    """The thread ends with the last listener; a later one gets a new one."""
    for name in ("a", "b"):
        told = Told()
        leave = session.changes.listen_in_thread(told)
        told.until(is_kind("open"))
        pushed = session.push({name: name}, [case])
        told.until(lambda event, wanted=pushed.id: event.data.get("knitId") == wanted)  # type: ignore[misc]
        leave()


def test_close_ends_the_thread_at_once(session: Session) -> None:
    """Closing does not wait for the server's next heartbeat."""
    told = Told()
    session.changes.listen_in_thread(told)
    told.until(is_kind("open"))
    session.changes.close()
    assert not threads()


async def test_on_a_loop_changes_come_in_batches_in_its_thread(session: Session, case: str) -> None:
    """A burst of changes is one call, on the loop: nothing is drawn twice, and never in the middle of a cell."""
    told = Told()
    leave = session.changes.listen(told)
    await asyncio.to_thread(lambda: until("the stream stands", lambda: told.kinds))
    pushed = await asyncio.to_thread(session.push, {"a": b"a"}, [case], progress=False)
    before = told.batches.qsize()

    def burst() -> None:
        for number in range(20):
            pushed.tag(f"n:{number}")

    await asyncio.to_thread(burst)
    wanted = 20
    changed = lambda: sum(kind == "data" for kind in told.kinds) >= wanted  # noqa: E731
    await asyncio.to_thread(lambda: until("all changes are told", changed))
    assert told.threads == {threading.main_thread()}
    assert told.batches.qsize() - before < wanted
    leave()


async def test_who_leaves_a_loop_is_not_told_what_was_gathered(session: Session, case: str) -> None:
    """A widget that was closed is never called again, even if changes wait for it."""
    told = Told()
    leave = session.changes.listen(told)
    other = Told()
    leave_other = session.changes.listen_in_thread(other)
    await asyncio.to_thread(other.until, is_kind("open"))
    leave()
    await asyncio.sleep(following.BATCH * 2)  # the time of one batch: nothing to wait for can be seen
    assert told.kinds == []
    leave_other()


def test_a_listener_that_fails_keeps_nobody_from_being_told(
    session: Session, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its traceback goes to the log, the others hear on."""

    def bad(events: Sequence[Event]) -> None:
        raise ValueError("a defect of a widget")

    told = Told()
    leave_bad = session.changes.listen_in_thread(bad)
    leave = session.changes.listen_in_thread(told)
    told.until(is_kind("open"))
    pushed = session.push({"a": b"a"}, [case])
    told.until(lambda event: event.data.get("knitId") == pushed.id)
    assert "a listener to changes failed" in caplog.text
    leave()
    leave_bad()


def test_over_a_restart_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`lost`, then `open`, and what happened in between is told: the stream goes on behind the last event."""
    monkeypatch.setattr(following, "PAUSE", 0.1)
    monkeypatch.setattr(following, "LONGEST", 0.5)
    with Server(tmp_path / "knit") as server:
        port = server.profile["apiRoot"].split(":")[2].split("/")[0]
        server.flags = ("--port", port)  # the last --port counts
        with KnitClient(server.profile["apiRoot"], server.profile["token"]) as client:
            changes, told = Changes(client), Told()
            changes.listen_in_thread(told)
            told.until(is_kind("open"))
            before = client.push(Path(__file__), ["a:1"])["knitId"]
            told.until(lambda event: event.data.get("knitId") == before)
            server.stop()
            told.until(is_kind("lost"))
            server.start()
            told.until(is_kind("open"))
            after = client.push(Path(__file__), ["a:2"])["knitId"]
            told.until(lambda event: event.data.get("knitId") == after)
            assert told.kinds.count("lost") == 1
            changes.close()


def test_a_stream_without_events_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing says what was missed, listeners are told to fetch anew (`reset`)."""
    monkeypatch.setattr(following, "PAUSE", 0.05)

    class Broken(KnitClient):
        def events(self, *args: object, ending: object = None, **more: object) -> Iterator[Event]:
            yield Event(id=None, kind="open", data={})

    changes, told = Changes(Broken("http://127.0.0.1:9/knit/api")), Told()
    changes.listen_in_thread(told)
    told.until(is_kind("reset"))
    assert told.kinds[:4] == ["open", "lost", "open", "reset"]
    changes.close()
