"""What commands share: the client of the profile in use, times and depths as typed, and the summaries of refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import click

from knit_cli.frame import Root, usage
from knit_server.domain import tags, times
from knit_server.domain.errors import InvalidInput, KnitError

if TYPE_CHECKING:
    from knit_server.client.api import Depth, KnitClient
    from knit_server.client.profiles import KnitEnv, Selection

_T = TypeVar("_T")
_CLIENT = "knit_cli.client"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def root() -> Root:
    """Return the root flags of this command line."""
    found = click.get_current_context().find_object(Root)
    return found or Root()


def selection() -> Selection:
    """Return which profile is in use."""
    from knit_server.client import profiles

    return profiles.select(name=root().profile, store=root().store)


@contextmanager
def connected() -> Iterator[KnitClient]:
    """Give a client for the profile in use: one for all of a command, closed when the command has ended."""
    if (host := root().host) is not None:
        yield host.client(root())
        return
    context = click.get_current_context()
    if (known := context.meta.get(_CLIENT)) is None:
        from knit_server.client import profiles
        from knit_server.client.api import KnitClient

        known = context.meta[_CLIENT] = KnitClient.from_profile(profiles.load(selection()))
        context.call_on_close(known.close)
    client: KnitClient = known
    yield client


def knitenv() -> KnitEnv:
    """Return the `knitenv` in use."""
    from knit_server.client import profiles

    return profiles.load_env(root().env)


@contextmanager
def refused(summary: str) -> Iterator[None]:
    """Put `summary` before what a server answers that refuses; `{code}` in it is the HTTP status."""
    from knit_server.wire.errors import code_of

    try:
        yield
    except KnitError as err:
        code = code_of(err)
        if code is None:
            raise
        raise KnitError(f"{_summary(code, summary)}\n{err.reason}", advice=err.advice, see=err.see) from err


def _summary(code: int, summary: str) -> str:
    """Return the first line: the command's own, unless the status is no matter of the command."""
    if 300 <= code < 400:
        return f"redirect (status code = {code})"
    if code in (401, 403):
        return f"the server does not accept this token (status code = {code})"
    return f"server error (status code = {code})" if code >= 500 else summary.replace("{code}", str(code))


INCOMPATIBLE = "[BUG] client is not compatible with the server (status code = {code})"
"""The summary where a correct client gets no refusal."""


# --- words ------------------------------------------------------------------------------------------------------------


def of_flag(name: str, read: Callable[[str], _T], word: str) -> _T:
    """Read the value of a flag; what is wrong with it names the flag (exit code 1)."""
    try:
        return read(word)
    except InvalidInput as err:
        raise InvalidInput(f"{err.reason}: {name}", advice=err.advice, see=err.see) from err


def tag_texts(name: str, words: Iterable[str]) -> list[str]:
    """Read tags as typed into `key:value` texts, trimmed."""
    return [str(of_flag(name, tags.parse, word)) for word in words]


def window(since: str | None, duration: str | None) -> tuple[int | None, int | None]:
    """Read `--since` and `--duration` into milliseconds. A duration alone is a usage error."""
    if since is None:
        if duration is not None:
            raise usage("--duration needs --since")
        return None, None
    start = of_flag("--since", local_instant, since)
    return start, None if duration is None else of_flag("--duration", times.parse_duration, duration)


def limit(word: str | None) -> int | None:
    """Read `--limit`: a number from 1, or None for all."""
    if word is None:
        return None
    if not (word.isascii() and word.isdecimal() and int(word[:18]) > 0):
        raise usage(f"--limit is a number from 1, not {word!r}")
    return int(word[:18])


def local_instant(text: str) -> int:
    """Read a time as typed; without a zone it is local, summer time included."""
    wall = (_EPOCH + timedelta(milliseconds=times.parse_loose_instant(text, UTC))).replace(tzinfo=None)
    try:
        zone = wall.astimezone().tzinfo
    except (OverflowError, ValueError, OSError):  # outside the years that the system's clock knows
        zone = UTC
    return times.parse_loose_instant(text, zone or UTC)


def depth(word: str) -> Depth:
    """Read `--numbers`: a number from 1, or `all`."""
    if word == "all":
        return "all"
    if not (word.isascii() and word.lstrip("+-").isdigit() and len(word) < 10):
        raise InvalidInput(f"not a number: {word!r}: --numbers", advice="Write a number from 1, or all.")
    if int(word) < 1:
        raise usage("--numbers must be a positive integer or 'all'")
    return int(word)


def directions(upstream: bool | None, downstream: bool | None, numbers: str) -> tuple[Depth, Depth]:
    """Read `-u`, `-d` and `-n` into depths: with neither direction asked for, both; switched off means none."""
    steps = depth(numbers)
    if upstream is None and downstream is None:
        upstream = downstream = True
    return steps if upstream else 0, steps if downstream else 0


def file_id(knit_id: str) -> str:
    """Return an id that shall name a file or directory. Raises `InvalidInput` if it could name another place."""
    if not knit_id or knit_id in (".", "..") or "/" in knit_id or "\0" in knit_id:
        raise InvalidInput(f"not a Knit ID: {knit_id!r}", advice="List the Data: knit data find")
    return knit_id
