"""Attempts of one Run after each other: how long each may take, when the next is due, and what is left of the last.

Timers are the scheduler's, so that tests move time by hand.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from knit_server.content.door import translated
from knit_server.content.restore import remove_tree
from knit_server.domain import retries
from knit_server.domain.retries import End, NextAttempt
from knit_server.domain.runs import TIMED_OUT, VANISHED, Exit
from knit_server.executors.base import Observation, Phase
from knit_server.service.context import Context
from knit_server.service.lifecycle import Work

LOG_KEPT = 1 << 20
"""Bytes that are kept of what earlier attempts printed, counted from the end."""

_OWN = b"[knit] "  # how Knit's own lines begin
_LINE = 1 << 14  # bytes at least that the longest of these has
_BLOCK = 1 << 16


class Handle(Protocol):
    """What a timer gives back."""

    def cancel(self) -> None:
        """Do not call any more."""
        ...


Timer = Callable[[float, Callable[[], None]], Handle]
"""Calls something after so many seconds, in the scheduler's loop; `asyncio`'s `call_later` is one."""


class Alarm:
    """Rings at an instant of the scheduler's clock, the one that was set last."""

    def __init__(self, timer: Timer, now: Callable[[], int], ring: Callable[[], None]) -> None:
        self._timer, self._now, self._ring = timer, now, ring
        self._handle: Handle | None = None

    def set(self, instant: int | None) -> None:
        """Ring at `instant` (milliseconds) and no more before; None: not at all."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None if instant is None else self._timer(max(instant - self._now(), 0) / 1000, self._ring)


class TimeLimit:
    """Holds while a program runs: kills it once it has run longer than its Plan allows."""

    def __init__(self, timer: Timer, timeout: int | None, stop: Callable[[], None]) -> None:
        self._timer, self._timeout, self._stop = timer, timeout, stop
        self._handle: Handle | None = None
        self._passed = False

    def __enter__(self) -> Self:
        """Begin to count."""
        if self._timeout is not None:
            self._handle = self._timer(self._timeout / 1000, self._pass)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The program has ended."""
        self.lift()

    def lift(self) -> None:
        """Count no more: the program has ended, though hooks or the disk may hold up what follows."""
        if self._handle is not None:
            self._handle.cancel()

    def _pass(self) -> None:
        self._passed = True
        self._stop()

    def end_of(self, seen: Observation) -> tuple[End, Exit]:
        """Say how the attempt ended, from what the executor saw. One that ended well just in time did so."""
        if self._passed and self._timeout is not None and seen.phase is not Phase.SUCCEEDED:
            return End.TIMEOUT, Exit(TIMED_OUT, retries.exceeded(self._timeout))
        return (End.LOST if seen.phase is Phase.VANISHED else End.EXIT), exit_of(seen)


def exit_of(seen: Observation) -> Exit:
    """Say how a program ended that nobody interfered with, from what the executor saw."""
    if seen.phase is Phase.SUCCEEDED:
        return Exit(0)
    if seen.phase is Phase.VANISHED:
        return Exit(VANISHED, seen.reason or "its program vanished without a trace")
    if not seen.code:  # a failed Run never shows the code of a good one
        return Exit(1, seen.reason or "its program failed and left no exit code")
    return Exit(seen.code, seen.reason)


# --- what earlier attempts left ---------------------------------------------------------------------------------------


def close_log(ctx: Context, work: Work, exit_: Exit, follows: NextAttempt) -> None:
    """Say in the log how this attempt ended that another follows. A log that cannot be written to does without."""
    said = f" ({exit_.message})" if exit_.message else ""
    which = f"attempt {follows.number - 1} of {follows.tries}"
    with contextlib.suppress(OSError):
        _say(ctx.folder(work.attempt).log_file, f"{which} failed with exit {exit_.code}{said}")


def take_over(ctx: Context, work: Work) -> None:
    """Begin this attempt's log with those of earlier ones, and remove their folders. Raises `KnitError`.

    The file itself moves, so whoever follows it reads on; of a long one the beginning is left out.
    """
    numbers = [number for number in range(work.run.attempt) if _folder(ctx, work, number).exists()]
    if not numbers:
        return
    with translated(f"making the folder of Run {work.run.run_id}"):
        old, new = (ctx.folder(work.attempt._replace(number=each)) for each in (numbers[-1], work.run.attempt))
        if work.plan.log is not None and old.log_file.is_file():
            new.log.mkdir(parents=True)
            if old.log_file.stat().st_size > LOG_KEPT:
                _shorten(old.log_file)
            if old.log_file.stat().st_size and not _is_closed(old.log_file):
                _say(old.log_file, "this attempt was lost")
            os.replace(old.log_file, new.log_file)
    for number in numbers:
        remove_tree(_folder(ctx, work, number))


def _folder(ctx: Context, work: Work, number: int) -> Path:
    return ctx.folder(work.attempt._replace(number=number)).path


def _say(log: Path, text: str) -> None:
    """Add a line of Knit's own. Raises `OSError`."""
    with log.open("r+b") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(_OWN + text.encode() + b"\n")


def _is_closed(log: Path) -> bool:
    """Whether a log ends with a line of Knit's own."""
    with log.open("rb") as file:
        file.seek(-min(file.seek(0, os.SEEK_END), _LINE), os.SEEK_END)
        return file.read().rstrip(b"\n").rpartition(b"\n")[2].startswith(_OWN)


def _shorten(log: Path) -> None:
    """Keep the end of a log, in a file of its own: whoever follows the old one is at its end."""
    short = log.with_name("log.short")
    with log.open("rb") as source, short.open("wb") as target:
        left_out = source.seek(-LOG_KEPT, os.SEEK_END)
        target.write(_OWN + f"the first {left_out} bytes of earlier attempts are left out\n".encode())
        while block := source.read(_BLOCK):
            target.write(block)
    os.replace(short, log)
