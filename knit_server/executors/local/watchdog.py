"""A memory limit where no control group enforces one: what a program and its children hold is added up and watched."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

_INTERVAL = 0.2  # seconds; a program that grows faster than the machine's memory in this time is not caught


@dataclass(frozen=True)
class _Charge:
    pid: int
    limit: int
    exceeded: Callable[[], None]


class Watchdog:
    """Adds up resident memory per process tree while something runs; shared pages count for each process."""

    def __init__(self) -> None:
        self._charges: dict[str, _Charge] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def watch(self, name: str, pid: int, limit: int, exceeded: Callable[[], None]) -> None:
        """Call `exceeded`, from another thread and once, when the tree of `pid` holds more than `limit` bytes."""
        with self._changed:
            self._charges[name] = _Charge(pid, limit, exceeded)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="knit-memory-watchdog", daemon=True)
                self._thread.start()

    def forget(self, name: str) -> None:
        """Watch it no longer."""
        with self._changed:
            self._charges.pop(name, None)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._charges:
                    self._changed.wait(_INTERVAL)
                if not self._charges:
                    self._thread = None
                    return
                charges = dict(self._charges)
            held = _held({charge.pid for charge in charges.values()})
            for name, charge in charges.items():
                if held.get(charge.pid, 0) > charge.limit:
                    self.forget(name)
                    charge.exceeded()


def _held(roots: set[int]) -> dict[int, int]:
    """Bytes of resident memory per root, in one pass over the machine's processes."""
    import psutil

    parents: dict[int, int] = {}
    resident: dict[int, int] = {}
    for process in psutil.process_iter(["ppid", "memory_info"]):
        memory = process.info["memory_info"]
        parents[process.pid] = process.info["ppid"] or 0
        resident[process.pid] = memory.rss if memory is not None else 0
    held = dict.fromkeys(roots, 0)
    for pid, size in resident.items():
        above: int | None = pid
        seen = set()
        while above and above not in roots and above not in seen:
            seen.add(above)
            above = parents.get(above)
        if above in held:
            held[above] += size
    return held
