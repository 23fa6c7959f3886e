"""All of Knit but HTTP: opened for one home, with its database, store, executor and scheduler; closed in reverse.

Everything here blocks, so nothing here is called on an event loop. One process per home schedules: the one that holds
its lock. Another process on the same home gets the same Context, wakes the holder after each of its own commits, and
takes over when the lock falls free.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from knit_server.domain.errors import Damaged, KnitError, Unavailable
from knit_server.executors.base import Capacity
from knit_server.executors.local import LocalExecutor, LocalImageStore
from knit_server.executors.local.executor import SandboxChoice
from knit_server.hooks import LifecycleHooks
from knit_server.hooks.extra import ExtraApi
from knit_server.hooks.settings import HookSettings
from knit_server.persistence import Database
from knit_server.scheduler import Scheduler
from knit_server.service.context import Context, Limits
from knit_server.service.home import Home, Presence
from knit_server.service.signals import EVENTS, FINISH, LAUNCH, NEEDS, PROJECT, SWEEP, Signals
from knit_server.storage import Store, TreeCache

log = logging.getLogger("knit.engine")

_EVERYTHING = frozenset({LAUNCH, NEEDS, FINISH, PROJECT, SWEEP, EVENTS})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an operator may choose. Empty URLs mean the home's own SQLite file and folder.

    `max_cpu` (cores) and `max_memory` (bytes) leave a part of the machine to others; None means all of it.
    """

    home: Path
    database_url: str = ""
    store_url: str = ""
    sandbox: SandboxChoice = "auto"
    overcommit: bool = False
    max_cpu: float | None = None
    max_memory: int | None = None
    limits: Limits = field(default_factory=Limits)
    hooks: HookSettings = field(default_factory=HookSettings)
    extra_apis: tuple[ExtraApi, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Address:
    """How this process is reached. `ca` is the Base64 of the PEM certificate to trust, if it is no public one."""

    url: str
    api_root: str
    token: str
    ca: str | None = None


class Engine:
    """One opened Knit. `ctx` is there between `open` and `close`; `schedules` says whether this process schedules."""

    ctx: Context
    _presence: Presence

    def __init__(self, settings: Settings, *, on_take_over: Callable[[], None] = lambda: None) -> None:
        self.settings = settings
        self.home = Home(settings.home)
        self.schedules = False
        self._on_take_over = on_take_over
        self.address: Address | None = None
        self._guard = threading.Lock()
        self._opened = contextlib.ExitStack()
        self._closed = False
        self._scheduler: Scheduler | None = None

    @property
    def is_busy(self) -> bool:
        """Whether Runs are being executed or finished by this process."""
        return self._scheduler is not None and self._scheduler.is_busy

    @property
    def status(self) -> str:
        """How Knit stands, in a word or two for monitors: `ok`, or what has stopped."""
        stopped = self.schedules and self._scheduler is not None and not self._scheduler.alive
        return "scheduler stopped" if stopped else "ok"

    @property
    def is_shared(self) -> bool:
        """Whether other processes change things without waking this one."""
        return not self.schedules or bool(self.settings.database_url)

    def open(self, *, exclusive: bool = False) -> Context:
        """Open everything; with `exclusive`, only if no other process holds the home. Raises `KnitError`."""
        with _told(), contextlib.ExitStack() as opened:
            self.home.prepare()
            lock = self.home.lock()
            opened.callback(lock.release)
            holds = lock.try_acquire()
            if exclusive and not holds:
                raise self.home.held_error()
            if holds:
                self.home.withdraw()
            self._presence = self.home.attend()
            opened.callback(self._presence.close)
            self.ctx = self._context(opened)
            if holds:
                self._schedule(opened)
            else:
                opened.callback(self.ctx.signals.subscribe(lambda topics: self.home.wake_holder()))
            with self._guard:
                if self._closed:  # while it was opening
                    raise Unavailable("Knit was stopped before it had started", advice="Start it again.")
                self._opened = opened.pop_all()
            if not holds:
                lock.when_free(self._take_over)
        return self.ctx

    def announce(self, address: Address) -> None:
        """Say where this process is reached, once its API answers. One that does not schedule keeps it for later."""
        with self._guard:
            self.address = address
            if self.schedules and not self._closed:
                self._hand_out(address)

    def close(self) -> None:
        """Stop the scheduler and what it runs, take back the profile, close everything, let the home go."""
        with self._guard:
            self._closed = True
            self._opened.close()
            self.schedules = False

    def _context(self, opened: contextlib.ExitStack) -> Context:
        settings, home, signals = self.settings, self.home, Signals()
        db = Database(settings.database_url or _sqlite_url(home.database), signals.announce)
        opened.callback(db.close)
        try:
            db.open()
        except Damaged as err:
            if settings.database_url:  # it may hold a password
                raise
            raise Damaged(f"{home.database}: {err.reason}", advice=err.advice) from err
        store = Store(settings.store_url or home.store)
        opened.callback(store.close)
        trees = TreeCache(home.trees)
        opened.callback(trees.close)
        executor = _Bounded(
            LocalImageStore(home.images), sandbox=settings.sandbox, overcommit=settings.overcommit,
            bounds=Capacity(cpu=settings.max_cpu or float("inf"), memory=settings.max_memory or 1 << 62),
        )  # fmt: skip
        executor.describe()  # tries the sandbox: a wrong choice is told now
        return Context(
            db=db, store=store, trees=trees, executor=executor, signals=signals, home=home.path,
            limits=settings.limits, schedules=lambda: self.schedules,
        )  # fmt: skip

    def _schedule(self, opened: contextlib.ExitStack) -> None:
        own_database = not self.settings.database_url
        alone = own_database and self._presence.is_alone()
        hooks = LifecycleHooks(self.settings.hooks)
        scheduler = Scheduler(
            self.ctx, exclusive=own_database, alone=alone, overcommit=self.settings.overcommit, hooks=hooks
        )
        opened.callback(scheduler.stop)
        scheduler.start()
        self._scheduler = scheduler
        listener = self.home.listen(lambda: self.ctx.signals.announce(_EVERYTHING))
        if listener is not None:
            opened.callback(listener.close)
        opened.callback(self.home.withdraw)
        self.schedules = True

    def _take_over(self) -> None:
        """The holder has ended: schedule from now on. Called by the thread that waited for the lock."""
        with self._guard:
            if self._closed:
                return
            try:
                self.home.withdraw()
                self._schedule(self._opened)
                if self.address is not None:
                    self._hand_out(self.address)
            except Exception:
                log.exception("the home fell free, but this process cannot take it over")
                return
        log.warning("the process that held the home %s has ended; this one schedules now", self.home.path)
        self._on_take_over()

    def _hand_out(self, address: Address) -> None:
        self.home.announce(address.url)
        self.home.hand_out(address.api_root, token=address.token, ca=address.ca)


class _Bounded(LocalExecutor):
    """The local executor with a part of the machine only."""

    def __init__(
        self, images: LocalImageStore, *, bounds: Capacity, sandbox: SandboxChoice, overcommit: bool
    ) -> None:  # fmt: skip
        super().__init__(images, sandbox=sandbox, overcommit=overcommit)
        self._bounds = bounds

    def capacity(self) -> Capacity:
        """The machine, up to the bounds."""
        found = super().capacity()
        return Capacity(cpu=min(found.cpu, self._bounds.cpu), memory=min(found.memory, self._bounds.memory))


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Tell what is not made for people at least by its name; the log has the rest."""
    try:
        yield
    except KnitError:
        raise
    except Exception as err:
        log.debug("Knit cannot start", exc_info=True)
        reason = str(err).strip().splitlines() or ["no reason given"]
        raise Unavailable(
            f"Knit cannot start: {type(err).__name__}: {reason[0]}", advice="Check the settings; the log tells more."
        ) from err


def _sqlite_url(path: Path) -> str:
    """Return the URL of a file; in a URL, a percent sign and a question mark of its name are written otherwise."""
    return "sqlite:///" + str(path).replace("%", "%25").replace("?", "%3F")
