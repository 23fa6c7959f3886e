"""Tables: aligned text for a terminal, and HTML without scripts."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from knit_lab.display import html as markup


class Kind(enum.Enum):
    """How the values of a column are shown."""

    TEXT = "text"
    ID = "id"
    TAGS = "tags"
    TIME = "time"
    SIZE = "size"
    STATUS = "status"


class Head(NamedTuple):
    """The head of a column."""

    title: str
    kind: Kind = Kind.TEXT


MOST = 60
"""Rows that are shown; the first and the last ones, with how many are left out between."""
_WIDTH = 48


def text(heads: Sequence[Head], rows: Sequence[Sequence[object]], noun: str) -> str:
    """Return an aligned table with a first line that counts."""
    shown, hidden = _fitting(rows)
    cells = [[plain(value, head.kind) for value, head in zip(row, heads, strict=True)] for row in shown]
    table = [[head.title for head in heads], *cells]
    widths = [min(_WIDTH, max(len(row[at]) for row in table)) for at in range(len(heads))]
    lines = [
        "  ".join(_cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table
    ]
    if hidden:
        lines.insert(1 + len(shown) // 2, f"... {hidden} more ...")
    return "\n".join([f"{len(rows)} {noun}", *([] if not rows else [line.rstrip() for line in lines])])


def html(heads: Sequence[Head], rows: Sequence[Sequence[object]], noun: str) -> str:
    """Return an HTML table with a caption that counts."""
    shown, hidden = _fitting(rows)
    head = "".join(f"<th>{markup.escape(each.title)}</th>" for each in heads)
    body = [
        "<tr>" + "".join(f"<td>{cell(value, each.kind)}</td>" for value, each in zip(row, heads, strict=True)) + "</tr>"
        for row in shown
    ]
    if hidden:
        body.insert(len(shown) // 2, f'<tr><td colspan="{len(heads)}">… {hidden} more …</td></tr>')
    caption = f"<caption>{len(rows)} {markup.escape(noun)}</caption>"
    table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    return markup.framed(table)


def plain(value: object, kind: Kind) -> str:
    """Return a value as text."""
    if value is None:
        return ""
    if kind is Kind.ID:
        return markup.short(str(value))
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if kind is Kind.SIZE and isinstance(value, int):
        return markup.size(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return " ".join(map(str, value))
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(value))


def cell(value: object, kind: Kind) -> str:
    """Return a value as HTML."""
    if kind is Kind.TAGS and isinstance(value, tuple | list):
        return " ".join(markup.chip(str(tag)) for tag in value)
    if kind is Kind.ID and value is not None:
        return markup.identifier(str(value))
    if kind is Kind.STATUS and isinstance(value, str):
        return markup.status(value)
    return markup.escape(plain(value, kind))


def _fitting(rows: Sequence[Sequence[object]]) -> tuple[list[Sequence[object]], int]:
    if len(rows) <= MOST:
        return list(rows), 0
    half = MOST // 2
    return [*rows[:half], *rows[-half:]], len(rows) - 2 * half


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
