"""Use cases about the single files of a Data: list them, read one without unpacking the rest."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from knit_server.content.manifest import Manifest
from knit_server.content.tree import Entry
from knit_server.persistence import data, runs
from knit_server.service.context import Context
from knit_server.service.data import distrusting, usable_content


@dataclass(frozen=True, kw_only=True)
class File:
    """A file on its way out: its entry, and its bytes, each chunk verified before it is given."""

    entry: Entry
    chunks: Generator[bytes]


def entries(ctx: Context, knit_id: str) -> tuple[Entry, ...]:
    """Return all names of a Data, in name order. Raises `NotFound`, `NotUsable` or `Damaged`."""
    return _manifest(ctx, knit_id).tree.entries


def read(ctx: Context, knit_id: str, path: str) -> File:
    """Open one file of a Data; only the parts of packs that hold it are read.

    Raises `NotFound` (no such Data, or no such name in it), `InvalidInput` (it is no file), `NotUsable` or `Damaged`
    (also while it is read).
    """
    manifest = _manifest(ctx, knit_id)
    ctx.store.open(manifest, path).close()  # so that what is no file is told before anything is sent
    return File(entry=manifest.tree.find(path), chunks=_chunks(ctx, manifest, path))


def _chunks(ctx: Context, manifest: Manifest, path: str) -> Generator[bytes]:
    with distrusting(ctx, manifest), ctx.store.open(manifest, path) as file:
        while block := file.read(_BLOCK):
            yield block


_BLOCK = 1 << 20  # bytes given at once; a read never goes beyond a chunk


def _manifest(ctx: Context, knit_id: str) -> Manifest:
    with ctx.db.read() as tx:
        found = data.get(tx, knit_id)
        run = runs.get(tx, found.run_id)
    return ctx.store.manifest(usable_content(found, run).manifest)
