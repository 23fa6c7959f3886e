"""Tables in terminals and on pages: aligned, counted, short however long the list is."""

from __future__ import annotations

from datetime import UTC, datetime

from markup import Page  # found by conftest.py

from knit_lab.display import html as markup
from knit_lab.display import tables
from knit_lab.display.tables import Head, Kind

HEADS = (Head("id", Kind.ID), Head("tags", Kind.TAGS), Head("state", Kind.STATUS), Head("at", Kind.TIME))
AT = datetime(2026, 11, 22, 10, 30, 5, tzinfo=UTC)


def rows(count: int) -> list[list[object]]:
    return [[f"{number:08}-rest", (f"n:{number}", "type:raw"), "done", AT] for number in range(count)]


def test_text_is_aligned() -> None:
    """Columns begin where their heads do; ids are short."""
    assert tables.text(HEADS, rows(2), "Data") == (
        "2 Data\n"
        "id        tags          state  at\n"
        "00000000  n:0 type:raw  done   2026-11-22 10:30:05\n"
        "00000001  n:1 type:raw  done   2026-11-22 10:30:05"
    )


def test_one_and_none() -> None:
    """One is not told as many; where there is nothing, that is all that is said."""
    assert tables.text(HEADS, rows(1), "Runs").startswith("1 Run\n")
    assert tables.text(HEADS, [], "Runs") == "0 Runs"
    assert Page(tables.html(HEADS, [], "Runs")).text == "0 Runs"
    assert markup.counted(1, "Data") == "1 Data"


def test_wide_characters_are_aligned() -> None:
    """East Asian characters take two columns, combining ones none; what is cut is cut there, too."""
    told = tables.text((Head("a"), Head("b")), [["日本", "x"], ["e\u0301", "y"], ["語" * 40, "z"]], "files").split("\n")
    assert told[2] == "日本" + " " * 46 + "x"
    assert told[3] == "e\u0301" + " " * 49 + "y"
    assert told[4] == "語" * 23 + "…" + " " * 3 + "z"


def test_a_thousand_rows() -> None:
    """The first and the last are shown, with how many there are between; the page stays small."""
    many = rows(1000)
    text, page = tables.text(HEADS, many, "Data"), tables.html(HEADS, many, "Data")
    assert text.startswith("1000 Data\n")
    assert text.count("\n") == tables.MOST + 2
    assert "... 940 more ..." in text
    assert "… 940 more …" in Page(page).text
    for number in (0, 29, 970, 999):
        assert f"{number:08} " in text
        assert f"{number:08}" in page
    assert "00000030" not in page
    assert len(page) < 100_000


def test_values() -> None:
    """Times, sizes, truth and nothing, as people read them."""
    assert tables.plain(AT, Kind.TIME) == "2026-11-22 10:30:05"
    assert tables.plain(5_000_000, Kind.SIZE) == "4.8 MiB"
    assert tables.plain(True, Kind.TEXT) == "yes"
    assert tables.plain(None, Kind.ID) == ""
    assert tables.cell(None, Kind.STATUS) == ""
    assert markup.size(0) == "0 B"
    assert markup.size(1023) == "1023 B"
    assert markup.size(1 << 50) == "1024.0 TiB"


def test_a_status_is_a_mark_and_a_word() -> None:
    """Whoever sees no colours reads it, too."""
    for word, mark in markup.MARKS.items():
        assert Page(markup.status(word)).text == f"{mark} {word}"
    assert Page(markup.status("new")).text == "• new"
    assert Page(tables.cell(False, Kind.STATUS)).text == "‖ inactive"


def test_colours_can_be_read() -> None:
    """On white and on the dark theme of JupyterLab (WCAG 2.1: 4.5 for text, 3 for what is bold)."""
    for colour in set(markup.COLOURS.values()):
        assert contrast(colour, "#ffffff") >= 4.5
        assert contrast(colour, "#111111") >= 4


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
