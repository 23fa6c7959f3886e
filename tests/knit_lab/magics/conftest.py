"""An IPython shell in this process, with Knit's magics, on the real server of the tests of the notebook package."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from knit_lab.session import Session


class Done(NamedTuple):
    """What came of a cell: its result, its error, and what it printed."""

    result: Any
    error: BaseException | None
    out: str


Cell = Callable[[str], Done]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A fresh shell without history, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance(config=config)
    yield made
    made.run_cell("%unload_ext knit_lab")
    made.history_manager.end_session()
    InteractiveShell.clear_instance()


@pytest.fixture
def cell(shell: InteractiveShell, here: Session, capsys: pytest.CaptureFixture[str]) -> Cell:
    """`cell(CODE)`: run a cell as the user would, with the magics loaded."""
    shell.run_cell("%load_ext knit_lab")
    capsys.readouterr()

    def run(code: str) -> Done:
        done = shell.run_cell(code, store_history=True)
        told = capsys.readouterr()
        return Done(done.result, done.error_before_exec or done.error_in_exec, told.out + told.err)

    return run
