"""Answers that come line by line: image builds (JSON lines) and the change stream (server-sent events)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from knit_server.domain.errors import Unavailable
from knit_server.wire import errors, shapes


@dataclass(frozen=True, kw_only=True)
class Event:
    """A change. `kind` is data, plan, run or reset; `id` resumes the stream behind it."""

    id: int | None
    kind: str
    data: shapes.Json


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
