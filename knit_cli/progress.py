"""Progress of transfers on stderr: a live bar and a closing line on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any

from knit_cli import hosting
from knit_cli.output import say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE = 1.0
"""Seconds after which it is said that the server is being waited for."""


class Meter:
    """Shows how far a transfer is. `total` is in bytes, None if unknown."""

    def __init__(self, total: int | None = None) -> None:
        self._total = total
        self._done = 0
        self._started = time.monotonic()
        self._shown = sys.stderr.isatty()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._waiting: threading.Timer | None = None
        self._host = hosting.present()
        self._hosted = ExitStack()
        self._tell: Callable[[int, str], None] | None = None

    def __enter__(self) -> Meter:
        if self._host is not None:
            self._tell = self._hosted.enter_context(self._host.progress(self._total))
        elif self._shown:
            self._bar = _bar()
            self._task = self._bar.add_task("", total=self._total, speed="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._stop()
        self._hosted.close()
        if kind is None and self._shown and self._host is None:
            self._summary()

    def step(self, done: int, path: str) -> None:
        """Take how many bytes are done, and at which file."""
        self._done = done
        if self._tell is not None:
            self._tell(done, path)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, description=printable(path), speed=self._speed())

    def sent(self) -> None:
        """Everything is sent; after a second without an answer it is said so."""
        self._stop()
        self._waiting = threading.Timer(_PATIENCE, say, ["waiting server..."])
        self._waiting.daemon = True
        self._waiting.start()

    def _speed(self) -> str:
        return f"{size(self._done / max(time.monotonic() - self._started, 1e-3))} p/s"

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _summary(self) -> None:
        total = max(self._total or 0, self._done)
        say(f"{size(self._done)} / {size(total)} [{'-' * 37}] 100.00% {self._speed()}")


def size(amount: float) -> str:
    """Write bytes for people: `22.12 MiB`."""
    units = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
    step = 0
    while amount >= 1024 and step < len(units) - 1:
        amount, step = amount / 1024, step + 1
    return f"{amount:.2f} {units[step]}" if step else f"{amount:.0f} B"


def printable(path: str) -> str:
    """Write a file name so that it can do nothing to a terminal, nor to rich's markup."""
    short = path if len(path) <= 40 else "…" + path[-39:]
    return "".join(char if char.isprintable() and char not in "[]" else "?" for char in short)


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (
        DownloadColumn(binary_units=True),
        BarColumn(),
        *(TextColumn(each) for each in ("{task.percentage:>6.2f}%", "{task.fields[speed]}", "{task.description}")),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
