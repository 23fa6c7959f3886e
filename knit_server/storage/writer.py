"""Writing trees into a store: each file is read once, and hashed, compared, compressed and packed on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from knit_server.content import manifest, tarball, walk
from knit_server.content.manifest import Manifest
from knit_server.content.packs import Location, Pack, PackBuilder, PackId
from knit_server.content.tarball import Limits
from knit_server.content.tarball.reading import Source, missing_original
from knit_server.content.tree import (
    CHUNK_SIZE,
    Builder,
    BytesId,
    ChunkId,
    ContentId,
    Entry,
    Tree,
    chunk_id,
    with_chunks,
)
from knit_server.content.walk import Warn, silent
from knit_server.storage import keys
from knit_server.storage.objects import Objects

Known = Callable[[Sequence[ChunkId]], Mapping[ChunkId, Location]]
"""Tells where chunks lie that are stored already and may be shared; others are left out."""

HasContent = Callable[[ContentId], bool]
"""Tells whether a tree of that content id has a manifest already."""

_BATCH_BYTES = 16 * 1024 * 1024  # raw bytes waiting before `known` is asked
_BATCH_CHUNKS = 4096


def nothing_known(chunks: Sequence[ChunkId]) -> Mapping[ChunkId, Location]:
    """Know no chunk: everything is stored anew."""
    return {}


def no_content(content: ContentId) -> bool:
    """Know no tree: every manifest is written."""
    return False


class Snapshot:
    """A tree being stored, and, once its writer is closed, what the caller commits to SQL."""

    def __init__(self, tree: Tree, *, exact: bool) -> None:
        self.tree = tree
        self.exact = exact
        """Whether the directory on disk is the tree and nothing more, so that it may be moved into a `TreeCache`."""
        self._stored: tuple[str | None, dict[ChunkId, Location], dict[ChunkId, Location]] | None = None

    @property
    def content_id(self) -> ContentId:
        """Name of the tree."""
        return self.tree.content_id

    @property
    def bytes_id(self) -> BytesId:
        """Name of its bytes alone."""
        return self.tree.bytes_id

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return self.tree.size

    @property
    def files(self) -> int:
        """Number of files."""
        return self.tree.files

    @property
    def manifest_key(self) -> str | None:
        """Name of the manifest, for `Store.manifest`; None if `has_content` said that there is one already."""
        return self._done[0]

    @property
    def locations(self) -> Mapping[ChunkId, Location]:
        """Where each of the tree's chunks lies."""
        return self._done[1]

    @property
    def new_chunks(self) -> Mapping[ChunkId, Location]:
        """The tree's chunks that its writer stored. Trees of one writer may share some: insert them idempotently."""
        return self._done[2]

    @property
    def packs(self) -> frozenset[PackId]:
        """Every pack that the tree needs, for the garbage collector's mark."""
        return frozenset(place.pack for place in self.locations.values())

    @property
    def _done(self) -> tuple[str | None, dict[ChunkId, Location], dict[ChunkId, Location]]:
        if self._stored is None:
            raise RuntimeError("a snapshot is complete only after its writer is closed")
        return self._stored

    def complete(self, key: str | None, locations: dict[ChunkId, Location], new: dict[ChunkId, Location]) -> None:
        """Take what the writer knows at its end."""
        self._stored = (key, locations, new)


