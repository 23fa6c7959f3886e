"""Use cases about the single files of a Data: list them, read one without unpacking the rest."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from knit_server.content.manifest import Manifest
from knit_server.content.tree import Entry, file_id
from knit_server.persistence import data, runs
from knit_server.service.context import Context
from knit_server.service.data import distrusting, usable_content


@dataclass(frozen=True, kw_only=True)
class File:
    """A file on its way out: its entry, and what gives its bytes, each chunk verified before it is given."""

    ctx: Context
    manifest: Manifest
    entry: Entry

    @property
    def id(self) -> str:
        """Names its bytes: equal for equal bytes, wherever they are."""
        return file_id(self.entry)

    def blocks(self, start: int = 0, stop: int | None = None) -> Generator[bytes]:
        """Give the bytes from `start` up to `stop`, by default all; only chunks that hold some of them are read.

        Raises `Damaged`, also on the way.
        """
        left = (self.entry.size if stop is None else min(stop, self.entry.size)) - start
        whole = left >= self.entry.size
        opened = self.ctx.store.open if whole else self.ctx.store.open_part
        with distrusting(self.ctx, self.manifest), opened(self.manifest, self.entry.path) as file:
            file.seek(start)
            while left > 0 and (block := file.read(min(left, _BLOCK))):
                left -= len(block)
                yield block


def entries(ctx: Context, knit_id: str) -> tuple[Entry, ...]:
    """Return all names of a Data, in name order. Raises `NotFound`, `NotUsable` or `Damaged`."""
    return _manifest(ctx, knit_id).tree.entries


def read(ctx: Context, knit_id: str, path: str) -> File:
    """Open one file of a Data; only the parts of packs that hold it are read.

    Raises `NotFound` (no such Data, or no such name in it), `InvalidInput` (it is no file), `NotUsable` or `Damaged`.
    """
    manifest = _manifest(ctx, knit_id)
    ctx.store.open(manifest, path).close()  # so that what is no file is told before anything is sent
    return File(ctx=ctx, manifest=manifest, entry=manifest.tree.find(path))


_BLOCK = 1 << 20  # bytes given at once; a read never goes beyond a chunk


def _manifest(ctx: Context, knit_id: str) -> Manifest:
    with ctx.db.read() as tx:
        found = data.get(tx, knit_id)
        run = runs.get(tx, found.run_id)
    return ctx.store.recent_manifest(usable_content(found, run).manifest)
