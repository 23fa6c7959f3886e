"""Transactions: all or nothing, one instant, signals after the commit, errors that people can act on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from knit_server.domain.errors import Damaged, OutOfSpace, Unavailable
from knit_server.domain.tags import Tag
from knit_server.persistence import Database, events, tables, tags
from knit_server.persistence.database import translated


class Told:
    """Remembers what was announced, and what a new connection sees at that moment."""

    def __init__(self, url: str) -> None:
        self.topics: list[frozenset[str]] = []
        self.seen: list[int] = []
        self.db = Database(url, self.hear)
        self.db.open()

    def hear(self, topics: frozenset[str]) -> None:
        self.topics.append(topics)
        with self.db.read() as tx:
            self.seen.append(tx.execute(sa.select(sa.func.count()).select_from(tables.tag)).scalar_one())


@pytest.fixture
def told(db_url: str) -> Iterator[Told]:
    told = Told(db_url)
    yield told
    told.db.close()


def count(db: Database) -> int:
    with db.read() as tx:
        return int(tx.execute(sa.select(sa.func.count()).select_from(tables.tag)).scalar_one())


def test_signals_follow_the_commit(told: Told) -> None:
    """Topics are announced once, together, when others can see what was written."""
    with told.db.write() as tx:
        tx.announce("launch")
        tags.ensure(tx, [Tag("a", "1")])
        tx.announce("finish", "launch")
        assert told.topics == []
    assert (told.topics, told.seen) == ([frozenset({"launch", "finish"})], [1])


def test_nothing_is_announced_for_nothing(told: Told) -> None:
    """A transaction without topics, one that fails and one that only reads wake nobody."""
    with told.db.write() as tx:
        tags.ensure(tx, [Tag("a", "1")])
    with pytest.raises(KeyError), told.db.write() as tx:  # noqa: PT012
        tx.announce("launch")
        events.record(tx, "data", [("x", {})], 1)
        raise KeyError
    with told.db.read() as tx:
        tx.announce("launch")
    assert told.topics == []


def test_an_error_rolls_back(db: Database) -> None:
    """A block that raises, in whatever way, leaves nothing, and the next transaction works."""
    for error in (ValueError, KeyboardInterrupt, GeneratorExit):
        with pytest.raises(error), db.write() as tx:  # noqa: PT012
            tags.ensure(tx, [Tag("a", "1")])
            raise error
    assert count(db) == 0
    with db.write() as tx:
        tags.ensure(tx, [Tag("a", "1")])
    assert count(db) == 1


def test_an_error_before_the_commit_rolls_back(db: Database) -> None:
    """What is left to the end belongs to the transaction."""

    def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError), db.write() as tx:  # noqa: PT011, PT012
        tags.ensure(tx, [Tag("a", "1")])
        tx.before_commit.append(fail)
    assert count(db) == 0


def test_reading_writes_nothing(db: Database) -> None:
    """What is written while reading is rolled back."""
    with db.read() as tx:
        tags.ensure(tx, [Tag("a", "1")])
    assert count(db) == 0


def test_reading_shows_one_instant(db: Database) -> None:
    """Two queries of one look agree, whatever is committed in between."""
    size = sa.select(sa.func.count()).select_from(tables.tag)
    with db.read() as tx:
        assert tx.execute(size).scalar() == 0
        with db.write() as other:
            tags.ensure(other, [Tag("a", "1")])
        assert tx.execute(size).scalar() == 0
    assert count(db) == 1


def test_connections_come_back_as_they_were(db: Database) -> None:
    """After many looks and writes, also failed ones, in many threads, each still sees the newest and can write."""

    def work(number: int) -> int:
        with db.write() as tx:
            tags.ensure(tx, [Tag("n", str(number))])
        with pytest.raises(KeyError), db.read() as tx:
            raise KeyError
        return count(db)

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(work, range(64)))
    assert count(db) == 64
    assert all(found >= 1 for found in seen)


def test_writers_queue(db: Database) -> None:
    """Read, add one, write, in many threads under the lock of matching: nothing is lost."""
    with db.write() as tx:
        tx.execute(sa.insert(tables.pack).values(name="0"))

    def add(_: int) -> None:
        with db.write() as tx:
            tx.lock_matching()
            old = int(tx.execute(sa.select(tables.pack.c.name)).scalar_one())
            tx.execute(sa.update(tables.pack).values(name=str(old + 1)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(100)))
    with db.read() as tx:
        assert tx.execute(sa.select(tables.pack.c.name)).scalar() == "100"


def test_two_processes_write_to_sqlite(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two Knits on one file wait for each other rather than fail (each has its own queue of threads)."""
    url = f"sqlite:///{tmp_path_factory.mktemp('two') / 'knit.db'}"
    both = [Database(url), Database(url)]
    for db in both:
        db.open()

    def add(number: int) -> None:
        with both[number % 2].write() as tx:
            tags.ensure(tx, [Tag("n", str(number))])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(100)))
    assert [count(db) for db in both] == [100, 100]
    for db in both:
        db.close()


