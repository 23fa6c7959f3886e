"""The demo's `knit serve`: a child process that is started, waited for, and always stopped."""

from __future__ import annotations

import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

#: The start of the line that ends the server's start-up; the profile of the handout is there by then.
READY = "next: knit init "
#: Seconds that the server gets to start, and to stop before it is killed.
START_SECONDS, STOP_SECONDS = 90.0, 30.0


class ServerFailed(Exception):
    """The server did not start; the message holds what it said."""


class Server:
    """A Knit server as a context manager; its stderr goes to a log file and, until it is ready, to the screen."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.command, self.log = list(command), log
        self._ready, self._ended = threading.Event(), threading.Event()
        self._changed = threading.Condition()
        self._last: deque[str] = deque(maxlen=40)

    def __enter__(self) -> Self:
        # A session of its own: Ctrl-C reaches the demo alone, which then stops the server in order.
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert self.process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,), name="server log", daemon=True)
        self._reader.start()
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def running(self) -> bool:
        """Whether the server process lives."""
        return self.process.poll() is None

    def stop(self) -> int:
        """Ask the server to end, wait, and kill it if it takes too long; its exit code."""
        if self.running():
            self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(STOP_SECONDS)
        return self.process.returncode

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        with self._changed:
            while not self._ready.is_set():
                if self._ended.is_set():
                    raise ServerFailed(f"knit serve ended before it was ready:\n{''.join(self._last)}")
                if not self._changed.wait(deadline - time.monotonic()):
                    raise ServerFailed(f"knit serve was not ready after {START_SECONDS:.0f} s:\n{''.join(self._last)}")

    def _read(self, lines: IO[str]) -> None:
        """Copy the server's stderr to the log, line by line, until the server closes it."""
        with lines, self.log.open("w") as log:
            for line in lines:
                log.write(line)
                log.flush()
                self._last.append(line)
                if not self._ready.is_set():
                    print(f"    {line}", end="", flush=True)
                if line.startswith(READY):
                    self._announce(self._ready)
        self._announce(self._ended)

    def _announce(self, event: threading.Event) -> None:
        with self._changed:
            event.set()
            self._changed.notify_all()
