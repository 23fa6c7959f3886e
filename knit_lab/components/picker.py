"""Choosing a file or a directory on the machine of the kernel: a field for its path, and a list to walk through."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import ipywidgets as widgets

from knit_lab.components import parts
from knit_lab.display import html as markup
from knit_server.domain.errors import InvalidInput, KnitError

MOST = 1000
"""Names of one directory that are listed; a longer one is reached by writing the path."""
UP = "▸ ../"


class Name(NamedTuple):
    """A name in a directory."""

    name: str
    is_dir: bool
    size: int


def listed(folder: Path, *, hidden: bool = False) -> tuple[list[Name], int]:
    """Return the names in `folder`, directories first, and how many more there are. Raises `InvalidInput`."""
    found: list[Name] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if hidden or not entry.name.startswith("."):
                    is_dir = entry.is_dir()
                    found.append(Name(entry.name, is_dir, 0 if is_dir else entry.stat(follow_symlinks=False).st_size))
    except OSError as err:
        raise InvalidInput(
            f"cannot list '{folder}': {err.strerror}", advice="Choose a directory that you may read."
        ) from err
    found.sort(key=lambda each: (not each.is_dir, each.name.casefold()))
    return found[:MOST], max(0, len(found) - MOST)


class Picker(widgets.VBox):  # type: ignore[misc]
    """A path on this machine. `path` is what is chosen: a file, or the directory that is listed."""

    def __init__(self, start: Path | None = None, *, changed: Callable[[], None] = lambda: None) -> None:
        self._changed = changed
        self._folder = (start or Path.cwd()).absolute()
        self._chosen: Path = self._folder
        self._names: list[Name] = []
        self._drawing = False
        self._said = parts.Said()
        self._text = widgets.Text(
            continuous_update=False, description="Path", style={"description_width": "3em"},
            layout=widgets.Layout(width="auto", flex="1 1 300px", margin="2px"),
        )  # fmt: skip
        self._list = widgets.Select(layout=widgets.Layout(width="auto", height="150px", margin="2px"))
        self._hidden = widgets.ToggleButton(
            description="Hidden", tooltip="List names that begin with a dot", layout=widgets.Layout(width="auto")
        )
        self._text.observe(lambda change: self.go(str(change["new"])), "value")
        self._list.observe(lambda _: self._listed_chosen(), "index")
        self._hidden.observe(lambda _: self.go(self._folder), "value")
        self._open = parts.button("Open", self.enter, "List the directory that is chosen")
        up = parts.button("Up", lambda: self.go(self._folder.parent), "List the directory above")
        super().__init__([parts.row(self._text, up, self._open, self._hidden, width="100%"), self._list, self._said])
        self.add_class("knit-picker")
        self.go(self._folder)

    @property
    def path(self) -> Path:
        """The file or directory that is chosen."""
        return self._chosen

    @property
    def names(self) -> list[Name]:
        """What the list shows."""
        return self._names

    @property
    def said(self) -> str:
        """What is said below the list, as HTML."""
        return str(self._said.value)

    def go(self, where: str | os.PathLike[str]) -> None:
        """Choose a file, or a directory, which is listed then. What cannot be read is said, and nothing changes."""
        path = Path(os.path.normpath(self._folder / Path(where).expanduser()))
        folder = path if path.is_dir() else path.parent
        try:
            if not path.exists():
                raise InvalidInput(f"there is no '{path}'", advice="Choose from the list, or correct the path.")
            names, more = listed(folder, hidden=bool(self._hidden.value))
        except KnitError as err:
            self._said.bad(err)
            return
        self._folder, self._names = folder, names
        self._said.note(f"… and {more} more names: write the path" if more else "")
        self._draw()
        self._choose(path)

    def choose(self, name: str) -> None:
        """Choose a name of the list."""
        self._choose(self._folder / name)

    def enter(self) -> None:
        """List the chosen directory."""
        if self._list.index == 0:
            self.go(self._folder.parent)
        elif self._chosen.is_dir():
            self.go(self._chosen)

    def _listed_chosen(self) -> None:
        if not self._drawing and self._list.index:
            self._choose(self._folder / self._names[self._list.index - 1].name)

    def _choose(self, path: Path) -> None:
        self._chosen = path
        self._drawing = True
        try:
            self._text.value = str(path)
            at = next((at for at, each in enumerate(self._names) if self._folder / each.name == path), None)
            self._list.index = None if at is None else at + 1
        finally:
            self._drawing = False
        self._changed()

    def _draw(self) -> None:
        self._drawing = True
        try:
            self._list.options = [UP, *map(_words, self._names)]
            self._list.index = None
        finally:
            self._drawing = False


def _words(entry: Name) -> str:
    shown = parts.one_line(entry.name)
    return f"▸ {shown}/" if entry.is_dir else f"· {shown}   {markup.size(entry.size)}"
