"""A `knit` command line in a directory of its own, set up for a double of the server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from double import Double, double

from knit_cli.main import main


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


Knit = Callable[..., Result]


@pytest.fixture
def server() -> Iterator[Double]:
    with double() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and, in it, the project directory that the test is in."""
    project = tmp_path / "home" / "project"
    project.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def knit(home: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Knit:
    """The command, without a profile."""

    def run(*words: str) -> Result:
        capfdbinary.readouterr()
        code = main(words)
        out, err = capfdbinary.readouterr()
        return Result(code, out.decode(), err.decode())

    return run


@pytest.fixture
def ready(knit: Knit, server: Double, home: Path) -> Knit:
    """The command, with a profile for the double."""
    (home / "knitprofile").write_text(f"apiRoot: {server.url}\ncert: {{}}\ntoken: s3cret\n")
    assert knit("init", "knitprofile").code == 0
    return knit
