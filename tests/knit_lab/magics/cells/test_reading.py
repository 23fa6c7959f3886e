"""What is read in the code of a cell, without running it."""

from __future__ import annotations

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_lab.magics.cells import reading
from knit_server.domain.errors import InvalidInput

NAMES = st.text("abcxyz_", min_size=1, max_size=4).filter(lambda name: not keyword.iskeyword(name))


@pytest.mark.parametrize(
    ("code", "free"),
    [
        ("x = 1\nprint(x)", {}),
        ("print(x)", {"x": 1}),
        ("\ndef f(a):\n    return a + b\n", {"b": 2}),
        ("def f():\n    return later\nlater = 1\n", {}),
        ("class A:\n    y = 1\n    def m(self):\n        return y, self\n", {"y": 4}),
        ("[z for z in range(3)]\n(lambda q: q + w)(1)", {"w": 2}),
        ("def f():\n    global g\n    g = 1\nf()\nprint(g)", {}),
        ("def f():\n    n = 1\n    def h():\n        nonlocal n\n        n += 1\n    return h", {}),
        ("import os.path as p, sys\nfrom json import loads as l\np, sys, l, os", {"os": 3}),
        ("from math import *\nprint(pi, e)", {}),
        ("try:\n    1\nexcept ValueError as err:\n    print(err)", {}),
        ("with open('x') as f:\n    for i, (a, *b) in f:\n        print(i, a, b)", {}),
        ("if (n := 3) > 2: print(n)", {}),
        ("match [1]:\n    case [a, *rest]: print(a, rest, b)", {"b": 2}),
        ("print(inputs.raw, outputs.made, args.k, __name__, __file__)", {}),
        ("x: int\ny: T = 1", {"T": 2}),
        ("display(1)\nget_ipython()", {"display": 1, "get_ipython": 2}),
        ("@deco\ndef f(a=default): ...", {"deco": 1, "default": 2}),
        ("print(f'{inner!r:>{width}}')", {"inner": 1, "width": 1}),
    ],
)
def test_free_names(code: str, free: dict[str, int]) -> None:
    """Names that only a notebook could give are found, each with its first line; all others are not."""
    assert reading.read(code).free == free


@given(NAMES, NAMES)
def test_free_unless_defined(name: str, other: str) -> None:
    """A name is free exactly if nothing in the cell defines it."""
    assert (name in reading.read(f"{other} = 1\n{name}\n").free) is (name != other)


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("import os.path, numpy as np", {"os": 1, "numpy": 1}),
        ("from sklearn.svm import SVC\ndef f():\n    import pandas\n", {"sklearn": 1, "pandas": 3}),
        ("try:\n    import fast\nexcept ImportError:\n    fast = None", {}),
        ("try:\n    import fast\nexcept (ModuleNotFoundError, ValueError):\n    fast = None", {}),
        ("try:\n    import fast\nexcept:\n    fast = None", {}),
        ("try:\n    import needed\nexcept ValueError:\n    pass", {"needed": 2}),
    ],
)
def test_modules(code: str, modules: dict[str, int]) -> None:
    """The outermost modules of all imports, but for those that may fail."""
    assert reading.read(code).modules == modules


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("", "the cell has no code"),
        ("# only a remark\n", "the cell has no code"),
        ("x = 1\n!ls -l", "line 2 of the cell is not plain Python: !ls -l"),
        ("files = !ls", "line 1 of the cell is not plain Python: files = !ls"),
        ("%time x = 1", "line 1 of the cell is not plain Python: %time x = 1"),
        ("print?", "line 1 of the cell is not plain Python: print?"),
        ("x = (1,\n", "line 1 of the cell: '(' was never closed"),
        ("await f()", "(a notebook allows that, Python does not)"),
        ("return 1", "line 1 of the cell: 'return' outside function"),
        ("from . import x", "imports from its own package"),
        ("x = '\0'", "of the cell:"),
        ("x = '\ud800'", "of the cell:"),
    ],
)
def test_what_is_no_plain_python(code: str, told: str) -> None:
    """What a Run could not execute is refused with its line."""
    with pytest.raises(InvalidInput) as caught:
        reading.read(code)
    assert told in caught.value.reason
    assert caught.value.advice


def test_equal_code_has_one_hash() -> None:
    """Blank lines around, blanks at ends of lines and line ends of Windows make no other code; everything else does."""
    one = reading.read("x = 1\n\ny = 2\n")
    assert reading.read("\n\nx = 1  \r\n\r\ny = 2\n\n").hash == one.hash
    assert reading.read("x = 1\ny = 2\n").hash != one.hash
    assert reading.read("if 1:\n    x = 1").hash != reading.read("if 1:\n  x = 1").hash
