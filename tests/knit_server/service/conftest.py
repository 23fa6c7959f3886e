"""A Knit without a scheduler, on SQLite and on PostgreSQL, and `Desk`, which works with it as users and programs do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from desk import Desk

from knit_server.service.context import Context, Limits
from knit_server.testing import ManualClock, temp_knit

OpenDesk = Callable[..., Desk]


@pytest.fixture
def clock() -> ManualClock:
    """The time of `ctx`."""
    return ManualClock()


@pytest.fixture
def ctx(tmp_path: Path, db_url: str, clock: ManualClock) -> Iterator[Context]:
    """An open Knit."""
    with temp_knit(tmp_path / "home", url=db_url, now=clock) as ctx:
        yield ctx


@pytest.fixture
def desk(ctx: Context, tmp_path: Path) -> Desk:
    """Works with `ctx`."""
    return Desk(ctx, tmp_path)


@pytest.fixture
def narrow(tmp_path: Path, db_url: str, clock: ManualClock) -> Iterator[Desk]:
    """Works with a Knit that makes at most three Runs in one transaction."""
    with temp_knit(tmp_path / "home", url=db_url, now=clock, limits=Limits(runs_per_step=3)) as ctx:
        yield Desk(ctx, tmp_path)
