"""Pushing from a notebook: directories and files as they lie, and what has no file yet, laid out in one first."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from knit_lab.display import progress as bars
from knit_lab.objects import asking, frames
from knit_server.client.api import KnitClient
from knit_server.content.door import show, translated
from knit_server.domain.errors import InvalidInput
from knit_server.wire import shapes

Source = str | os.PathLike[str] | bytes | Mapping[str, Any] | Any
"""A path, bytes, a DataFrame (pandas or polars), or a mapping of file names to any of these."""


def push(
    client: KnitClient, source: Source, tags: Sequence[str], *, name: str | None = None, progress: bool = True
) -> shapes.DataDetail:
    """Push `source` as a new Data; with `name`, it also gets the tag `name:...`. Raises `KnitError`."""
    every = list(dict.fromkeys([*tags, *([f"name:{name}"] if name else [])]))
    with laid_out(source, name) as place, bars.shown(progress, size_of(place)) as tell:
        left_out: list[str] = []
        try:
            return client.push(place, every, progress=tell, warn=left_out.append)
        finally:
            for words in left_out:
                asking.warn(words)


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
        files = source if isinstance(source, Mapping) else {_name_of(source, name): source}
        if not files:
            raise InvalidInput("there is nothing to push", advice="Give at least one file name with its content.")
        for file_name, content in files.items():
            with translated(f"laying out {show(str(file_name))}"):
                _write(root, file_name, content)
        yield root


def _name_of(source: object, name: str | None) -> str:
    if name is not None and PurePosixPath(name).suffix:
        return name
    return f"{name or 'table'}.parquet" if frames.is_frame(source) else name or "data.bin"


def _write(root: Path, name: str, content: object) -> None:
    inside = PurePosixPath(name) if isinstance(name, str) and "\0" not in name else PurePosixPath()
    if inside.is_absolute() or ".." in inside.parts or not inside.parts:
        raise InvalidInput(f"not a file name: {name!r}", advice="Name a file below the Data, such as raw/table.csv")
    place = root / inside
    place.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes | bytearray | memoryview):
        place.write_bytes(content)
    elif isinstance(content, str):
        place.write_bytes(content.encode("utf-8", "surrogatepass"))
    elif isinstance(content, os.PathLike):
        _copy(Path(content).expanduser(), place)
    elif frames.is_frame(content):
        frames.write(content, place)
    else:
        raise InvalidInput(
            f"{type(content).__name__} cannot be pushed",
            advice="Push a path, bytes, a text, a DataFrame, or a mapping of file names to these.",
        )


def _copy(source: Path, place: Path) -> None:
    """Copy a file or a directory, symlinks as they are. Raises `InvalidInput` naming what could not be copied."""
    if not source.is_dir():
        shutil.copy2(source, place)
        return
    try:
        shutil.copytree(source, place, symlinks=True)
    except shutil.Error as err:
        failed, _, told = err.args[0][0]
        raise InvalidInput(f"cannot read {show(str(failed))}: {told}", advice="Change it, or leave it out.") from err


def size_of(place: Path) -> int:
    """Return how many bytes there are to read; what cannot be read is told when it is pushed."""
    if place.is_file():
        return place.stat().st_size
    total, until = 0, time.monotonic() + 2  # a progress bar is not worth a long walk
    for folder, _, names in os.walk(place):
        for each in names:
            with contextlib.suppress(OSError):  # it is gone already
                total += os.lstat(os.path.join(folder, each)).st_size
        if time.monotonic() > until:
            return 0
    return total
