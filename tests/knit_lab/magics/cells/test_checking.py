"""What a cell would miss in a Run is named, with what helps."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from knit_lab.magics.cells import checking, reading
from knit_lab.objects.data import Data
from knit_server.domain.errors import InvalidInput


def refused(code: str, names: dict[str, object] | None = None, *, with_modules: bool = True) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        checking.check(reading.read(code), names or {}, with_modules=with_modules)
    return caught.value


def test_everything_at_once() -> None:
    """All problems are in one message, each with its line."""
    err = refused("import nowhere_at_all\nprint(one)\ndisplay(two)")
    assert "nothing was sent" in err.reason
    for told in ("line 2: one is not defined", "line 3: display is there in notebooks only",
                 "line 3: two is not defined", "line 1: there is no module nowhere_at_all"):  # fmt: skip
        assert told in err.reason
    assert "Install what has nowhere_at_all, or name an image that has it: --image" in (err.advice or "")


class Thing:
    """Somebody's class."""


@pytest.mark.parametrize(
    ("value", "kind", "advice"),
    [
        (math, "a module", "import math as it"),
        (0.5, "a value (float)", "--arg it=... (args.it)"),
        ("text", "a value (str)", "--arg it=... (args.it)"),
        (Thing, "a class", "Define or import it in the cell."),
        (len, "a function", "Define or import it in the cell."),
        ([1], "a list", "Push it as a Data (knit.push) and name it by --in"),
    ],
)
def test_names_of_the_notebook(value: object, kind: str, advice: str) -> None:
    """For what is defined elsewhere in the notebook, it is said what that is and how a cell gets it."""
    err = refused("it", {"it": value})
    assert f"it is not defined in the cell, only in the notebook: {kind}" in err.reason
    assert advice in (err.advice or "")


def test_modules_that_are_no_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file beside the notebook imports here, but not in a Run; modules made by hand have no place at all."""
    (tmp_path / "helpers_of_mine.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "made_by_hand", type(sys)("made_by_hand"))
    err = refused("import helpers_of_mine, made_by_hand")
    assert f"helpers_of_mine is no installed package but lies in {tmp_path}" in err.reason
    assert "there is no module made_by_hand" in err.reason
    checking.check(reading.read("import helpers_of_mine"), {}, with_modules=False)


def test_what_is_there() -> None:
    """The standard library and installed packages are there."""
    checking.check(reading.read("import os, sys, time, xml.dom, click, yaml, numpy"), {}, with_modules=True)


def test_data_of_the_notebook() -> None:
    """A Data that the notebook holds becomes an input by its id."""
    err = refused("raw", {"raw": Data(None, {"knitId": "4f2a"})})  # type: ignore[arg-type, typeddict-item]
    assert "only in the notebook: a Data" in err.reason
    assert "--in raw=knit#id:4f2a" in (err.advice or "")
