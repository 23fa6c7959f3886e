"""Trying a cell here: on the newest Data that fits each input, with outputs in a temporary place."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from knit_lab.display import html, tables
from knit_lab.display.shown import Shown
from knit_lab.magics.cells import runner
from knit_lab.magics.cells.words import CellWords
from knit_lab.objects.data import Data
from knit_lab.session import Session
from knit_server.domain.errors import KnitError, NotFound

Execute = Callable[[str], None]
"""Runs source in the notebook's own names."""


class Trial(Shown):
    """What a cell did here: the Data that it took, and the files that it wrote (below `outputs.NAME`)."""

    def __init__(
        self, words: CellWords, taken: Mapping[str, Data], outputs: Mapping[str, Path], seconds: float
    ) -> None:
        self.name = words.name
        self.inputs = dict(taken)
        self.outputs = dict(outputs)
        self.seconds = seconds

    @property
    def files(self) -> list[tuple[str, str, int]]:
        """What was written: output, file, bytes."""
        return [
            (name, each.relative_to(place).as_posix(), each.lstat().st_size)
            for name, place in self.outputs.items()
            for each in sorted(place.rglob("*"))
            if not each.is_dir() or each.is_symlink()
        ]

    @property
    def empty(self) -> list[str]:
        """The outputs into which nothing was written."""
        written = {name for name, _, _ in self.files}
        return [name for name in self.outputs if name not in written]

    def lines(self) -> list[str]:
        """Return what is told of it."""
        on = ", ".join(f"{name} = Data {html.short(data.id)}" for name, data in self.inputs.items())
        told = [f"{self.name} ran here in {self.seconds:.1f} s" + (f" on {on}" if on else "")]
        return told + [f"nothing was written into outputs.{name}" for name in self.empty]

    def as_text(self) -> str:
        """Return the same, with the files."""
        table = tables.text(_HEADS, self.files, "files") if self.files else ""
        return "\n".join([*self.lines(), *([table] if table else [])])

    def as_html(self) -> str:
        """Return the same as a page shows it."""
        told = "".join(f"<div>{html.escape(line)}</div>" for line in self.lines())
        return html.framed(told + (tables.html(_HEADS, self.files, "files") if self.files else ""))


_HEADS = (tables.Head("output"), tables.Head("file"), tables.Head("size", tables.Kind.SIZE))


class Bench:
    """Where cells are tried. What the last trial of a name wrote stays until the next one, or `close`."""

    def __init__(self, names: MutableMapping[str, Any], execute: Execute) -> None:
        self._names = names
        self._execute = execute
        self._places: dict[str, Path] = {}

    def run(self, words: CellWords, taken: Mapping[str, Data], source: str) -> Trial:
        """Run the cell on the Data that are `taken`. Raises whatever the cell raises."""
        inputs = {name: data.path() for name, data in taken.items()}
        root = self._fresh(words.name)
        outputs = {name: root / name for name in words.outputs}
        for place in outputs.values():
            place.mkdir(parents=True)
        self._names.update(runner.bound(inputs, outputs, dict(words.args)))
        started = time.monotonic()
        self._execute(source)
        return Trial(words, taken, outputs, time.monotonic() - started)

    def close(self) -> None:
        """Remove everything that was written."""
        for place in self._places.values():
            _remove(place)
        self._places.clear()

    def _fresh(self, name: str) -> Path:
        if (before := self._places.pop(name, None)) is not None:
            _remove(before)
        self._places[name] = Path(tempfile.mkdtemp(prefix="knit-cell-"))
        return self._places[name]


def taken(session: Session, words: CellWords) -> dict[str, Data]:
    """Return the Data to try on, by input. Raises `NotFound` if none fits an input."""
    return {name: fitting(session, name, tags) for name, tags in words.inputs.items()}


def fitting(session: Session, name: str, tags: list[str] | Any) -> Data:
    """Return the newest usable Data that fits an input. Raises `NotFound`."""
    try:
        return session.data.newest(*tags)
    except NotFound as err:
        raise NotFound(
            f"the input {name} has nothing to try on: {err.reason}",
            advice=f"Push some: knit.push(..., tags={list(tags)!r}), or wait for the Plan that makes it.",
        ) from err


def _remove(place: Path) -> None:
    try:
        shutil.rmtree(place)
    except FileNotFoundError:
        pass
    except OSError as err:
        raise KnitError(
            f"cannot remove what the cell wrote before: {os.strerror(err.errno or 0)}: {place}",
            advice="Remove that directory yourself.",
        ) from err
