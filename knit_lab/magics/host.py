"""The notebook as the host of commands: it brings its session, and gathers what they find."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import IO, Any, NamedTuple, cast

from knit_cli.frame import Root
from knit_lab.display import progress
from knit_lab.session import Session
from knit_server.client.api import KnitClient


class Taken(NamedTuple):
    """A result of a command: the command's path, what was found, and what else is known about it."""

    command: str
    value: Any
    about: Mapping[str, Any]


class Notebook:
    """Hosts one command. `taken` is what it found, `session` the one it spoke through, if it did."""

    def __init__(self, sessions: Callable[[Root], Session]) -> None:
        self._sessions = sessions
        self._stdout = cast("IO[bytes]", Texts())
        self.session: Session | None = None
        self.taken: list[Taken] = []

    @property
    def stdout(self) -> IO[bytes]:
        """What prints into the cell."""
        return self._stdout

    def client(self, root: Root) -> KnitClient:
        """Return the client of the session in use, or of the one for the profile that the flags name."""
        self.session = self._sessions(root)
        return self.session.client

    def take(self, command: str, value: object, about: Mapping[str, Any]) -> None:
        """Keep a result."""
        self.taken.append(Taken(command, value, about))

    def say(self, text: str) -> None:
        """Print a remark."""
        print(text, flush=True)

    def progress(self, total: int | None) -> AbstractContextManager[Callable[[int, str], None]]:
        """Show a line that is written over again."""
        return progress.shown(True, total or 0)


class Texts(io.RawIOBase):
    """Takes bytes of UTF-8 and prints them as texts, wherever `sys.stdout` leads at that moment."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        """It takes bytes."""
        return True

    def write(self, content: Any, /) -> int:
        """Print what is complete of the text so far."""
        data = bytes(content)
        sys.stdout.write(self._decoder.decode(data))
        sys.stdout.flush()
        return len(data)
