"""Tidying up, once a minute at most: what crashes left behind, and what has grown too old or too large."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Callable, Iterator

from knit_server.content.restore import remove_tree
from knit_server.domain.errors import KnitError
from knit_server.domain.runs import TERMINAL
from knit_server.persistence import causes, contents, events, runs
from knit_server.service.context import Context

log = logging.getLogger("knit.scheduler")

_UPLOAD_AGE = 24 * 3600  # seconds after which a half-built upload folder belongs to nobody


def sweep(ctx: Context, busy: Callable[[str], bool]) -> None:
    """Remove old events, receipts, run folders and upload folders, and trim the tree cache.

    `busy` says whether this process still works on a Run: the folder of one that is done just now is being moved.
    """
    with ctx.db.write() as tx:
        events.trim(tx, ctx.limits.events_kept)
        causes.trim(tx, ctx.now() - ctx.limits.receipts_kept)
    _run_folders(ctx, busy)
    _uploads(ctx)
    ctx.trees.trim(ctx.limits.tree_cache)


def sweep_store(ctx: Context) -> None:
    """Delete packs, manifests and fragments that no Data needs and that are older than any transfer lasts.

    A pack that SQL does not know was written by a push or a Run that never came to its commit.
    """
    oldest = (ctx.now() - ctx.limits.orphan_age) / 1000
    old_packs = [name for name, stored in ctx.store.packs() if stored.modified < oldest]
    old_manifests = [name for name, stored in ctx.store.manifests() if stored.modified < oldest]
    with ctx.db.read() as tx:
        known_packs = contents.known_packs(tx, old_packs)
        known_manifests = contents.known_manifests(tx, old_manifests)
    for pack in old_packs:
        if pack not in known_packs:
            with _left_if_stuck(f"pack {pack}"):
                ctx.store.delete_pack(pack)
    for manifest in old_manifests:
        if manifest not in known_manifests:
            with _left_if_stuck(f"manifest {manifest}"):
                ctx.store.delete_manifest(manifest)
    for stray in ctx.store.strays():
        if stray.modified < oldest:
            with _left_if_stuck(stray.key):
                ctx.store.delete_stray(stray)


@contextlib.contextmanager
def _left_if_stuck(what: str) -> Iterator[None]:
    """Leave what cannot be deleted now to the next sweep: it holds up nothing else."""
    try:
        yield
    except (KnitError, OSError) as err:
        log.warning("%s stays, since it cannot be deleted now: %s", what, err)


def _run_folders(ctx: Context, busy: Callable[[str], bool]) -> None:
    folders = {path.name: path for path in (ctx.home / "runs").iterdir()}
    owners = {name: name.rpartition("-")[0] for name in folders}
    with ctx.db.read() as tx:
        known = runs.many(tx, set(owners.values()))
    for name, path in folders.items():
        run = known.get(owners[name])
        if (run is None or run.status in TERMINAL) and not busy(owners[name]):  # asked last: see above
            with _left_if_stuck(f"the folder {path}"):
                remove_tree(path)


def _uploads(ctx: Context) -> None:
    for path in (ctx.home / "uploads").iterdir():
        if path.stat().st_mtime < time.time() - _UPLOAD_AGE:
            with _left_if_stuck(f"the folder {path}"):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
