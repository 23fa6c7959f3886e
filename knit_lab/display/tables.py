"""Tables: aligned text for a terminal, and HTML without scripts."""

from __future__ import annotations

import enum
import unicodedata
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
"""Columns of a terminal that a cell takes at most."""
_CAPTION = "text-align:left;caption-side:top;white-space:nowrap;padding:0 0 4px;opacity:.75"
_HEAD = "text-align:left;vertical-align:bottom;padding:2px 14px 2px 6px;border-bottom:1px solid #8c959f"
_CELL = "text-align:left;vertical-align:top;padding:3px 14px 3px 6px;max-width:60em;overflow-wrap:anywhere"


def text(heads: Sequence[Head], rows: Sequence[Sequence[object]], noun: str) -> str:
    """Return an aligned table with a first line that counts."""
    shown, hidden = _fitting(rows)
    cells = [[_flat(plain(value, head.kind)) for value, head in zip(row, heads, strict=True)] for row in shown]
    table = [[head.title for head in heads], *cells]
    widths = [min(_WIDTH, max(_columns(row[at]) for row in table)) for at in range(len(heads))]
    lines = ["  ".join(_fill(cell, width) for cell, width in zip(row, widths, strict=True)) for row in table]
    if hidden:
        lines.insert(1 + len(shown) // 2, f"... {hidden} more ...")
    return "\n".join([markup.counted(len(rows), noun), *([] if not rows else [line.rstrip() for line in lines])])


def html(heads: Sequence[Head], rows: Sequence[Sequence[object]], noun: str) -> str:
    """Return an HTML table with a caption that counts."""
    counted = markup.escape(markup.counted(len(rows), noun))
    if not rows:
        return markup.framed(f"<i>{counted}</i>")
    shown, hidden = _fitting(rows)
    head = "".join(f'<th style="{_HEAD}">{markup.escape(each.title)}</th>' for each in heads)
    body = ["".join(_td(value, each.kind) for value, each in zip(row, heads, strict=True)) for row in shown]
    if hidden:
        body.insert(len(shown) // 2, f'<td style="{_CELL}" colspan="{len(heads)}"><i>… {hidden} more …</i></td>')
    caption = f'<caption style="{_CAPTION}">{counted}</caption>'
    trs = "".join(f"<tr>{each}</tr>" for each in body)
    return markup.framed(
        f'<table style="border-collapse:collapse;margin:0">{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{trs}</tbody></table>"
    )


def plain(value: object, kind: Kind) -> str:
    """Return a value as text."""
    if value is None:
        return ""
    if kind is Kind.ID:
        return markup.printable(markup.short(str(value)))
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if kind is Kind.SIZE and isinstance(value, int):
        return markup.size(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        value = " ".join(map(str, value))
    return markup.printable(str(value))


def cell(value: object, kind: Kind) -> str:
    """Return a value as HTML."""
    if kind is Kind.TAGS and isinstance(value, tuple | list):
        return " ".join(markup.chip(str(tag)) for tag in value)
    if kind is Kind.ID and value is not None:
        return markup.identifier(str(value))
    if kind is Kind.STATUS and isinstance(value, bool):
        return markup.status("active" if value else "inactive")
    if kind is Kind.STATUS and isinstance(value, str):
        return markup.status(value)
    return markup.escape(plain(value, kind))


def _fitting(rows: Sequence[Sequence[object]]) -> tuple[list[Sequence[object]], int]:
    if len(rows) <= MOST:
        return list(rows), 0
    half = MOST // 2
    return [*rows[:half], *rows[-half:]], len(rows) - 2 * half


def _td(value: object, kind: Kind) -> str:
    style = _CELL if kind in (Kind.TEXT, Kind.TAGS) else f"{_CELL};white-space:nowrap"
    return f'<td style="{style}">{cell(value, kind)}</td>'


def _flat(text: str) -> str:
    return text.replace("\n", "\N{REPLACEMENT CHARACTER}")


def _columns(text: str) -> int:
    """Return how many columns of a terminal `text` takes: East Asian characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_column(char) for char in text)


def _column(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _fill(text: str, width: int) -> str:
    """Fill `text` with blanks to `width` columns, or cut it."""
    taken = _columns(text)
    if taken > width:
        kept, taken = "", 1
        for char in text:
            if (taken := taken + _column(char)) > width:
                taken -= _column(char)
                break
            kept += char
        text = f"{kept}…"
    return text + " " * (width - taken)
