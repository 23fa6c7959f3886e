"""docs/cli.md tells the truth."""

from __future__ import annotations

import pytest

from knit_cli import reference
from knit_cli.help import help_page
from knit_cli.main import TREE


def test_the_page_is_up_to_date() -> None:
    """The generated part of docs/cli.md is what the tree of commands gives now."""
    page = reference.PAGE.read_text(encoding="utf-8")
    assert reference.updated(page) == page, "run: python -m knit_cli.reference"


def test_every_command_is_there() -> None:
    """Every command of the tree has a section."""
    text = reference.reference()
    for name in ("knit data push", "knit plan graph", "knit run stop", "knit image build", "knit serve", "knit init"):
        assert f"### {name}\n" in text
    assert [name for name in TREE if f"### knit {name}\n" not in text] == []


def test_every_page_is_whole() -> None:
    """Each command, flag and positional has its line of help, and no line is too wide for a terminal of 120 columns."""
    for command, context in reference.walk():
        assert command.help, context.command_path
        silent = [each.name for each in command.params if not (getattr(each, "help", "") or getattr(each, "text", ""))]
        assert silent == [], context.command_path
        page = help_page(command, context)
        assert [line for line in page.splitlines() if len(line) > 120] == [], context.command_path


def test_a_page_without_marks() -> None:
    """A page that has lost its marks is refused rather than overwritten."""
    with pytest.raises(ValueError, match="lacks the lines"):
        reference.updated("# nothing")
