"""A client of a double of the server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "knit_cli"))

from double import Double, double

from knit_server.client.api import KnitClient


@pytest.fixture
def server() -> Iterator[Double]:
    with double() as running:
        yield running


@pytest.fixture
def knit(server: Double) -> Iterator[KnitClient]:
    with KnitClient(server.url + "/", token="s3cret") as client:
        yield client
