"""/events over HTTP: live, resumed, reset, many listeners, heartbeats."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from knit_server.client import streams
from knit_server.handlers import events, feed
from knit_server.persistence import events as stored
from knit_server.service import events as service
from knit_server.testing import until

DEADLINE = 20.0
TarGz = Callable[..., bytes]


@pytest.fixture
def client(fake_knit: Any) -> Iterator[httpx.Client]:
    with fake_knit.client() as client:
        yield client


def push(client: httpx.Client, tar_gz: TarGz) -> str:
    made: str = client.post("/data", content=tar_gz(f="x")).json()["knitId"]
    return made


class TestLive:
    def test_changes_are_seen(self, fake_knit: Any, client: httpx.Client, tar_gz: TarGz) -> None:
        """A listener sees each change at once, with its kind, a growing id and what it is about."""
        with fake_knit.client() as other, other.stream("GET", "/events") as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            assert answer.headers["cache-control"] == "no-store"
            seen = streams.events(answer.iter_raw())
            data = push(client, tar_gz)
            first = next(seen)
            found = [first, *(next(seen) for _ in range(2))]
            assert {event.kind for event in found} <= {"data", "run"}
            assert data in {event.data.get("knitId") for event in found}
            ids = [event.id or 0 for event in found]
            assert ids == sorted(set(ids))

    def test_many_listeners_cost_one_query(
        self, fake_knit: Any, client: httpx.Client, tar_gz: TarGz, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Fifty listeners all see a push, and the database is not asked by each of them."""
        asked = [0]
        original = service.since

        def counted(*args: Any) -> Any:
            asked[0] += 1
            return original(*args)

        monkeypatch.setattr(service, "since", counted)
        listening, seen = threading.Barrier(51, timeout=DEADLINE), list[str]()

        def listen() -> None:
            with fake_knit.client() as other, other.stream("GET", "/events") as answer:
                blocks = answer.iter_raw()
                next(blocks)  # the welcome: from here on nothing is missed
                listening.wait()
                seen.append(next(streams.events(blocks)).kind)

        threads = [threading.Thread(target=listen) for _ in range(50)]
        for thread in threads:
            thread.start()
        listening.wait()
        before = asked[0]
        push(client, tar_gz)
        for thread in threads:
            thread.join(DEADLINE)
        assert len(seen) == 50
        assert asked[0] - before < 25

    def test_heartbeat(self, fake_knit: Any, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """Silence is filled with comments, which no reader takes for an event."""
        monkeypatch.setattr(events, "HEARTBEAT", 0.01)
        with client.stream("GET", "/events") as answer:
            lines = streams.lines(answer.iter_raw())
            assert next(lines).startswith("id: ")
            assert [next(lines) for _ in range(4)] == [": welcome", "", ": still here", ""]

    def test_ends_with_the_server_and_with_the_listener(self, fake_knit: Any, client: httpx.Client) -> None:
        """When the last listener leaves nobody reads any more; a server that stops ends the streams cleanly."""
        with client.stream("GET", "/events") as answer:
            next(answer.iter_raw())
        until(fake_knit.context, lambda: fake_knit.host.feed._reader is None)
        with client.stream("GET", "/events") as answer:
            parts = answer.iter_raw()
            next(parts)
            fake_knit.call(fake_knit.host.close)
            assert b"".join(parts) in (b"", b": still here\n\n")


class TestResume:
    def test_nothing_is_missed(self, fake_knit: Any, client: httpx.Client, tar_gz: TarGz) -> None:
        """With Last-Event-ID the stream goes on behind that event, however much came since."""
        with client.stream("GET", "/events") as answer:
            seen = streams.events(answer.iter_raw())
            with fake_knit.client() as other:
                push(other, tar_gz)
            first = next(seen)
        pushed = {push(client, tar_gz) for _ in range(5)}
        with client.stream("GET", "/events", headers={"Last-Event-ID": str(first.id)}) as answer:
            again = streams.events(answer.iter_raw())
            event = next(again)
            assert (event.id or 0) > (first.id or 0)
            while pushed:
                pushed.discard(str(event.data.get("knitId")))
                event = next(again) if pushed else event

    def test_too_old_and_unknown(self, fake_knit: Any, client: httpx.Client, tar_gz: TarGz) -> None:
        """From a gap that cannot be filled, or an id of another database, the reader is told to start over."""
        push(client, tar_gz)
        with fake_knit.context.db.write() as tx:
            newest = stored.bounds(tx)[1]
            stored.trim(tx, 1)
        for position in ("0", str(newest + 1000)):
            with client.stream("GET", "/events", headers={"Last-Event-ID": position}) as answer:
                seen = streams.events(answer.iter_raw())
                reset = next(seen)
                assert (reset.kind, reset.id) == ("reset", newest)

    def test_nonsense(self, client: httpx.Client) -> None:
        """A Last-Event-ID that is no number is 400."""
        assert client.get("/events", headers={"Last-Event-ID": "x"}).status_code == 400

    def test_slow_listener_reads_from_the_database(
        self, fake_knit: Any, client: httpx.Client, tar_gz: TarGz, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A listener that fell behind the memory misses nothing."""
        monkeypatch.setattr(feed, "MEMORY", 1)
        with fake_knit.client() as other, other.stream("GET", "/events") as answer:
            blocks = answer.iter_raw()
            next(blocks)
            pushed = {push(client, tar_gz) for _ in range(5)}
            seen = streams.events(blocks)
            while pushed:
                pushed.discard(str(next(seen).data.get("knitId")))
