"""Question marks: `%knit?`, `%knit data push?` and `%%knit plan?` show the help pages of the command line."""

from __future__ import annotations

import re

CELL = "%%"
"""What stands before the first word of a line magic to mean the cell magic: only help is asked so."""

_ASKED = re.compile(r"^(?P<indent>\s*)(?P<mark>%%?)knit(?P<words>(?:\s[^?\n]*)?)\?{1,2}\s*$")


def transformed(lines: list[str]) -> list[str]:
    """Rewrite lines that end with a question mark as `... --help`; all others stay."""
    if lines and lines[0].startswith("%%") and not _ASKED.match(lines[0]):
        return lines
    return [_line(each) for each in lines]


def _line(line: str) -> str:
    found = _ASKED.match(line)
    if found is None:
        return line
    words = found["words"].strip()
    if found["mark"] == "%%":
        words = f"{CELL}{words}"
    return f"{found['indent']}%knit {words} --help\n"
