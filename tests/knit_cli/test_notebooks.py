"""`knit notebooks`: Knit's notebooks in a folder of the user's, and never over what the user wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from knit_cli import examples
from knit_cli.examples import Deed
from knit_server.domain.errors import InvalidInput, NotFound


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    for name in ("01-first.ipynb", "more/tool.py", "__pycache__/x.pyc", "more/.ipynb_checkpoints/y.ipynb"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "more" / "tool.py").chmod(0o755)
    return folder


def deeds(origin: Path, target: Path) -> dict[str, Deed]:
    return {str(path.relative_to(target)): deed for path, deed in examples.copy(origin, target)}


def test_new_and_again(origin: Path, tmp_path: Path) -> None:
    """All files come, with their modes, without what tools left; a second time nothing is written."""
    target = tmp_path / "a" / "b"
    assert deeds(origin, target) == {"01-first.ipynb": Deed.NEW, "more/tool.py": Deed.NEW}
    assert (target / "more" / "tool.py").stat().st_mode & 0o111
    assert deeds(origin, target) == {"01-first.ipynb": Deed.SAME, "more/tool.py": Deed.SAME}
    assert {path.name for path in target.rglob("*") if path.is_file()} == {"01-first.ipynb", "tool.py", examples.LIST}


def test_a_newer_knit(origin: Path, tmp_path: Path) -> None:
    """What is as it came is brought up to date; what the user changed stays, however often it is asked for."""
    deeds(origin, tmp_path / "t")
    (tmp_path / "t" / "01-first.ipynb").write_text("mine")
    for name in ("01-first.ipynb", "more/tool.py"):
        (origin / name).write_text("newer")
    assert deeds(origin, tmp_path / "t") == {"01-first.ipynb": Deed.KEPT, "more/tool.py": Deed.UPDATED}
    assert deeds(origin, tmp_path / "t") == {"01-first.ipynb": Deed.KEPT, "more/tool.py": Deed.SAME}
    assert (tmp_path / "t" / "01-first.ipynb").read_text() == "mine"
    (tmp_path / "t" / "01-first.ipynb").unlink()
    assert deeds(origin, tmp_path / "t")["01-first.ipynb"] is Deed.NEW


@pytest.mark.parametrize("damaged", ["", "[]", "{", '{"01-first.ipynb": 1}'])
def test_the_list_is_lost(origin: Path, tmp_path: Path, damaged: str) -> None:
    """Without the list nobody knows what the user changed, so everything that differs stays."""
    deeds(origin, tmp_path / "t")
    (tmp_path / "t" / examples.LIST).write_text(damaged)
    (origin / "01-first.ipynb").write_text("newer")
    assert deeds(origin, tmp_path / "t")["01-first.ipynb"] is Deed.KEPT


def test_nothing_is_written_through_links(origin: Path, tmp_path: Path) -> None:
    """A link, a broken one or a folder in the place of a file is the user's, and stays."""
    target = tmp_path / "t"
    (target / "more" / "tool.py").mkdir(parents=True)
    (target / "01-first.ipynb").symlink_to(tmp_path / "nowhere")
    assert set(deeds(origin, target).values()) == {Deed.KEPT}
    assert not (tmp_path / "nowhere").exists()


def test_no_place(origin: Path, tmp_path: Path) -> None:
    """A folder that cannot be one is told."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="part of the path is not a directory"):
        examples.copy(origin, tmp_path / "file" / "below")


def test_none_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without them says so."""
    monkeypatch.setattr(examples, "_PLACES", ())
    with pytest.raises(NotFound, match="there are no notebooks in this installation"):
        examples.source()


def test_the_command(knit, home: Path, origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The notebooks' paths are the result; what was kept is a warning; what to do next is said."""
    (origin / "tutorial").mkdir()
    monkeypatch.setattr(examples, "_PLACES", (origin,))
    result = knit("notebooks")
    assert (result.code, json.loads(result.out)) == (0, ["knit-notebooks/01-first.ipynb"])
    assert "2 files written to knit-notebooks, 0 were there, 0 kept" in result.err
    assert "next: jupyter lab knit-notebooks/01-first.ipynb" in result.err
    (home / "knit-notebooks" / "01-first.ipynb").write_text("mine")
    result = knit("notebooks", "knit-notebooks")
    assert "kept, since it was changed: knit-notebooks/01-first.ipynb" in result.err
    assert "0 files written to knit-notebooks, 1 were there, 1 kept" in result.err
