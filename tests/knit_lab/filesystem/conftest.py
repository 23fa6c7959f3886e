"""File systems on the server of this package's tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from knit_lab.filesystem import KnitFileSystem
from knit_lab.objects.data import Data
from knit_lab.session import Session


@pytest.fixture
def fs(here: Session) -> KnitFileSystem:
    """A file system without options: that of the session in use."""
    return KnitFileSystem()


@pytest.fixture
def pushed(here: Session, case: str) -> Callable[..., Data]:
    """`pushed({"a.txt": b"alpha"}, "more:tags")`: a Data of these files, with the tag of the test."""

    def push(files: dict[str, Any], *tags: str) -> Data:
        return here.push(files, [case, *tags], progress=False)

    return push
