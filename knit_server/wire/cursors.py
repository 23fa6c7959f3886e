"""Where a page of a list begins, as the text `cursor` of a query: opaque to clients, of no use for another list."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from typing import TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

from knit_server.domain.errors import InvalidInput
from knit_server.domain.paging import DataPosition, Order, PlanPosition, Position, RunPosition

_P = TypeVar("_P", DataPosition, PlanPosition, RunPosition)

MAX_PAGE = 1000
"""Most rows of a page; who asks for more gets so many, and where the next page begins."""
_MARKS: dict[type[Position], str] = {DataPosition: "d", PlanPosition: "p", RunPosition: "r"}
_INTEGERS = range(-(1 << 62), 1 << 62)  # what a database compares


def encode(position: Position) -> str:
    """Write a position."""
    text = json.dumps([_MARKS[type(position)], *position], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(kind: type[_P], text: str) -> _P:
    """Read a position of a list of that kind. Raises `InvalidInput`."""
    try:
        mark, *members = json.loads(base64.b64decode(text.encode() + b"=" * (-len(text) % 4), b"-_", validate=True))
        known = mark == _MARKS[kind] and len(members) == len(kind._fields) and _can_be(kind, members)
    except (ValueError, TypeError, RecursionError, binascii.Error):
        known = False
    if not known:
        raise InvalidInput(f"not a cursor of this list: {text!r}", advice="Take it from the Link of the page before.")
    return kind(*members)


def _can_be(kind: type[Position], members: list[object]) -> bool:
    if kind is PlanPosition:
        return isinstance(members[0], str)
    return all(type(member) is int and member in _INTEGERS for member in members)


def page(kind: type[_P], limit: str | None, cursor: str | None) -> tuple[_P | None, int] | None:
    """Read `limit` and `cursor` of a query; None if neither is given: all of the list. Raises `InvalidInput`."""
    if limit is None and cursor is None:
        return None
    rows = MAX_PAGE
    if limit is not None:
        if not (limit.isascii() and limit.isdecimal() and int(limit[:20])):
            raise InvalidInput(f"limit is not a number of rows: {limit!r}", advice="Write a number from 1.")
        rows = min(int(limit[:20]), MAX_PAGE)
    return None if cursor is None else decode(kind, cursor), rows


def order(text: str | None) -> Order:
    """Read `order` of a query, by default the oldest first. Raises `InvalidInput`."""
    try:
        return Order.OLDEST if text is None else Order(text)
    except ValueError as err:
        raise InvalidInput(f"not an order of a list: {text!r}", advice="It is oldest or newest.") from err


def link(path: str, query: Mapping[str, Iterable[bytes]], following: str) -> str:
    """Write the header `Link` (RFC 8288) that leads from a request to the page that begins behind `following`."""
    kept = {name: list(values) for name, values in query.items() if name != "cursor"}
    return f'<{path}?{urlencode({**kept, "cursor": following}, doseq=True)}>; rel="next"'


def following(header: str) -> str | None:
    """Return the cursor in a header `Link`, None if there is no next page."""
    for target, parameters in _LINK.findall(header):
        if 'rel="next"' in parameters or "rel=next" in parameters:
            return next(iter(parse_qs(urlsplit(target).query).get("cursor", [])), None)
    return None


_LINK = re.compile(r"<([^>]*)>([^,<]*)")