class Writer:
    """Stores several trees in shared packs. A context manager for one thread; made by `Store.writer`.

    Leaving the block well makes all packs, then all manifests durable; leaving it by an exception stores no manifest
    (packs written until then are garbage for the sweeper). Memory: one batch and one pack, some 50 MiB.
    """

    def __init__(self, objects: Objects, known: Known = nothing_known, has_content: HasContent = no_content) -> None:
        self._objects = objects
        self._known = known
        self._has_content = has_content
        self._builder = PackBuilder()
        self._waiting: dict[ChunkId, bytes] = {}
        self._waiting_bytes = 0
        self._seen: set[ChunkId] = set()
        self._shared: dict[ChunkId, Location] = {}
        self._reach: dict[PackId, int] = {}  # bytes that packs of others are known to have
        self._new: dict[ChunkId, Location] = {}
        self._snapshots: list[Snapshot] = []
        self.new_packs: dict[PackId, int] = {}
        """Packs this writer stored, with their stored bytes."""

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()

    def add_directory(self, path: Path | str, *, warn: Warn = silent) -> Snapshot:
        """Take the directory as it is now. Raises `KnitError` for what cannot be read or changes meanwhile."""
        builder = Builder()
        exact = True

        def skipped(message: str) -> None:
            nonlocal exact
            exact = False
            warn(message)

        for found in walk.scan(path, warn=skipped):
            exact = exact and found.exact
            entry = found.entry
            if entry.kind == "file":
                entry = with_chunks(entry, [self._chunk(block) for block in found.blocks()])
            builder.add(entry)
        return self._snapshot(builder.build(), exact)

    def add_tar(self, stream: Source, *, limits: Limits | None = None) -> Snapshot:
        """Take a tar.gz stream. Raises `InvalidInput` for broken, hostile or too large archives."""
        builder = Builder()
        for member in tarball.read(stream, limits):
            entry = member.entry
            if member.same_as is not None:
                original = builder.file(member.same_as)
                if original is None:
                    raise missing_original(entry.path, member.same_as)
                entry = replace(entry, size=original.size, chunks=original.chunks)
            elif member.data is not None:
                entry = with_chunks(entry, [self._chunk(block) for block in _blocks(member.data)])
            builder.add(entry)
        return self._snapshot(builder.build(), False)

    def add_files(self, files: Iterable[tuple[Entry, Iterable[bytes]]]) -> Snapshot:
        """Take entries whose bytes the caller gives in blocks of any length (none for directories and symlinks)."""
        builder = Builder()
        for entry, blocks in files:
            chunks: list[ChunkId] = []
            size = 0
            for block in _rechunk(blocks):
                size += len(block)
                chunks.append(self._chunk(block))
            builder.add(replace(entry, size=size, chunks=tuple(chunks)))
        return self._snapshot(builder.build(), False)

    def close(self) -> None:
        """Make everything durable and complete the snapshots. Raises `OutOfSpace` or `Unavailable`."""
        self._flush()
        last = self._builder.seal()
        if last is not None:
            self._note(last)
        puts: list[tuple[str, Sequence[bytes]]] = []
        if last is not None:
            puts.append((keys.pack(last.id), last.parts))
        manifests: dict[ContentId, tuple[str | None, dict[ChunkId, Location]]] = {}
        for snapshot in self._snapshots:
            if snapshot.content_id not in manifests:
                manifests[snapshot.content_id] = self._manifest(snapshot.tree, puts)
        if puts:
            self._objects.put(puts)
        for snapshot in self._snapshots:
            key, locations = manifests[snapshot.content_id]
            new = {chunk: place for chunk, place in locations.items() if chunk in self._new}
            snapshot.complete(key, locations, new)
        self._snapshots = []

    def _manifest(
        self, tree: Tree, puts: list[tuple[str, Sequence[bytes]]]
    ) -> tuple[str | None, dict[ChunkId, Location]]:
        locations = {}
        for _, chunk, _ in tree.chunks():
            locations[chunk] = self._new[chunk] if chunk in self._new else self._shared[chunk]
        # A stored tree has all its chunks stored; where some had to be stored anew, its manifest points at lost ones.
        if not any(chunk in self._new for chunk in locations) and self._has_content(tree.content_id):
            return None, locations
        stored = manifest.encode(Manifest(tree, locations))
        key = manifest.name(stored)
        puts.append((keys.manifest(key), [stored]))
        return key, locations

    def _snapshot(self, tree: Tree, exact: bool) -> Snapshot:
        snapshot = Snapshot(tree, exact=exact)
        self._snapshots.append(snapshot)
        return snapshot

    def _chunk(self, raw: bytes) -> ChunkId:
        chunk = chunk_id(raw)
        if chunk not in self._seen:
            self._seen.add(chunk)
            self._waiting[chunk] = raw
            self._waiting_bytes += len(raw)
            if self._waiting_bytes >= _BATCH_BYTES or len(self._waiting) >= _BATCH_CHUNKS:
                self._flush()
        return chunk

    def _flush(self) -> None:
        """Ask which waiting chunks are known, and pack the others."""
        if not self._waiting:
            return
        known = self._there(self._known(list(self._waiting)))
        for chunk, raw in self._waiting.items():
            if chunk in known:
                self._shared[chunk] = known[chunk]
                continue
            self._builder.add(chunk, raw)
            if self._builder.full:
                self._seal()
        self._waiting = {}
        self._waiting_bytes = 0

    def _there(self, known: Mapping[ChunkId, Location]) -> dict[ChunkId, Location]:
        """Leave out chunks whose pack is missing or cut off: nothing new may rely on it."""
        ends: dict[PackId, int] = {}
        for place in known.values():
            ends[place.pack] = max(ends.get(place.pack, 0), place.offset + place.length)
        for pack, end in ends.items():
            if end > self._reach.get(pack, 0) and self._objects.get(keys.pack(pack), end - 1, 1):
                self._reach[pack] = end
        return {
            chunk: place
            for chunk, place in known.items()
            if place.offset + place.length <= self._reach.get(place.pack, 0)
        }

    def _seal(self) -> None:
        pack = self._builder.seal()
        if pack is not None:
            self._objects.put([(keys.pack(pack.id), pack.parts)])
            self._note(pack)

    def _note(self, pack: Pack) -> None:
        self._new.update(pack.locations)
        self.new_packs[pack.id] = pack.size


def _blocks(source: Source) -> Iterator[bytes]:
    while block := source.read(CHUNK_SIZE):
        yield block


def _rechunk(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut blocks of any length at multiples of `CHUNK_SIZE`."""
    waiting = bytearray()
    for block in blocks:
        waiting += block
        while len(waiting) >= CHUNK_SIZE:
            yield bytes(waiting[:CHUNK_SIZE])
            del waiting[:CHUNK_SIZE]
    if waiting:
        yield bytes(waiting)