def test_a_write_within_a_write_is_a_defect(db: Database) -> None:
    """It would wait for itself for ever, so it is told at once."""
    with db.write(), pytest.raises(AssertionError, match="open already"), db.write():
        pass
    with db.write():
        pass


# --- errors -----------------------------------------------------------------------------------------------------------


def test_a_full_disk_under_sqlite(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A file that cannot grow is told as out of space; nothing of the transaction stays."""
    db = Database(f"sqlite:///{tmp_path_factory.mktemp('full') / 'knit.db'}")
    db.open()
    told = r"no space is left for the database\nFree some space"
    with pytest.raises(OutOfSpace, match=told), db.write() as tx:  # noqa: PT012
        pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
        tags.ensure(tx, [Tag("n", "x" * 1_000_000)])
    assert count(db) == 0
    db.close()


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("code", "words", "expected"),
    [
        ("53100", "could not extend file: No space left on device", OutOfSpace),
        ("57P01", "terminating connection due to administrator command", Unavailable),
        ("XX001", "invalid page in block 0 of relation", Damaged),
        ("53300", "sorry, too many clients already", Unavailable),
        ("57P03", "the database system is starting up", Unavailable),
    ],
)
def test_errors_of_postgresql(postgres_url: str, code: str, words: str, expected: type[Exception]) -> None:
    """What PostgreSQL reports by code is told in the same words as of SQLite."""
    db = Database(postgres_url)
    with pytest.raises(expected), db.read() as tx:
        tx.connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION '{words}' USING ERRCODE = '{code}'; END $$")
    assert count(db) == 0
    db.close()


@pytest.mark.postgres
def test_a_connection_that_was_cut(postgres_url: str) -> None:
    """A server that restarts is told as such once; the next transaction takes a new connection."""
    db = Database(postgres_url)
    with pytest.raises(Unavailable, match="does not answer"), db.read() as tx:
        tx.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert count(db) == 0
    db.close()


def test_defects_stay_defects(db: Database) -> None:
    """A wrong statement or a broken constraint is no message for people: it passes as it is."""
    with pytest.raises(sa.exc.DBAPIError), db.read() as tx:
        tx.execute(sa.text("SELECT connection FROM nowhere"))
    with pytest.raises(sa.exc.IntegrityError), db.write() as tx:
        tx.execute(sa.insert(tables.pack), [{"name": "connection"}, {"name": "connection"}])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("database is locked", "the database is busy"),
        ("unable to open database file", "the database cannot be opened: unable to open database file"),
        ("attempt to write a readonly database", "the database cannot be opened: attempt to write a readonly database"),
        ("connection refused", "the database does not answer: connection refused"),
    ],
)
def test_errors_of_sqlite(words: str, told: str) -> None:
    """What SQLite, or the client of PostgreSQL, says without a code is told by its words."""
    with pytest.raises(Unavailable, match=told), translated():
        raise sa.exc.OperationalError("BEGIN", None, Exception(words))


@pytest.mark.postgres
def test_events_become_visible_in_order(postgres_url: str) -> None:
    """Whoever saw an event has seen all with smaller ids: a slow transaction cannot slip one in behind him."""
    db = Database(postgres_url)
    wrote, go = threading.Event(), threading.Event()

    def slow() -> None:
        with db.write() as tx:
            events.record(tx, "data", [("slow", {})], 1)
            wrote.set()
            assert go.wait(10)

    thread = threading.Thread(target=slow)
    thread.start()
    assert wrote.wait(10)
    with db.write() as tx:
        events.record(tx, "data", [("fast", {})], 1)
    with db.read() as tx:
        (first,) = events.after(tx, 0, 10)
    go.set()
    thread.join()
    with db.read() as tx:
        assert [event.subject for event in events.after(tx, first.id, 10)] == ["slow"]
    db.close()
