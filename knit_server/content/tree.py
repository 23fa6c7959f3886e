"""Trees as values: what a Data holds, and the two ids that follow from it.

The *content id* covers everything a tree keeps. The *bytes id* leaves out times and all mode bits but "executable", so
that a fresh checkout of equal files has an equal bytes id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NewType

from knit_server.content.door import show
from knit_server.content.paths import Kind, Names, check_target, order_key
from knit_server.domain.errors import InvalidInput, NotFound

ChunkId = NewType("ChunkId", str)
ContentId = NewType("ContentId", str)
BytesId = NewType("BytesId", str)

CHUNK_SIZE = 8 * 1024 * 1024  # bytes; files are cut at multiples of it, so only the last chunk of a file is shorter
MODE_BITS = 0o777  # setuid, setgid and sticky are never kept: Data must not lend anybody's rights
MAX_TIME = 2**63 - 1  # ns either side of 1970 that a signed 64-bit number holds (years 1677 to 2262)

_CONTENT_HEADER = b"knit content 1\n"
_BYTES_HEADER = b"knit bytes 1\n"
_FILE_HEADER = b"knit file 1\n"


def digest(data: bytes | bytearray | memoryview) -> str:
    """Name bytes: "b3:" and the BLAKE3 hash in hexadecimal."""
    import blake3

    return "b3:" + blake3.blake3(data).hexdigest()


def chunk_id(raw: bytes) -> ChunkId:
    """Name a chunk by its raw bytes."""
    return ChunkId(digest(raw))


def is_id(text: object) -> bool:
    """Whether `text` has the form of an id that `digest` gives."""
    return isinstance(text, str) and len(text) == 67 and text.startswith("b3:") and set(text[3:]) <= _HEX


_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of a tree.

    `path` is relative with `/`; names that are not UTF-8 carry surrogate escapes. `mode` has permission bits only.
    `size` is in bytes, 0 unless it is a file. `target` is a symlink's text, verbatim. `chunks` are a file's, in order.
    """

    path: str
    kind: Kind
    mode: int = 0o644
    mtime_ns: int = 0
    size: int = 0
    target: str = ""
    chunks: tuple[ChunkId, ...] = ()

    @property
    def executable(self) -> bool:
        """Whether the owner may execute it; the one mode bit that belongs to a file's bytes."""
        return self.kind == "file" and bool(self.mode & 0o100)

    def chunk_length(self, index: int) -> int:
        """Bytes of raw data in chunk `index`."""
        return min(CHUNK_SIZE, self.size - index * CHUNK_SIZE)


_AGAIN = "Pack the files again."


def check_entry(entry: Entry) -> None:
    """Raise `InvalidInput` unless the fields fit together (the path is checked where trees are built)."""
    where = show(entry.path)
    if entry.kind not in ("file", "dir", "symlink"):
        raise InvalidInput(f"{where} has an unknown kind {entry.kind!r}", advice=_AGAIN)
    if not 0 <= entry.mode <= MODE_BITS or not -MAX_TIME <= entry.mtime_ns <= MAX_TIME or entry.size < 0:
        raise InvalidInput(f"{where} has an impossible mode, time or size", advice=_AGAIN)
    if entry.kind != "file" and (entry.size or entry.chunks):
        raise InvalidInput(f"{where} is a {entry.kind}, but has bytes", advice=_AGAIN)
    if entry.kind == "symlink":
        check_target(entry.path, entry.target)
    elif entry.target:
        raise InvalidInput(f"{where} is a {entry.kind}, but has a target", advice=_AGAIN)


