"""Widgets are opened by those who have them; who has not is told how to get them."""

from __future__ import annotations

import sys
from datetime import timedelta

import pytest

from knit_lab import opening
from knit_lab.session import Session
from knit_server.client.api import KnitClient
from knit_server.domain.errors import InvalidInput, Unsupported


@pytest.fixture
def nobody() -> Session:
    """A session that asks nobody."""
    return Session(KnitClient("http://127.0.0.1:9/knit/api"))


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch, nobody: Session) -> None:
    """Without ipywidgets, a widget is an error with advice, and nothing else fails."""
    for name in [each for each in sys.modules if each.startswith("knit_lab.components")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(Unsupported, match="the widgets are not installed: ") as told:
        opening.monitor(nobody)
    assert told.value.advice is not None
    assert "pip install" in told.value.advice


@pytest.mark.parametrize(
    ("given", "told"), [(None, ""), ("90m", "90m"), (90, "90000ms"), (timedelta(hours=1), "3600000ms")]
)
def test_durations_become_words(given: object, told: str) -> None:
    """A duration of Python stands in the filter as people would write it."""
    assert opening.duration_words(given) == told  # type: ignore[arg-type]


def test_refuses_durations_that_are_none(nobody: Session) -> None:
    """A duration that nobody could mean is refused before anything is opened."""
    with pytest.raises(InvalidInput):
        opening.monitor(nobody, duration=-1)
