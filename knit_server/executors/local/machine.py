"""What this machine offers to Runs, as its control group and CPU affinity let this process see it."""

from __future__ import annotations

import os
from pathlib import Path

from knit_server.executors.base import Capacity
from knit_server.executors.local.cgroups import memberships


def capacity() -> Capacity:
    """Cores (possibly a fraction) and bytes of memory."""
    import psutil

    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    memory = int(psutil.virtual_memory().total)
    for names, own, root in memberships():
        for folder in (own, *own.parents):
            if not folder.is_relative_to(root):
                break
            if not names or "cpu" in names:
                cores = min(cores, _quota(folder) or cores)
            if not names or "memory" in names:
                memory = min(memory, _limit(folder) or memory)
    return Capacity(cpu=cores, memory=memory)


def _quota(folder: Path) -> float | None:
    """The cores that a group may use, or None."""
    given = _words(folder / "cpu.max")
    given = given or [*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")]
    quota, period = given if len(given) == 2 else ("max", "1")
    return int(quota) / int(period) if quota.isdigit() and int(quota) > 0 else None


def _limit(folder: Path) -> int | None:
    """The bytes that a group may hold, or None."""
    given = _words(folder / "memory.max") or _words(folder / "memory.limit_in_bytes")
    return int(given[0]) if given and given[0].isdigit() else None


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
