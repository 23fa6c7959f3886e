"""docs/notebook-api.md is what happens: its examples are executed, in order, on a real server."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))

from server import Server

import knit_lab

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "notebook-api.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SAYS = re.compile(r"  # -> (.*)$")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A kernel of a Jupyter server with Knit, in an empty folder."""
    from knit_lab import api

    with Server(tmp_path / "knit") as server:
        assert not server.knit("image", "build", "-t", "upper:1", str(ROOT / "tests" / "knit_lab" / "upper")).returncode
        monkeypatch.setenv("KNIT_PROFILE_FILE", str(server.handout))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr(api, "_current", None)
        (tmp_path / "notebook").mkdir()
        monkeypatch.chdir(tmp_path / "notebook")
        yield tmp_path / "notebook"
        knit_lab.current().close()


@pytest.mark.slow
def test_examples(served: Path) -> None:
    """What stands behind an arrow is what comes."""
    names: dict[str, object] = {}
    compared = 0
    for example in EXAMPLE.findall(PAGE.read_text()):
        for statement in ast.parse(example).body:
            source = ast.get_source_segment(example, statement) or ""
            wanted = SAYS.search(example.splitlines()[(statement.end_lineno or 1) - 1])
            if wanted is None or not isinstance(statement, ast.Expr):
                exec(compile(ast.Module([statement], []), str(PAGE), "exec"), names)
                continue
            compared += 1
            assert str(eval(source, names)).strip() == wanted[1], source
    assert compared >= 20


def test_the_reference_is_complete() -> None:
    """Every public function of the module is in it, with its arguments."""
    text = PAGE.read_text()
    for name in ("connect(profile=None", "push(source", "find(*tags", "plan(source", "why(what", "wait(timeout=None"):
        assert f"`{name}" in text
