"""Worlds for the tests of the scheduler; most of them run on SQLite and on PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the helper modules beside this file

from scheduler_programs import PROGRAMS
from scheduler_world import World, a_world, scheduling


@pytest.fixture
def world(tmp_path: Path, db_url: str) -> Iterator[World]:
    """A Knit without a scheduler, on either database."""
    with a_world(tmp_path / "home", PROGRAMS, url=db_url) as opened:
        yield opened


@pytest.fixture
def knit(world: World) -> Iterator[World]:
    """A Knit with a running scheduler."""
    with scheduling(world.ctx):
        yield world
