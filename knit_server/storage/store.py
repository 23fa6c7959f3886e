"""A store of trees: packs and manifests under one URL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from knit_server.content import manifest as manifests
from knit_server.content import tarball
from knit_server.content.door import show
from knit_server.content.manifest import Manifest
from knit_server.content.packs import PackId
from knit_server.content.recent import Recent
from knit_server.content.restore import TreeWriter, write_all
from knit_server.content.tree import CHUNK_SIZE, ChunkId, Entry
from knit_server.content.walk import Warn, silent
from knit_server.domain.errors import Damaged, InvalidInput
from knit_server.storage import keys
from knit_server.storage.local import LocalObjects
from knit_server.storage.objects import Objects, Stored
from knit_server.storage.reader import Chunks, RememberedChunks, TreeFile, WholeTree
from knit_server.storage.remote import FsspecObjects
from knit_server.storage.writer import HasContent, Known, Snapshot, Writer, no_content, nothing_known

_CHUNKS_KEPT = 4 * CHUNK_SIZE  # bytes in memory for readers of ranges: as many may read at once without refetching
_ROWS_KEPT = 200_000  # entries and chunks of manifests in memory, likewise; some 100 MB if they are all in use


@dataclass(frozen=True)
class Problem:
    """Something `Store.verify` found: the file it concerns, and what is wrong."""

    path: str
    reason: str


class Store:
    """Trees at rest under `url`: a path or `file://` URL, or any URL that fsspec knows, with its options.

    May be used from several threads; a `Writer` or reader belongs to one. Methods raise `KnitError`.
    """

    def __init__(self, url: str | Path, **options: Any) -> None:
        self.url = str(url)
        self._objects = _open(self.url, options)
        self._recent_chunks: Recent[ChunkId, bytes] = Recent(_CHUNKS_KEPT)
        self._recent_manifests: Recent[str, Manifest] = Recent(_ROWS_KEPT)

    def close(self) -> None:
        """Release connections."""
        self._objects.close()

    def writer(self, known: Known = nothing_known, *, has_content: HasContent = no_content) -> Writer:
        """Begin to store trees; see `Writer`. `known` and `has_content` are asked from the writing thread."""
        return Writer(self._objects, known, has_content)

    def add_manifest(self, snapshot: Snapshot) -> None:
        """Give a complete snapshot a manifest of its own: the one that its writer relied on is no more."""
        stored = manifests.encode(Manifest(snapshot.tree, snapshot.locations))
        key = manifests.name(stored)
        self._objects.put([(keys.manifest(key), [stored])])
        snapshot.complete(key, dict(snapshot.locations), dict(snapshot.new_chunks))

    def manifest(self, key: str) -> Manifest:
        """Read a manifest. Raises `Damaged` if it is missing or is not what was stored under that name."""
        stored = self._objects.get(keys.manifest(key))
        if stored is None:
            raise Damaged(f"the manifest {key} is missing", advice=manifests.HEAL)
        return manifests.decode(stored, expect=key)

    def open(self, manifest: Manifest, path: str) -> TreeFile:
        """Open a file for reading and seeking. Raises `NotFound`, or `InvalidInput` for what is no file."""
        return TreeFile(Chunks(self._objects, manifest), _file(manifest, path))

    def recent_manifest(self, key: str) -> Manifest:
        """Return a manifest, from memory if it was asked for so a moment ago; see `manifest`."""
        return self._recent_manifests.get(key, lambda: self.manifest(key), _rows)

    def open_part(self, manifest: Manifest, path: str) -> TreeFile:
        """Open a file like `open`, for one of several readers that each want a part: they share recent chunks."""
        return TreeFile(RememberedChunks(self._objects, manifest, self._recent_chunks), _file(manifest, path))

    def read(self, manifest: Manifest, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """Return bytes of a file from `offset`, fewer than `length` only at its end."""
        with self.open(manifest, path) as file:
            wanted = max(0, file.size - offset) if length is None else max(0, min(length, file.size - offset))
            file.seek(offset)
            parts = bytearray()
            while len(parts) < wanted:
                parts += file.read(wanted - len(parts)) or b""
            return bytes(parts)

    def materialise(self, manifest: Manifest, dest: Path, *, warn: Warn = silent) -> None:
        """Write the tree below the existing, empty directory `dest`; raises `Damaged` before a wrong byte is used."""
        chunks = WholeTree(self._objects, manifest)
        with TreeWriter(dest, warn=warn) as writer:
            write_all(writer, manifest.tree.entries, chunks.blocks)
            writer.finish(manifest.tree)

    def tar(self, manifest: Manifest) -> Iterator[bytes]:
        """Return the tree as a tar.gz stream, in blocks of at least `tarball.BLOCK` bytes but for the last."""
        return tarball.write(manifest.tree.entries, WholeTree(self._objects, manifest).blocks)

    def verify(self, manifest: Manifest) -> list[Problem]:
        """Read every byte of a tree and list what is damaged or missing; empty if it is sound."""
        chunks = WholeTree(self._objects, manifest)
        problems = []
        for entry in manifest.tree.entries:
            for index in range(len(entry.chunks)):
                try:
                    chunks.read(entry, index)
                except Damaged as err:
                    problems.append(Problem(entry.path, err.reason))
        return problems

    def packs(self) -> Iterator[tuple[PackId, Stored]]:
        """List all packs with their size and the time they were last written, for the sweeper."""
        return self._named(keys.PACKS)

    def manifests(self) -> Iterator[tuple[str, Stored]]:
        """List all manifests likewise."""
        return self._named(keys.MANIFESTS)

    def strays(self) -> Iterator[Stored]:
        """List what lies among packs and manifests but is neither, such as files that a crash left unfinished."""
        for prefix in (keys.PACKS, keys.MANIFESTS):
            yield from (item for item in self._objects.list(prefix) if keys.name(item.key) is None)

    def _named(self, prefix: str) -> Iterator[tuple[PackId, Stored]]:
        for item in self._objects.list(prefix):
            name = keys.name(item.key)
            if name is not None:
                yield name, item

    def look_at_pack(self, pack: str) -> Stored | None:
        """Return size and time of a pack; None if it is not there."""
        return self._objects.look(keys.pack(pack))

    def look_at_manifest(self, key: str) -> Stored | None:
        """Return size and time of a manifest; None if it is not there."""
        return self._objects.look(keys.manifest(key))

    def delete_pack(self, pack: str) -> None:
        """Delete a pack; that nothing needs it is the caller's word. One that is gone already is fine."""
        self._objects.delete(keys.pack(pack))

    def delete_manifest(self, key: str) -> None:
        """Delete a manifest; that nothing needs it is the caller's word."""
        self._objects.delete(keys.manifest(key))

    def delete_stray(self, stray: Stored) -> None:
        """Delete something that `strays` listed. Raises `InvalidInput` for a pack or manifest."""
        if keys.name(stray.key) is not None:
            raise InvalidInput(f"{stray.key} is a pack or manifest", advice="Only what is left over is deleted so.")
        self._objects.delete(stray.key)


def _file(manifest: Manifest, path: str) -> Entry:
    entry = manifest.tree.find(path)
    if entry.kind != "file":
        raise InvalidInput(f"{show(path)} is a {entry.kind}, not a file", advice="Name a file of the Data.")
    return entry


def _rows(manifest: Manifest) -> int:
    return 1 + len(manifest.tree.entries) + len(manifest.locations)


def _open(url: str, options: dict[str, Any]) -> Objects:
    if "://" not in url:
        return LocalObjects(Path(url).absolute())
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise InvalidInput(f"the store {url!r} names another machine", advice="Write file:///PATH, three slashes.")
        return LocalObjects(Path(unquote(parts.path)))
    return FsspecObjects(url, **options)
