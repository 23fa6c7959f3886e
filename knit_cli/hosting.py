"""The command inside another program, such as a notebook: that brings the server and takes results as what they are.

A host comes with the root flags (`Root.host`). Without one, commands print, as they do in a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import IO, TYPE_CHECKING, Any, Protocol

import click

from knit_cli.frame import Root
from knit_server.domain.errors import InvalidInput

if TYPE_CHECKING:
    from knit_server.client.api import KnitClient


class Host(Protocol):
    """What a program brings that gives commands by itself."""

    @property
    def stdout(self) -> IO[bytes]:
        """What takes the texts that a command prints."""
        ...

    def client(self, root: Root) -> KnitClient:
        """Return the client of the server in use, or of the profile that the root flags name; it stays open."""
        ...

    def take(self, command: str, value: object, about: Mapping[str, Any]) -> None:
        """Take a result, an answer of the API, in place of its text; `command` is such as `knit data find`."""
        ...

    def say(self, text: str) -> None:
        """Take what a terminal would get on stderr."""
        ...

    def progress(self, total: int | None) -> AbstractContextManager[Callable[[int, str], None]]:
        """Show how far a transfer of `total` bytes is; give what is told bytes, and at which file."""
        ...


class WrongWords(InvalidInput):
    """The words make no command. `advice` is the help page."""


def present() -> Host | None:
    """Return the host of the command that runs, None in a terminal."""
    context = click.get_current_context(silent=True)
    root = None if context is None else context.find_object(Root)
    return None if root is None else root.host


def given(value: object, **about: object) -> bool:
    """Hand a result to the host; False if there is none, and it is to be printed."""
    host = present()
    if host is None:
        return False
    host.take(click.get_current_context().command_path, value, about)
    return True
