"""What the acceptance tests share: a server for all that do not disturb each other, an image that does as told."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from server import Server  # found by the line above: tests are no packages


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the image `act:1`; tests keep apart by their tags."""
    with Server(tmp_path_factory.mktemp("knit")) as running:
        running.build_act()
        yield running


@pytest.fixture
def here(server: Server, tmp_path: Path) -> Path:
    """A folder of the test's own that belongs to the server's project."""
    return server.also(tmp_path / "here")


@pytest.fixture
def case(request: pytest.FixtureRequest) -> str:
    """A tag that no other test has."""
    return "case:" + re.sub(r"\W+", "-", request.node.name)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with something to push."""
    folder = tmp_path / "source"
    (folder / "below").mkdir(parents=True)
    (folder / "a.txt").write_text("alpha\n")
    (folder / "below" / "b.txt").write_text("beta\n")
    return folder
