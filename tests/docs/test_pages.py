"""Notebooks as pages: what becomes of each kind of output."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

sys.path.insert(0, str(Path(__file__).parent))  # tests are no packages

import pages

TITLE = new_markdown_cell("# Title\n\nNext: [second](02-second.ipynb), [docs](https://example.org/a.ipynb)")


def page(source: str, *made: Any, **options: Any) -> pages.Page:
    """The page of a notebook with a title and one cell."""
    cell = new_code_cell(source, id="cell", outputs=list(made))
    return pages.made(new_notebook(cells=[TITLE, cell]), "01-first", **options)


def shown(**data: str) -> Any:
    """A rich output; names of MIME types are written with `__` for the slash."""
    return new_output("execute_result", {name.replace("__", "/"): value for name, value in data.items()})


def test_prose_and_code() -> None:
    """Prose leads to pages in place of notebooks; the origin is told below the title; code is fenced."""
    text = page("x = 1").text
    assert text.startswith(
        "# Title\n\nNext: [second](02-second.md), [docs](https://example.org/a.ipynb)\n\n*This is [note"
    )
    assert "```python\nx = 1\n```" in text


def test_what_is_printed() -> None:
    """Parts of one stream are one block, without colours, and without the place of a cell on this machine."""
    parts = [new_output("stream", name="stdout", text=each) for each in ("one\n", "\x1b[31mtwo\x1b[0m\n")]
    assert "```text\none\ntwo\n```" in page("x", *parts).text
    warning = new_output("stream", name="stderr", text="/tmp/ipykernel_12/34.py:1: UserWarning: beware\n")
    assert "```text\nUserWarning: beware\n```" in page("x", warning).text


def test_fences_hold() -> None:
    """What has a fence in it gets a longer one."""
    assert "````text\n```\nx\n```\n````" in page("x", new_output("stream", name="stdout", text="```\nx\n```")).text


def test_pictures() -> None:
    """The best form becomes a file, told by its line and its text; a widget shows its picture, and says so."""
    made = page(
        "make()\ngraph", shown(text__plain="Plan 4f2a [x]\n\nmore", **{"image/svg+xml": "<svg/>"}),
        shown(image__png=base64.b64encode(b"png").decode(), text__plain="<Image object>"),
        shown(text__plain="Tree", **{"image/svg+xml": "<svg>2</svg>", pages.WIDGET: "x"}),
    )  # fmt: skip
    assert made.pictures == {
        "01-first-cell.svg": b"<svg/>",
        "01-first-cell-1.png": b"png",
        "01-first-cell-2.svg": b"<svg>2</svg>",
    }
    assert "![graph: Plan 4f2a x](../images/notebooks/01-first-cell.svg)" in made.text
    assert "![graph](../images/notebooks/01-first-cell-1.png)" in made.text
    assert "(In JupyterLab this is a widget" in made.text.partition("cell-2.svg")[2]
    assert pages.pictures_in(made.text) == made.pictures.keys()


def test_tables() -> None:
    """HTML stays one block of HTML, without style sheets, which sites show as text."""
    made = page(
        "x", shown(text__html="<div>\n<style scoped>\n  td {}\n</style>\n\n    <b>1</b>\n</div>", text__plain="1")
    ).text
    assert "\n\n<div>\n    <b>1</b>\n</div>\n" in made
    code = page("x", shown(text__html="<div><pre>a:\n\n  - b</pre>\n\n</div>")).text
    assert "<div><pre>a:\n&nbsp;\n  - b</pre>\n</div>" in code
    assert "```text\n1\n```" in page("x", shown(text__plain="1")).text
    assert "text" not in page("x", shown(text__plain=" \n")).text.partition("x\n```")[2]


def test_nothing_of_this_machine() -> None:
    """Paths of this machine in a page or in a picture stop its making."""
    for made in (new_output("stream", name="stdout", text="in /here/lab"), shown(**{"image/svg+xml": "/here/lab"})):
        with pytest.raises(ValueError, match="01-first shows /here/lab"):
            page("x", made, forbidden=("/here/lab",))
