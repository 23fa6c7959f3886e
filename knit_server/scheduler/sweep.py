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
from knit_server.service import garbage
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
    _trees(ctx)


def sweep_store(ctx: Context) -> None:
    """Look through the whole store: delete packs, manifests and fragments that no commit named or that nothing needs.

    What is younger than any transfer lasts is left alone.
    """
    oldest = (ctx.now() - ctx.limits.orphan_age) / 1000
    garbage.orphans(ctx)
    while collect(ctx):
        pass
    for stray in ctx.store.strays():
        if stray.modified < oldest:
            with _left_if_stuck(stray.key):
                ctx.store.delete_stray(stray)


def collect(ctx: Context) -> bool:
    """Give back some of the space of deleted Data whose grace is over; returns whether there is more to do."""
    done = garbage.collect(ctx)
    if done.objects:
        log.info("%d bytes that no Data needs are given back: %d objects of the store", done.size, done.objects)
    return done.more


def _trees(ctx: Context) -> None:
    """Drop from the cache what is stored no more, and then what is beyond its size."""
    cached = ctx.trees.ids()
    with ctx.db.read() as tx:
        known = contents.known(tx, cached)
    for content_id in cached:
        if content_id not in known:
            ctx.trees.drop(content_id)
    ctx.trees.trim(ctx.limits.tree_cache)


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
