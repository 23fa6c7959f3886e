"""docs/magics.md is what happens: its cells are executed, in order, on a real server."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import magics
from server import Server
from walkthrough import Differs

from knit_lab.magics import results


@pytest.mark.slow
def test_the_page_is_what_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell of the page ends, or fails, as the page says, and prints what stands below it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    with Server(tmp_path) as server:
        try:
            magics.compare(magics.PAGE.read_text(encoding="utf-8"), server.handout, server.project)
        except Differs as err:
            pytest.fail(
                f"docs/magics.md is not what happens. If that is right: python tests/docs/magics.py --write\n{err}"
            )


def test_all_results_are_told() -> None:
    """Every command whose result is an object is in the table."""
    page = magics.PAGE.read_text(encoding="utf-8")
    verbs = {command.removeprefix("knit ") for command in results.MAKERS}
    assert [each for each in sorted(verbs) if f"`{each}`" not in page] == []