def chunk_count(size: int) -> int:
    """How many chunks a file of `size` bytes has."""
    return -(-size // CHUNK_SIZE)


@dataclass(frozen=True)
class Tree:
    """Entries in name order; every parent directory is an entry. Make one with `Builder` or `Tree.of`."""

    entries: tuple[Entry, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Tree:
        """Build a tree from complete entries in any order. Raises `InvalidInput` if they make no tree."""
        builder = Builder()
        for entry in entries:
            builder.add(entry)
        return builder.build()

    @cached_property
    def size(self) -> int:
        """Bytes in all files together."""
        return sum(entry.size for entry in self.entries)

    @cached_property
    def files(self) -> int:
        """Number of regular files."""
        return sum(entry.kind == "file" for entry in self.entries)

    @cached_property
    def _by_path(self) -> dict[str, Entry]:
        return {entry.path: entry for entry in self.entries}

    def find(self, path: str) -> Entry:
        """Return the entry at `path`. Raises `NotFound`."""
        try:
            return self._by_path[path]
        except KeyError:
            raise NotFound(
                f"there is no {show(path)} in this Data", advice="List the files in it: knit data ls KNIT_ID"
            ) from None

    @cached_property
    def content_id(self) -> ContentId:
        """Name of the whole tree: equal trees have equal ids, wherever and however they are stored."""
        return ContentId(_hash_lines(_CONTENT_HEADER, (row(entry) for entry in self.entries)))

    @cached_property
    def bytes_id(self) -> BytesId:
        """Name of paths, kinds, executable bits, link targets and bytes alone; the trivial view is the whole tree."""
        return BytesId(_hash_lines(_BYTES_HEADER, (_bytes_row(entry) for entry in self.entries)))

    def chunks(self) -> Iterator[tuple[Entry, ChunkId, int]]:
        """Every chunk in order of first need: its file, id and raw length. A chunk used twice comes twice."""
        for entry in self.entries:
            for index, chunk in enumerate(entry.chunks):
                yield entry, chunk, entry.chunk_length(index)


def content_id(tree: Tree) -> ContentId:
    """Name the whole tree; see `Tree.content_id`."""
    return tree.content_id


def bytes_id(tree: Tree) -> BytesId:
    """Name the tree without times and modes; see `Tree.bytes_id`."""
    return tree.bytes_id


def file_id(entry: Entry) -> str:
    """Name a file by its bytes alone: files with equal bytes, and no others, have equal names."""
    return _hash_lines(_FILE_HEADER, [[entry.size, list(entry.chunks)]])


def row(entry: Entry) -> list[object]:
    """Give the entry as the JSON list that manifests hold and content ids hash."""
    return [entry.path, entry.kind, entry.mode, entry.mtime_ns, entry.size, entry.target, list(entry.chunks)]


def _bytes_row(entry: Entry) -> list[object]:
    return [entry.path, entry.kind, entry.executable, entry.size, entry.target, list(entry.chunks)]


def _hash_lines(header: bytes, rows: Iterable[list[object]]) -> str:
    import blake3

    hasher = blake3.blake3(header)
    dump = json.JSONEncoder(separators=(",", ":")).encode
    for line in rows:
        hasher.update(dump(line).encode("ascii") + b"\n")
    return "b3:" + hasher.hexdigest()


class Builder:
    """Collects entries in any order and makes a tree of them."""

    def __init__(self) -> None:
        self._names = Names()
        self._entries: dict[str, Entry] = {}
        self._implied: set[str] = set()

    def add(self, entry: Entry) -> None:
        """Take a complete entry. Raises `InvalidInput` (duplicate, below a file, fields that do not fit)."""
        check_entry(entry)
        if entry.kind == "file" and len(entry.chunks) != chunk_count(entry.size):
            raise InvalidInput(
                f"{show(entry.path)} has {entry.size} bytes, but {len(entry.chunks)} chunks", advice=_AGAIN
            )
        self._implied.update(self._names.claim(entry.path, entry.kind))
        self._implied.discard(entry.path)
        self._entries[entry.path] = entry

    def known(self, path: str) -> bool:
        """Whether `path` is taken or implied."""
        return self._names.known(path)

    def file(self, path: str) -> Entry | None:
        """Return the regular file added as `path`, if there is one."""
        entry = self._entries.get(path)
        return entry if entry is not None and entry.kind == "file" else None

    def build(self) -> Tree:
        """Make the tree. A directory that nothing named gets mode 0755 and the newest time of what it holds."""
        entries = dict(self._entries)
        newest = dict.fromkeys(self._implied, -MAX_TIME)
        if newest:
            for entry in self._entries.values():
                _raise_times(newest, entry)
        for path, mtime_ns in newest.items():
            entries[path] = Entry(path, "dir", mode=0o755, mtime_ns=mtime_ns)
        return Tree(tuple(sorted(entries.values(), key=lambda entry: order_key(entry.path))))


def _raise_times(newest: dict[str, int], entry: Entry) -> None:
    parent = entry.path.rpartition("/")[0]
    while parent:
        if parent in newest and newest[parent] < entry.mtime_ns:
            newest[parent] = entry.mtime_ns
        parent = parent.rpartition("/")[0]


def with_chunks(entry: Entry, chunks: Iterable[ChunkId]) -> Entry:
    """Return the entry of a file with its chunks."""
    return replace(entry, chunks=tuple(chunks))
