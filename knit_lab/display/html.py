"""The small parts of pages: escaped text, chips of tags, marks of statuses, ids, sizes, and the frame around them.

Styles stand in the elements themselves, so that they survive where `<style>` is taken out, and override those that
Jupyter has for tables. Colours can be read on light and on dark pages. A status is a mark and a word, never a colour
alone.
"""

from __future__ import annotations

import html as _html
import re
from collections.abc import Iterable

from knit_server.wire import shapes

MARKS = {
    "waiting": "◔", "deactivated": "‖", "ready": "◑", "starting": "◕", "running": "▶", "completing": "▶",
    "aborting": "◼", "done": "✔", "failed": "✖", "invalidated": "⌫", "usable": "✔", "processing": "▶", "active": "✔",
    "inactive": "‖",
}  # fmt: skip
"""A mark for each status of a Run, and for the states of Data and Plans."""

_GREEN, _RED, _BLUE, _GREY, _AMBER = "#1e8449", "#d9363e", "#2b72d8", "#6e7781", "#a06800"
COLOURS = {
    "done": _GREEN, "usable": _GREEN, "active": _GREEN, "failed": _RED, "aborting": _RED, "running": _BLUE,
    "starting": _BLUE, "completing": _BLUE, "processing": _BLUE, "ready": _AMBER, "waiting": _GREY,
    "deactivated": _GREY, "invalidated": _GREY, "inactive": _GREY,
}  # fmt: skip
"""Colours of statuses: contrast 4.5 on white and 4 on the near black of JupyterLab's dark theme, as far as one can."""

NAME = "knit-cell"
"""The key of the annotation that holds the name of a Plan made by `%%knit plan NAME`."""

_CHIP = (
    "border:1px solid #8c959f;border-radius:9px;padding:0 7px;margin:1px 0;display:inline-block;max-width:36em;"
    "overflow:hidden;text-overflow:ellipsis;white-space:nowrap;vertical-align:bottom;unicode-bidi:isolate"
)
_FRAME = "max-width:100%;overflow-x:auto;font-size:13px;line-height:1.5;text-align:left"
_BIDI = "\u202a-\u202e\u2066-\u2069"  # what turns the direction of all that follows
_NEVER = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff{_BIDI}]")


def clean(text: str) -> str:
    """Replace what no page may hold, and what would change how the text around it reads."""
    return _NEVER.sub("\N{REPLACEMENT CHARACTER}", text)


def printable(text: str) -> str:
    """Replace what a terminal would act on; lines stay lines."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def escape(text: str) -> str:
    """Escape any text for HTML and SVG; characters that no page may hold are replaced."""
    return _html.escape(clean(text), quote=True)


def short(identifier: str) -> str:
    """Return the beginning of an id, which is enough to name it."""
    return identifier[:8]


def counted(count: int, noun: str) -> str:
    """Write how many there are: 1 Run, 2 Runs, 2 Data."""
    return f"{count} {noun.removesuffix('s') if count == 1 else noun}"


def given_name(plan: shapes.PlanSummary) -> str:
    """Return the name that its cell gave a Plan, "" if it has none."""
    start = f"{NAME}="
    return next((each.removeprefix(start) for each in plan.get("annotations", ()) if each.startswith(start)), "")


def plan_name(plan: shapes.PlanSummary) -> str:
    """Say which Plan it is, not escaped: its name with the image behind it, else the image, or a built-in's name."""
    image, name = plan.get("image") or plan.get("name", ""), given_name(plan)
    return f"{name} ({image})" if name else image


def identifier(value: str) -> str:
    """Show the beginning of an id; the whole stands in the tooltip."""
    return f'<code title="{escape(value)}">{escape(short(value))}</code>'


def chip(tag: str) -> str:
    """Show a tag; of a long one the beginning, with the whole in the tooltip."""
    key, colon, value = tag.partition(":")
    return f'<span style="{_CHIP}" title="{escape(tag)}"><b>{escape(key)}</b>{escape(colon + value)}</span>'


def chips(tags: Iterable[str]) -> str:
    """Show tags side by side."""
    return " ".join(map(chip, tags)) or "<i>no tags</i>"


def mark(word: str) -> str:
    """Show the mark of a status, in its colour."""
    return f'<span style="color:{COLOURS.get(word, "inherit")};font-weight:600">{MARKS.get(word, "•")}</span>'


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
    return f'<div class="knit" style="{_FRAME}">{content}</div>'
