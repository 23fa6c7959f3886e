"""The small parts of pages: escaped text, chips of tags, marks of statuses, ids, sizes, and the frame around them.

Styles stand in the elements themselves, so that they survive where `<style>` is taken out, and colours have enough
contrast on light and on dark pages. A status is a mark and a word, never a colour alone.
"""

from __future__ import annotations

import html as _html
from collections.abc import Iterable

MARKS = {
    "waiting": "◔", "deactivated": "⏸", "ready": "◑", "starting": "◕", "running": "▶", "completing": "▶",
    "aborting": "◼", "done": "✔", "failed": "✖", "invalidated": "⌫", "usable": "✔", "processing": "▶",
}  # fmt: skip
"""A mark for each status of a Run, and for the states of Data."""

COLOURS = {
    "done": "#1a7f37", "usable": "#1a7f37", "failed": "#cf222e", "aborting": "#cf222e", "running": "#0969da",
    "starting": "#0969da", "completing": "#0969da", "processing": "#0969da", "waiting": "#6e7781", "ready": "#9a6700",
    "deactivated": "#6e7781", "invalidated": "#6e7781",
}  # fmt: skip
"""Colours of statuses, readable (4.5:1) on white; on dark pages the mark and the word carry the meaning."""


_CHIP = "border:1px solid #8c959f;border-radius:9px;padding:0 7px;margin:1px 0;white-space:nowrap;display:inline-block"


def escape(text: str) -> str:
    """Escape any text for HTML; characters that no page may hold are replaced."""
    clean = "".join(char if char >= " " or char in "\t\r\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
    return _html.escape(clean, quote=True)


def short(identifier: str) -> str:
    """Return the beginning of an id, which is enough to name it."""
    return identifier[:8]


def identifier(value: str) -> str:
    """Show the beginning of an id; the whole stands in the tooltip."""
    return f'<code title="{escape(value)}">{escape(short(value))}</code>'


def chip(tag: str) -> str:
    """Show a tag."""
    key, colon, value = tag.partition(":")
    style = (
        "border:1px solid #8c959f;border-radius:9px;padding:0 7px;white-space:nowrap;display:inline-block;margin:1px 0"
    )
    return f'<span style="{style}"><b>{escape(key)}</b>{escape(colon + value)}</span>'


def chips(tags: Iterable[str]) -> str:
    """Show tags side by side."""
    return " ".join(map(chip, tags)) or "<i>no tags</i>"


def status(word: str) -> str:
    """Show a status: its mark, and the word."""
    colour = COLOURS.get(word, "inherit")
    return (
        f'<span style="color:{colour};font-weight:600;white-space:nowrap">{MARKS.get(word, "•")} {escape(word)}</span>'
    )


def size(count: int) -> str:
    """Write a number of bytes for people."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def framed(content: str) -> str:
    """Put the frame of Knit around `content`."""
    return f'<div class="knit" style="max-width:100%;overflow-x:auto;font-size:13px">{content}</div>'
