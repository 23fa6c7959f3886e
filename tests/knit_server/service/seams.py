"""A store that lets tests act where only an unlucky moment would: between the steps of a writer and of the sweeper."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from knit_server.content import tarball
from knit_server.content.packs import Location
from knit_server.content.tree import ChunkId, ContentId
from knit_server.service.context import Context
from knit_server.storage import Store, Writer
from knit_server.storage.writer import HasContent, Known, no_content, nothing_known
from knit_server.testing import ManualClock

Seam = Callable[[str], None]
"""Called with the name of the step: known, written, deleting, deleted."""


class SeamedStore(Store):
    """A store that calls `seam`: it may do anything, and raise as well."""

    seam: Seam = staticmethod(lambda step: None)

    def writer(self, known: Known = nothing_known, *, has_content: HasContent = no_content) -> Writer:
        def known_and_then(chunks: Sequence[ChunkId]) -> Mapping[ChunkId, Location]:
            found = known(chunks)
            self.seam("known")
            return found

        def has_content_and_then(content: ContentId) -> bool:
            found = has_content(content)
            self.seam("known")
            return found

        return _SeamedWriter(self._objects, known_and_then, has_content_and_then, self)

    def delete_pack(self, pack: str) -> None:
        self.seam("deleting")
        super().delete_pack(pack)
        self.seam("deleted")

    def delete_manifest(self, key: str) -> None:
        self.seam("deleting")
        super().delete_manifest(key)
        self.seam("deleted")


class _SeamedWriter(Writer):
    def __init__(self, objects: object, known: Known, has_content: HasContent, store: SeamedStore) -> None:
        super().__init__(objects, known, has_content)  # type: ignore[arg-type]  # a store's own
        self._store = store

    def close(self) -> None:
        super().close()
        self._store.seam("written")


class Once:
    """A seam that acts once, at one step."""

    def __init__(self, step: str, act: Callable[[], object]) -> None:
        self._step, self._act = step, act
        self.acted = False

    def __call__(self, step: str) -> None:
        if step == self._step and not self.acted:
            self.acted = True
            self._act()


def a_clock() -> ManualClock:
    """A clock a little ahead of the file system's, which tells when objects were stored."""
    return ManualClock(int(time.time() * 1000) + 60_000)


def lay(folder: Path, files: Mapping[str, str]) -> None:
    """Write files that are equal in their times as well, whenever they are written."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
        os.utime(folder / name, ns=(0, 0))
    os.utime(folder, ns=(0, 0))


def a_tar(folder: Path, files: Mapping[str, str]) -> io.BytesIO:
    """Return a tar.gz of files; equal files make equal contents."""
    lay(folder, files)
    return io.BytesIO(b"".join(tarball.pack_directory(folder)))


def objects(ctx: Context) -> set[str]:
    """The keys of all packs and manifests."""
    return {seen.key for _, seen in [*ctx.store.packs(), *ctx.store.manifests()]}


def bytes_stored(ctx: Context) -> int:
    """Bytes of all files of the store, as the operating system tells them."""
    return sum(path.stat().st_size for path in Path(ctx.home, "store").rglob("*") if path.is_file())
