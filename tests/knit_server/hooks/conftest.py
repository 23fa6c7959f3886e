"""A hook server beside the tests of hooks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the hook server beside all tests

from hook_server import HookServer, a_hook


@pytest.fixture
def hook() -> Iterator[HookServer]:
    """A hook that agrees with everything."""
    with a_hook() as server:
        yield server


@pytest.fixture
def other() -> Iterator[HookServer]:
    """Another one."""
    with a_hook() as server:
        yield server
