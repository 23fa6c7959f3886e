"""The errors meant for people."""

from __future__ import annotations

import inspect

import pytest

from knit_server.domain import errors
from knit_server.domain.errors import KnitError

CLASSES = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, KnitError)]


def test_the_tree_is_drawn() -> None:
    """Every error is in the drawing at the head of the module, below its parent."""
    drawing = (errors.__doc__ or "").splitlines()
    depth = {
        line.split()[-1] if "──" not in line else line.split("── ")[1].split()[0]: line.find("──")
        for line in drawing
        if "──" in line
    }
    for each in CLASSES:
        if each is KnitError:
            continue
        assert each.__name__ in depth
        parent = each.__mro__[1]
        assert depth.get(parent.__name__, 0) < depth[each.__name__]


@pytest.mark.parametrize("error", [errors.EquivalentPlan("p-1"), errors.CyclicPlan(["a", "b", "a"])])
def test_conflicts_of_plans_name_ids(error: KnitError) -> None:
    """A refused Plan names what it collides with, and says the next step."""
    assert "p-1" in error.reason or "a -> b -> a" in error.reason
    assert error.advice


def test_text() -> None:
    """As text, an error is its reason, and its advice on a line of its own."""
    assert str(KnitError("wrong")) == "wrong"
    assert str(KnitError("wrong", advice="do this", see="docs")) == "wrong\ndo this"
    assert KnitError("wrong", see="docs").see == "docs"
