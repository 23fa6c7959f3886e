"""What the machine itself can do, so that figures mean something."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


def durable_task(count: int = 100) -> float:
    """Milliseconds to start a program, and make one file and one line of a journal durable: no engine can be faster."""
    with tempfile.TemporaryDirectory() as name, open(Path(name) / "journal", "ab", buffering=0) as journal:
        begun = time.perf_counter()
        for number in range(count):
            os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
            with open(Path(name) / f"output-{number}", "wb", buffering=0) as output:
                output.write(b"x")
                os.fsync(output.fileno())
            journal.write(b"done\n")
            os.fsync(journal.fileno())
        return (time.perf_counter() - begun) / count * 1000


def sandbox_start(count: int = 50) -> float:
    """Milliseconds to run `true` in a bare sandbox."""
    words = ["bwrap", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib"]
    words += ["--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--unshare-pid", "--", "true"]
    return timed(lambda: subprocess.run(words, check=True), count) * 1000


def timed(work: Callable[[], object], count: int = 1) -> float:
    """Seconds that `work` takes, the mean of `count` times."""
    begun = time.perf_counter()
    for _ in range(count):
        work()
    return (time.perf_counter() - begun) / count
