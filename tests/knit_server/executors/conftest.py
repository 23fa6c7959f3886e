"""Lets tests import `executor_contract`, the suite that every executor passes, and `archive_maker`; builds images."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from knit_server.executors.base import Image
from knit_server.executors.local import LocalImageStore

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

Build = Callable[..., Image]


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> LocalImageStore:
    """A store with one image for all tests of executors, `tools`: Python and nothing else."""
    root = tmp_path_factory.mktemp("knit-home") / "images"
    store = LocalImageStore(root)
    context = root.with_name("tools")
    context.mkdir()
    (context / "Dockerfile").write_text("FROM python:3\n")
    store.build(context, "tools")
    return store


@pytest.fixture
def build(images: LocalImageStore, tmp_path: Path) -> Build:
    """Build an image from a Dockerfile's lines and files."""

    def build(name: str, dockerfile: str, files: Mapping[str, str] | None = None) -> Image:
        context = tmp_path / f"context-{name}"
        for path, text in {"Dockerfile": dockerfile, **(files or {})}.items():
            (context / path).parent.mkdir(parents=True, exist_ok=True)
            (context / path).write_text(text)
        return images.build(context, name)

    return build
