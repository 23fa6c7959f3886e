"""Answers that come line by line: image builds (JSON lines) and the change stream (server-sent events)."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from knit_server.domain.errors import KnitError, Unavailable
from knit_server.wire import errors, shapes

SILENCE = 50.0
"""Seconds without a word after which a change stream is dead: the server sends a heartbeat every 15."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """A change. `kind` is data, plan, run or reset; `id` resumes the stream behind it."""

    id: int | None
    kind: str
    data: shapes.Json


class Ending:
    """Ends a stream from another thread, while whoever reads it waits for its next word. It stays ended."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._cut: Callable[[], None] | None = None
        self._asked = threading.Event()

    @property
    def is_asked(self) -> bool:
        """Whether the end was asked for."""
        return self._asked.is_set()

    def ask(self) -> None:
        """Let the stream end now; more often than once is no error."""
        self._asked.set()
        with self._guard:
            if self._cut is not None:
                self._cut()

    def wait(self, seconds: float) -> bool:
        """Wait at most so many seconds; True as soon as the end is asked for."""
        return self._asked.wait(seconds)

    @contextlib.contextmanager
    def cutting(self, cut: Callable[[], None]) -> Iterator[None]:
        """Call `cut` if the end is asked for within the block, or was before. Errors that come of it end the block."""
        with self._guard:
            self._cut = cut
            if self.is_asked:
                cut()
        try:
            yield
        except KnitError:
            if not self.is_asked:
                raise
        finally:
            with self._guard:
                self._cut = None


def lines(blocks: Iterable[bytes]) -> Iterator[str]:
    """Cut blocks of bytes into lines of text; what follows the last newline is a line too."""
    rest = b""
    for block in blocks:
        *complete, rest = (rest + block).split(b"\n")
        for line in complete:
            yield line.removesuffix(b"\r").decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")


def build_lines(blocks: Iterable[bytes], progress: Callable[[str], None]) -> shapes.Image:
    """Read the answer to an image build; raises the error in it, or `Unavailable` if it is cut off."""
    return cast("shapes.Image", _outcome(blocks, progress, "image", "build"))


def load_lines(blocks: Iterable[bytes], progress: Callable[[str], None]) -> list[shapes.Image]:
    """Read the answer to the loading of images; raises the error in it, or `Unavailable` if it is cut off."""
    return cast("list[shapes.Image]", _outcome(blocks, progress, "images", "load"))


def _outcome(blocks: Iterable[bytes], progress: Callable[[str], None], name: str, doing: str) -> object:
    for line in lines(blocks):
        try:
            told = json.loads(line) if line.strip() else {}
        except ValueError:
            break
        if "progress" in told:
            progress(str(told["progress"]))
        elif "error" in told:
            raise errors.from_body(told["error"])
        elif name in told:
            return cast("object", told[name])
    raise Unavailable(
        f"the server stopped in the middle of the {doing}", advice=f"Look at its log, then {doing} again."
    )


def events(blocks: Iterable[bytes]) -> Iterator[Event]:
    """Read server-sent events; comments and unknown fields are left out."""
    number: int | None = None
    kind, data = "", []
    for line in lines(blocks):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif name == "id" and value.isdigit():
            number = int(value)
        elif not line and (kind or data):
            yield Event(id=number, kind=kind or "message", data=_object("\n".join(data)))
            kind, data = "", []


def _object(text: str) -> shapes.Json:
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
