"""Processes of this machine: waiting for their end without polling, and finding what is left of an attempt.

Every process of an attempt carries its name in the environment it was started with, so that a server that knows
nothing but the name finds it again.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from knit_server.executors.local.program import MARK

_ROUNDS = 200  # of kills, against a program that starts new processes as fast as it can


class Watched:
    """A process that is known without doubt, also after its number has been given to another one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor: int | None = os.pidfd_open(pid)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._ended(0)

    def _ended(self, seconds: float) -> bool:
        if self._descriptor is None:
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def kill(self) -> None:
        """Send SIGKILL; an ended process is fine."""
        if self._descriptor is not None:
            with suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def join(self, seconds: float) -> bool:
        """Wait that long at most; whether it has ended."""
        return self._ended(seconds)

    async def wait(self) -> None:
        """Return when it has ended. Several may wait."""
        if self._descriptor is None:
            return
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        own = os.dup(self._descriptor)
        loop.add_reader(own, done.set)
        try:
            await done.wait()
        finally:
            loop.remove_reader(own)
            os.close(own)

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def has_mark(pid: int, attempt: str) -> bool:
    """Whether a process was started for the attempt."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False  # gone, or not ours to see
    return f"{MARK}={attempt}".encode() in environment.split(b"\0")


def marked(attempt: str) -> Iterator[Watched]:
    """The living processes of an attempt; the caller closes them."""
    for name in os.listdir("/proc"):
        if name.isdigit() and has_mark(int(name), attempt):
            try:
                found = Watched(int(name))
            except ProcessLookupError:
                continue
            if has_mark(found.pid, attempt):  # again, now that the number cannot mean another one
                yield found
            else:
                found.close()


def kill_marked(attempt: str, patience: float = 2.0) -> bool:
    """Kill all processes of an attempt, and those they start meanwhile. False if some live on after `patience` s."""
    deadline = time.monotonic() + patience
    for _ in range(_ROUNDS):
        found = list(marked(attempt))
        if not found:
            return True
        for process in found:
            process.kill()
        gone = [process.join(max(0.0, deadline - time.monotonic())) for process in found]
        for process in found:
            process.close()
        if not all(gone):
            return False
    return False
