"""Lets the tests of persistence import `stored`, which puts Plans, Runs and Data into a database."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from stored import Keeper

from knit_server.persistence import Database


@pytest.fixture
def keep(db: Database) -> Keeper:
    """Puts values into `db`."""
    return Keeper(db)
