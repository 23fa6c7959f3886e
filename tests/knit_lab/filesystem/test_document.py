"""docs/filesystem.md is what happens."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from knit_lab.session import Session

PAGE = Path(__file__).parents[3] / "docs" / "filesystem.md"


def test_the_page_is_what_happens(here: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example, in order, gives what the page says."""
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    parsed = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    assert len(parsed.examples) > 30
    said: list[str] = []
    flags = doctest.ELLIPSIS
    outcome = doctest.DocTestRunner(optionflags=flags).run(parsed, out=said.append, clear_globs=True)
    assert outcome.failed == 0, "".join(said)
