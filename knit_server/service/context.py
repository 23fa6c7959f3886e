"""What every use case works with: the database, the store, the executor, the clock. Built once by the extension."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from knit_server.executors.base import AttemptId, Executor
from knit_server.persistence import Database
from knit_server.service.signals import Signals
from knit_server.storage import Store, TreeCache


def system_clock() -> int:
    """Return the present time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def random_id() -> str:
    """Return a new id."""
    return str(uuid.uuid4())


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Numbers that operators may change. Times are in milliseconds, sizes in bytes."""

    runs_per_step: int = 1_000  # Runs made by matching in one transaction; the rest follows in the next step
    lease: int = 60_000  # how long a claim lasts without renewal
    losses: int = 3  # after so many attempts lost together with a server, a Run is given up
    tree_cache: int = 20 << 30  # materialised trees kept on this machine
    orphan_age: int = 24 * 3600_000  # packs that no Data needs are deleted when they are older
    content_grace: int = 24 * 3600_000  # after a Data is deleted, its bytes stay for so long, half of it to be shared
    events_kept: int = 100_000
    receipts_kept: int = 30 * 24 * 3600_000


def always() -> bool:
    """Return True."""
    return True


@dataclass(frozen=True, kw_only=True)
class Context:
    """One Knit. `owner` names this process in leases; `home` holds run folders and uploads.

    `schedules` says whether this process executes Runs, or leaves that to another one of the same home.
    """

    db: Database
    store: Store
    trees: TreeCache
    executor: Executor
    signals: Signals
    home: Path
    now: Callable[[], int] = system_clock
    new_id: Callable[[], str] = random_id
    owner: str = field(default_factory=random_id)
    limits: Limits = field(default_factory=Limits)
    schedules: Callable[[], bool] = always

    def folder(self, attempt: AttemptId) -> RunFolder:
        """Return where the files of an attempt lie."""
        return RunFolder(self.home / "runs" / str(attempt))


@dataclass(frozen=True)
class RunFolder:
    """The files of one attempt: `out/N` for each output by path, `log/log`, and `work` for the executor."""

    path: Path

    def output(self, index: int) -> Path:
        """The directory that the program sees as its output number `index`."""
        return self.path / "out" / str(index)

    @property
    def log(self) -> Path:
        """The directory that becomes the log's Data."""
        return self.path / "log"

    @property
    def log_file(self) -> Path:
        """What the program printed so far."""
        return self.log / "log"

    @property
    def work(self) -> Path:
        """Scratch space of the executor."""
        return self.path / "work"
