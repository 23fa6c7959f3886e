"""The names in one Data, as a tree that is looked up and listed without asking anybody: it never changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from knit_server.domain.errors import NotFound
from knit_server.wire import shapes

_LINKS = 40
"""Symlinks that are followed on the way to one file, as Linux does."""


class Node(NamedTuple):
    """A name: what it is (`file`, `directory` or `link`), and its entry; None for the root.

    A symlink to a file is that file here, under its own name. One that leads to a directory, into a circle, out of the
    Data or to nothing is a `link`: paths lead through the first kind, but nobody who walks the tree follows it.
    """

    name: str
    kind: str
    entry: shapes.FileEntry | None
    place: str
    """Where its bytes are: the name of the file that a symlink leads to, else its own."""


class FileTree:
    """All names in a Data."""

    def __init__(self, entries: Iterable[shapes.FileEntry]) -> None:
        self._entries: dict[str, shapes.FileEntry] = {}
        self._within: dict[str, list[str]] = {"": []}
        for each in entries:
            self._entries[each["path"]] = each
            self._within.setdefault(each["path"].rpartition("/")[0], []).append(each["path"])

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, name: str) -> Node:
        """Return what is under `name`, following symlinks on the way to it. Raises `NotFound`."""
        place = self._place(name)
        if place is None:
            raise self._missing(name)
        return self._node(name, place)

    def within(self, name: str) -> Iterator[Node]:
        """List what is directly in the directory `name`, or in the one that a symlink leads to. Raises `NotFound`."""
        place = self._place(name, last=True)
        if place is None or not self._is_directory(place):
            raise self._missing(name)
        above = f"{name}/" if name else ""
        for each in self._within.get(place, ()):
            yield self._node(above + each.rpartition("/")[2], each)

    def _node(self, name: str, place: str) -> Node:
        if self._is_directory(place):
            return Node(name, "directory", self._entries.get(place), place)
        entry = self._entries[place]
        if entry["kind"] != "symlink":
            return Node(name, "file", entry, place)
        end = self._place(place, last=True)
        if end is None or self._is_directory(end):
            return Node(name, "link", entry, place)
        return Node(name, "file", self._entries[end], end)

    def _is_directory(self, place: str) -> bool:
        return place == "" or self._entries[place]["kind"] == "dir"

    def _place(self, name: str, *, last: bool = False) -> str | None:
        """Return the name without symlinks in it; with `last`, also where it leads itself. None if that is nowhere."""
        at, links = "", 0
        parts = name.split("/")[::-1] if name else []
        while parts:
            part = parts.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if not at or not self._is_directory(at):
                    return None
                at = at.rpartition("/")[0]
                continue
            step = f"{at}/{part}" if at else part
            found = self._entries.get(step)
            if found is None or not self._is_directory(at):
                return None
            if found["kind"] == "symlink" and (parts or last):
                links += 1
                target = found.get("target", "")
                if links > _LINKS or target.startswith("/"):
                    return None
                parts += target.split("/")[::-1]
                continue
            at = step
        return at

    def _missing(self, name: str) -> NotFound:
        import difflib

        likely = difflib.get_close_matches(name, list(self._entries), n=1) if len(self) < 10_000 else []
        advice = f"Did you mean {likely[0]}?" if likely else f"It holds {len(self)} names; see them: fs.find(path)"
        return NotFound(f"there is no {name!r} in this Data", advice=advice)
