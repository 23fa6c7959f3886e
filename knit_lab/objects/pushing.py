"""Pushing from a notebook: directories and files as they lie, and what has no file yet, laid out in one first."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from knit_lab.display import progress as bars
from knit_lab.objects import frames
from knit_server.client.api import KnitClient
from knit_server.domain.errors import InvalidInput
from knit_server.wire import shapes

Source = str | os.PathLike[str] | bytes | Mapping[str, Any] | Any
"""A path, bytes, a DataFrame (pandas or polars), or a mapping of file names to any of these."""


def push(
    client: KnitClient, source: Source, tags: Sequence[str], *, name: str | None = None, progress: bool = True
) -> shapes.DataDetail:
    """Push `source` as a new Data; with `name`, it also gets the tag `name:...`. Raises `KnitError`."""
    every = list(dict.fromkeys([*tags, *([f"name:{name}"] if name else [])]))
    with laid_out(source, name) as place, bars.shown(progress, _size(place)) as tell:
        return client.push(place, every, progress=tell)


@contextmanager
def laid_out(source: Source, name: str | None = None) -> Iterator[Path]:
    """Give a path that holds `source`: paths as they are, anything else in a temporary directory.

    Bytes and DataFrames without a `name` are called `data.bin` and `table.parquet`; the ending of a DataFrame's file
    name says its format: .parquet, .csv, .json (lines) or .feather. Raises `InvalidInput`.
    """
    if isinstance(source, str | os.PathLike):
        yield Path(source).expanduser()
        return
    with tempfile.TemporaryDirectory(prefix="knit-push-") as made:
        root = Path(made)
        if isinstance(source, Mapping):
            for file_name, content in source.items():
                _write(root, file_name, content)
        else:
            _write(root, _name_of(source, name), source)
        yield root


def _name_of(source: object, name: str | None) -> str:
    if name is not None and PurePosixPath(name).suffix:
        return name
    return f"{name or 'table'}.parquet" if frames.is_frame(source) else name or "data.bin"


def _write(root: Path, name: str, content: object) -> None:
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts or not inside.parts:
        raise InvalidInput(f"not a file name: {name!r}", advice="Name a file below the Data, such as raw/table.csv")
    place = root / inside
    place.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes | bytearray | memoryview):
        place.write_bytes(content)
    elif isinstance(content, str):
        place.write_text(content, encoding="utf-8")
    elif isinstance(content, os.PathLike):
        source = Path(content).expanduser()
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, place)
    elif frames.is_frame(content):
        frames.write(content, place)
    else:
        raise InvalidInput(
            f"{type(content).__name__} cannot be pushed",
            advice="Push a path, bytes, a text, a DataFrame, or a mapping of file names to these.",
        )


def _size(place: Path) -> int:
    """Return how many bytes there are to read; what cannot be read is told when it is pushed."""
    if place.is_file():
        return place.stat().st_size
    total, until = 0, time.monotonic() + 2  # a progress bar is not worth a long walk
    for folder, _, names in os.walk(place):
        total += sum(os.lstat(os.path.join(folder, each)).st_size for each in names)
        if time.monotonic() > until:
            return 0
    return total
