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
from collections.abc import Callable, Iterable
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


def kill_all(find: Callable[[], list[Watched]], patience: float) -> bool:
    """Kill what `find` finds until it finds nothing. False if some live on after `patience` seconds."""
    deadline = time.monotonic() + patience
    for _ in range(_ROUNDS):
        found = find()
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


def watch(pids: Iterable[int], ours: Callable[[int], bool] = lambda pid: True) -> list[Watched]:
    """The processes that are alive and `ours`; the caller closes them."""
    found = []
    for pid in pids:
        if ours(pid):
            try:
                process = Watched(pid)
            except ProcessLookupError:
                continue
            if ours(pid):  # again, now that the number cannot come to mean another process
                found.append(process)
            else:
                process.close()
    return found


def kill_marked(attempt: str, patience: float, session: int | None = None) -> bool:
    """Kill all processes that were started for an attempt or belong to its session. False if some live on."""

    def ours(pid: int) -> bool:
        return has_mark(pid, attempt) or (session is not None and _session(pid) == session)

    return kill_all(lambda: watch((int(name) for name in os.listdir("/proc") if name.isdigit()), ours), patience)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None
