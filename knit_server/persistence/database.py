"""The database: opening it, its transactions, and what its errors mean."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine

from knit_server.domain.errors import Conflict, Damaged, KnitError, OutOfSpace, Unavailable
from knit_server.persistence import migrations

MATCHING_LOCK = 0x6B6E6974
"""Key of PostgreSQL's advisory lock that lets one transaction at a time change what matches ("knit" in ASCII)."""

EVENTS_LOCK = 0x6B6E6976
"""Key of the one under which events get their ids and become visible, in the same order."""

BUSY_TIMEOUT = 30_000
"""How long SQLite waits for another process's transaction, in milliseconds."""

Topics = frozenset[str]


class Transaction:
    """One transaction: a connection, what is written right before its commit, and the topics announced after it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.topics: set[str] = set()
        self.events: list[dict[str, object]] = []
        self.before_commit: list[Callable[[], None]] = []

    @property
    def is_sqlite(self) -> bool:
        """Whether SQLite is underneath; it has one writer at a time by itself."""
        return self.connection.dialect.name == "sqlite"

    def execute(self, statement: sa.Executable, rows: Any = None) -> sa.CursorResult[Any]:
        """Execute a statement, once or for each of `rows`."""
        result = self.connection.execute(statement, rows)
        assert isinstance(result, sa.CursorResult)
        return result

    def announce(self, *topics: str) -> None:
        """Wake whoever listens to these topics, once this transaction is committed."""
        self.topics.update(topics)

    def lock_matching(self) -> None:
        """Let no other transaction change what matches until this one ends. To be called before anything is written."""
        self.lock(MATCHING_LOCK)

    def lock(self, key: int) -> None:
        """Wait until no other transaction holds the lock `key`, and hold it until this one ends."""
        if not self.is_sqlite:
            self.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


class Database:
    """A Knit database. `on_commit` is called with the announced topics, in the thread that committed."""

    def __init__(self, url: str, on_commit: Callable[[Topics], None] = lambda topics: None) -> None:
        self.url = sa.make_url(url)
        self.on_commit = on_commit
        self._writing = threading.Lock()
        self._thread = threading.local()
        self._engine = _engine(self.url)

    def open(self) -> None:
        """Create or upgrade the schema. Raises `Damaged`, `Conflict` (a newer Knit wrote it) or `Unavailable`."""
        with translated():
            if self._engine.dialect.name == "sqlite":
                self._check_file()
            migrations.upgrade(self._engine)

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    @contextlib.contextmanager
    def read(self) -> Iterator[Transaction]:
        """A consistent look: all of it shows one instant. Whatever is written in it is rolled back."""
        with translated(), self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield Transaction(connection)

    @contextlib.contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that commits at the end of the block, or rolls back if the block raises."""
        with self._not_nested(), self._one_writer(), translated(), self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            transaction = Transaction(connection)
            yield transaction
            for last in transaction.before_commit:
                last()
            connection.commit()
        if transaction.topics:
            self.on_commit(frozenset(transaction.topics))

    @contextlib.contextmanager
    def _not_nested(self) -> Iterator[None]:
        """A write within a write of the same thread would wait for itself for ever."""
        assert not getattr(self._thread, "writes", False), "a transaction is open already in this thread"
        self._thread.writes = True
        try:
            yield
        finally:
            self._thread.writes = False

    def _one_writer(self) -> contextlib.AbstractContextManager[object]:
        """SQLite takes one writer at a time: threads of this process queue here rather than in its busy loop."""
        return self._writing if self._engine.dialect.name == "sqlite" else contextlib.nullcontext()

    def _check_file(self) -> None:
        with self._engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            raise _damaged(str(found))


def _engine(url: sa.URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_size=8, max_overflow=24, pool_pre_ping=True)
    engine = sa.create_engine(url, pool_size=8, max_overflow=24, connect_args={"timeout": BUSY_TIMEOUT / 1000})

    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver would begin transactions later than we need them
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT}"):
            connection.execute(f"PRAGMA {pragma}").close()

    sa.event.listen(engine, "connect", prepare)
    return engine


def _damaged(detail: str) -> Damaged:
    return Damaged(
        f"the database is damaged: {detail}",
        advice="Stop Knit, keep a copy of the home, and put back the last good copy of knit.db.",
    )


def _full(detail: str) -> OutOfSpace:
    return OutOfSpace("no space is left for the database", advice="Free some space.")


def _unwritable(detail: str) -> OutOfSpace:
    return OutOfSpace(f"the database cannot be written: {detail}", advice="Check the disk and its quota.")


def _busy(detail: str) -> Unavailable:
    return Unavailable("the database is busy", advice="Try again in a moment.")


def _silent(detail: str) -> Unavailable:
    return Unavailable(f"the database does not answer: {detail}", advice="Is its server running?")


def _closed(detail: str) -> Unavailable:
    return Unavailable(f"the database cannot be opened: {detail}", advice="Check its folder and who owns it.")


def _overtaken(detail: str) -> Conflict:
    return Conflict("another change came in between", advice="Try again.")


_Meaning = tuple[str, Callable[[str], KnitError]]

_CODES: tuple[_Meaning, ...] = (
    ("53100", _full),
    ("53300", _silent),  # too many connections
    ("57P", _silent),  # shutting down, starting up
    ("08", _silent),
    ("55P03", _busy),
    ("40", _overtaken),  # deadlock, serialization
    ("XX001", _damaged),
    ("XX002", _damaged),
)
"""What PostgreSQL's SQLSTATEs mean, by their beginning (PostgreSQL's manual, appendix A)."""

_WORDS: tuple[_Meaning, ...] = (
    ("database or disk is full", _full),
    ("disk i/o error", _unwritable),  # SQLite's word for a quota that is used up, too
    ("malformed", _damaged),
    ("not a database", _damaged),
    ("database is locked", _busy),
    ("unable to open", _closed),
    ("readonly database", _closed),
    ("no space left", _full),
    ("connection", _silent),  # PostgreSQL's client has no code where there is no server
)
"""What the words of errors without a code mean."""


def _meaning(err: exc.DBAPIError) -> KnitError | None:
    text = str(err.orig)
    if code := getattr(err.orig, "sqlstate", None):
        return next((error(text) for prefix, error in _CODES if code.startswith(prefix)), None)
    if isinstance(err, exc.IntegrityError | exc.ProgrammingError):
        return None
    return next((error(text) for words, error in _WORDS if words in text.lower()), None)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the database driver's errors that people can act on into `KnitError`; leave defects as they are."""
    try:
        yield
    except exc.TimeoutError as err:
        raise Unavailable("the database is busy: no connection fell free", advice="Try again in a moment.") from err
    except exc.DBAPIError as err:
        if (meaning := _meaning(err)) is not None:
            raise meaning from err
        raise
