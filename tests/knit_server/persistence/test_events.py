"""The change stream: growing ids, trimmed at its old end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from stored import HOSTILE

from knit_server.persistence import Database, events


def record(db: Database, *subjects: str) -> None:
    with db.write() as tx:
        events.record(tx, "data", [(subject, {"change": subject}) for subject in subjects], 7)


def stream(db: Database, last: int = 0, limit: int = 10_000) -> list[events.Event]:
    with db.read() as tx:
        return events.after(tx, last, limit)


def test_reading_on(db: Database) -> None:
    """Events come in the order they were recorded, from the last id on, so many at a time."""
    record(db, "a", "b")
    record(db, "c")
    record(db)
    found = stream(db)
    assert [(event.kind, event.subject, event.payload, event.at) for event in found] == [
        ("data", name, {"change": name}, 7) for name in "abc"
    ]
    assert [event.subject for event in stream(db, found[0].id, 1)] == ["b"]
    assert stream(db, found[-1].id) == []


def test_a_transaction_keeps_its_order(db: Database) -> None:
    """Kinds may mix; what is rolled back was never there."""
    with db.write() as tx:
        events.record(tx, "run", [("r", {"status": "done"})], 1)
        events.record(tx, "data", [("d", {})], 1)
        events.record(tx, "plan", [("p", {})], 1)
    assert [event.subject for event in stream(db)] == ["r", "d", "p"]


def test_payloads(db: Database) -> None:
    """Any text can be part of an event."""
    with db.write() as tx:
        events.record(tx, "run", [("r", {"texts": list(HOSTILE)})], 1)
    assert stream(db)[0].payload == {"texts": list(HOSTILE)}


def test_ids_never_come_back(db: Database) -> None:
    """After trimming, also to nothing and after a restart, new events have larger ids than all before."""
    record(db, *"abcdef")
    last = stream(db)[-1].id
    with db.write() as tx:
        assert events.trim(tx, keep=2) == 4
    assert [event.subject for event in stream(db)] == ["e", "f"]
    with db.write() as tx:
        assert events.bounds(tx) == (last - 1, last)
        assert events.trim(tx, keep=2) == 0
        assert events.trim(tx, keep=0) == 2
        assert events.bounds(tx) == (0, 0)
        assert events.trim(tx, keep=5) == 0
    again = Database(db.url.render_as_string(hide_password=False))
    again.open()
    record(again, "g")
    assert stream(again)[0].id > last
    again.close()


def test_nothing_is_missed(db: Database) -> None:
    """A reader beside many writers who always reads on from the last id sees every event once."""
    seen: list[events.Event] = []
    with ThreadPoolExecutor(8) as pool:
        writing = [pool.submit(record, db, f"{n}a", f"{n}b") for n in range(100)]
        while not all(each.done() for each in writing):
            seen += stream(db, seen[-1].id if seen else 0)
        for each in writing:
            each.result()
    seen += stream(db, seen[-1].id if seen else 0)
    assert sorted(event.subject for event in seen) == sorted(f"{n}{half}" for n in range(100) for half in "ab")
