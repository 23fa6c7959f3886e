"""The client's two ends: a directory or file into a tar.gz stream, and such a stream into a directory."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from knit_server.content.door import show, translated
from knit_server.content.paths import check_path
from knit_server.content.restore import FileSink, TreeWriter, appearing
from knit_server.content.tarball.reading import Limits, Member, Source, missing_original, read
from knit_server.content.tarball.writing import write
from knit_server.content.tree import (
    CHUNK_SIZE,
    MODE_BITS,
    Builder,
    BytesId,
    ChunkId,
    ContentId,
    Entry,
    Tree,
    chunk_id,
    with_chunks,
)  # fmt: skip
from knit_server.content.walk import Found, Warn, scan, silent
from knit_server.domain.errors import InvalidInput

Progress = Callable[[int, str], None]
"""Told after each block: bytes of files read so far, and the file it is at."""


def quiet(done: int, path: str) -> None:
    """Take progress and do nothing."""


class DirectoryArchive:
    """The bytes of a tar.gz, made while they are iterated (once). Afterwards `tree` says what was sent."""

    def __init__(self, source: Path, progress: Progress, dereference: bool, warn: Warn) -> None:
        self._source = source
        self._progress = progress
        self._dereference = dereference
        self._warn = warn
        self._builder = Builder()
        self._done = 0
        self._found: Found | None = None

    def __iter__(self) -> Iterator[bytes]:
        yield from write(self._entries(), self._blocks)

    @property
    def tree(self) -> Tree:
        """What was packed, with its content id; complete once the iteration has ended."""
        return self._builder.build()

    def _entries(self) -> Iterator[Entry]:
        with _looking_at(self._source, self._dereference, self._warn) as names:
            for found in names:
                self._found = found
                if found.entry.kind != "file":
                    self._builder.add(found.entry)
                yield found.entry

    def _blocks(self, entry: Entry) -> Iterator[bytes]:
        assert self._found is not None
        chunks: list[ChunkId] = []
        for block in self._found.blocks():
            chunks.append(chunk_id(block))
            yield block
            self._done += len(block)
            self._progress(self._done, entry.path)
        self._builder.add(with_chunks(entry, chunks))


def pack_directory(
    path: Path | str, *, progress: Progress = quiet, dereference: bool = False, warn: Warn = silent
) -> DirectoryArchive:
    """Pack a directory, or a single file under its basename, into blocks of a tar.gz stream.

    A symlink given as `path` is followed; symlinks below stay symlinks unless `dereference`. Iterating raises
    `KnitError` for what cannot be read or changes meanwhile.
    """
    return DirectoryArchive(Path(path), progress, dereference, warn)


@contextmanager
def _looking_at(source: Path, dereference: bool, warn: Warn) -> Iterator[Iterator[Found]]:
    with translated(f"reading {show(str(source))}"):
        status = os.stat(source)
    if stat.S_ISDIR(status.st_mode):
        yield scan(source, dereference=dereference, warn=warn)
        return
    if not stat.S_ISREG(status.st_mode):
        raise InvalidInput(f"{show(str(source))} is neither a directory nor a file", advice="Push one of those.")
    place = source.absolute()
    check_path(place.name)
    with translated(f"reading {show(str(source))}"):
        parent = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        entry = Entry(place.name, "file", status.st_mode & MODE_BITS, status.st_mtime_ns, status.st_size)
        yield iter([Found(entry, True, status, parent, place.name, follow=True)])
    finally:
        os.close(parent)


@dataclass(frozen=True)
class Extracted:
    """What was written to disk, hashed on the way: compare `content_id` with the server's."""

    tree: Tree

    @property
    def content_id(self) -> ContentId:
        """Name of the tree that was written."""
        return self.tree.content_id

    @property
    def bytes_id(self) -> BytesId:
        """Name of its bytes alone."""
        return self.tree.bytes_id


def extract(
    stream: Source, dest: Path, *, warn: Warn = silent, limits: Limits | None = None, progress: Progress = quiet
) -> Extracted:
    """Unpack a tar.gz stream below the existing directory `dest`, safely. Raises `KnitError`; then `dest` holds a part.

    `extract_to` is the one that never leaves a part behind.
    """
    builder = Builder()
    done = 0
    with TreeWriter(dest, warn=warn) as writer:
        for member in read(stream, limits):
            entry = _write_member(writer, builder, member)
            builder.add(entry)
            done += entry.size
            progress(done, entry.path)
        tree = builder.build()
        writer.finish(tree)
    return Extracted(tree)


def extract_to(
    stream: Source, dest: Path, *, warn: Warn = silent, limits: Limits | None = None, progress: Progress = quiet
) -> Extracted:
    """Unpack into the new directory `dest`, which appears only when complete. Raises `Conflict` if `dest` exists."""
    with appearing(dest) as temporary:
        return extract(stream, temporary, warn=warn, limits=limits, progress=progress)


def examine(stream: Source, *, limits: Limits | None = None) -> Tree:
    """Read a tar.gz stream to its end, writing nothing, and return what is in it. Raises `KnitError`."""
    builder = Builder()
    for member in read(stream, limits):
        entry = member.entry
        if member.same_as is not None:
            original = builder.file(member.same_as)
            if original is None:
                raise missing_original(entry.path, member.same_as)
            entry = replace(entry, size=original.size, chunks=original.chunks)
        elif member.data is not None:
            entry = with_chunks(entry, [chunk_id(block) for block in iter(partial(member.data.read, CHUNK_SIZE), b"")])
        builder.add(entry)
    return builder.build()


def _write_member(writer: TreeWriter, builder: Builder, member: Member) -> Entry:
    entry = member.entry
    if entry.kind == "dir":
        writer.directory(entry)
    elif entry.kind == "symlink":
        writer.symlink(entry)
    elif member.data is not None:
        with writer.file(entry) as sink:
            return with_chunks(entry, _copy(member.data, sink))
    else:
        return _write_again(writer, builder, member)
    return entry


def _copy(source: Source, sink: FileSink) -> list[ChunkId]:
    chunks = []
    while block := source.read(CHUNK_SIZE):
        chunks.append(chunk_id(block))
        sink.write(block)
    return chunks


def _write_again(writer: TreeWriter, builder: Builder, member: Member) -> Entry:
    """A hard link becomes a file of its own with equal bytes: changing one must not change the other."""
    original = builder.file(member.same_as or "")
    if original is None:
        raise missing_original(member.entry.path, member.same_as or "")
    entry = replace(member.entry, size=original.size, chunks=original.chunks)
    source = writer.read_back(original.path)
    with open(source, "rb") as reader, writer.file(entry) as sink:
        while block := reader.read(CHUNK_SIZE):
            sink.write(block)
    return entry
