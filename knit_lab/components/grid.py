"""A table whose rows are chosen by mouse or keys, drawn by the browser: one message however many rows have changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import anywidget
import traitlets

from knit_lab.display.html import MARKS

HERE = Path(__file__).parent


class Cell(TypedDict):
    """What a cell says. `tone` is its look (id, good, bad, busy, wait, off), `title` what a pointer on it is told.

    With `chips`, these tags are shown in place of the text, each framed.
    """

    text: str
    tone: NotRequired[str]
    title: NotRequired[str]
    chips: NotRequired[list[str]]


class Row(TypedDict):
    """A row, known by its id."""

    id: str
    cells: list[Cell]


_TONES = {
    "done": "good", "failed": "bad", "aborting": "bad", "running": "busy", "starting": "busy", "completing": "busy",
    "waiting": "wait", "ready": "wait", "deactivated": "off", "invalidated": "off",
    "usable": "good", "processing": "busy",
}  # fmt: skip


class Grid(anywidget.AnyWidget):
    """Shows `rows` under `columns`; `chosen` is the id of the one that was chosen, "" for none. Texts stay texts."""

    _esm = HERE / "grid.js"
    _css = HERE / "grid.css"

    columns = traitlets.List(traitlets.Unicode()).tag(sync=True)
    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    chosen = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    empty = traitlets.Unicode("").tag(sync=True)

    def __init__(self, columns: Sequence[str], label: str, empty: str) -> None:
        """`label` names the table for who does not see it, `empty` is said in place of no rows."""
        super().__init__(columns=list(columns), label=label, empty=empty)

    def show(self, rows: Sequence[Row]) -> None:
        """Show `rows`, if they differ from what is shown."""
        fresh: list[Any] = list(rows)
        if fresh != self.rows:
            self.rows = fresh


def status(word: str) -> Cell:
    """Return the cell of a status: its mark and the word."""
    return {"text": f"{MARKS.get(word, '•')} {word}", "tone": _TONES.get(word, "off")}


def identifier(value: str) -> Cell:
    """Return the cell of an id: its beginning; a pointer is told the whole."""
    return {"text": value[:8], "tone": "id", "title": value}
