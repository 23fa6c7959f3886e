"""The command line says, word for word, what the golden files say: `python tests/acceptance/golden.py --write`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import golden

PARTS = [part.__name__ for part in golden.PARTS]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The whole session, played once."""
    return dict(golden.play(tmp_path_factory.mktemp("golden")))


@pytest.mark.parametrize("part", PARTS)
def test_what_commands_say(played: dict[str, str], part: str) -> None:
    """Output, messages and exit codes are those of the golden file; if a change is meant, write it anew."""
    golden_file = golden.FOLDER / f"{part}.txt"
    assert played[part].splitlines() == golden_file.read_text(encoding="utf-8").splitlines()


def test_every_command_is_in_the_session() -> None:
    """A new command of the tree comes with its steps in `golden_session.py`."""
    told = "".join(file.read_text(encoding="utf-8") for file in sorted(golden.FOLDER.glob("*.txt")))
    missing = [name for name in golden.commands() if not re.search(rf"^\$ (\w+=\S+ )*{name}( |$)", told, re.MULTILINE)]
    assert missing == [], "add steps to golden_session.py, then: python tests/acceptance/golden.py --write"


def test_no_golden_file_is_left_over() -> None:
    """Each golden file belongs to a part of the session."""
    assert sorted(file.stem for file in golden.FOLDER.glob("*")) == sorted(PARTS)
