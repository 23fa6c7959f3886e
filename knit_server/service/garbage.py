"""Giving back the space of contents that no Data has any more, and never that of one that somebody relies on.

    Data erased -> condemned -> dropped -> claimed -> deleted -> forgotten
                   (SQL offers it)  |         |          |
                        SQL offers nothing of it         the object is gone

Each arrow is one small transaction under the lock of matching, under which contents are committed too; so a commit sees
either all or nothing of it, and `revive` has the last word on whether what a writer relies on is still there. Any step
may be repeated after a crash, by any server. Rules: docs/storage-format.md, "Garbage".
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from knit_server.domain.data import Content
from knit_server.domain.errors import Damaged, InvalidInput, KnitError, Unavailable
from knit_server.persistence import Transaction, contents
from knit_server.persistence import garbage as rows
from knit_server.persistence.batches import batched
from knit_server.persistence.garbage import MANIFEST, PACK, Garbage
from knit_server.service.context import Context
from knit_server.storage import Snapshot, Stored

log = logging.getLogger("knit.scheduler")

_ROUND = 100  # contents, or objects of the store, in one round
_FILES = 20_000  # files of the contents dropped in one transaction; one content goes in one piece, as it came
_TAKEOVER = 600_000  # milliseconds after which a claim counts as abandoned
_MARGIN = 60_000  # milliseconds by which the clocks of servers may differ


class Swept(Unavailable):
    """What a writer relied on was deleted before its commit: what it stores is to be stored anew."""

    def __init__(self) -> None:
        super().__init__("what this shares with deleted Data is gone since it was begun", advice="Try again.")


@dataclass(frozen=True)
class Round:
    """What one round did: objects deleted from the store, their bytes, and whether the next one finds more to do."""

    objects: int
    size: int
    more: bool


# --- for who commits --------------------------------------------------------------------------------------------------


def revive(ctx: Context, tx: Transaction, snapshot: Snapshot) -> dict[str, int]:
    """Make sure that all objects of a stored tree are there and stay; returns the rows of its packs that SQL knows.

    To be called under the lock of matching, in the transaction that keeps the tree. Raises `Swept`.
    """
    assert snapshot.manifest_key is not None, "the tree rests under the manifest of another writer"
    known = contents.known_packs(tx, snapshot.packs)
    strange = snapshot.packs - known.keys()
    met = rows.look(tx, [*strange, snapshot.manifest_key], PACK, MANIFEST)
    stored = {place.pack for place in snapshot.new_chunks.values()}
    shared = strange - stored - {each.name for each in met}
    if shared or not all(_is_there(ctx, each) for each in met):
        raise Swept
    rows.forget(tx, met)
    return known


def pardon(tx: Transaction, content_id: str) -> None:
    """Let a content be condemned no more: a Data gets it."""
    rows.pardon(tx, [content_id])


def rest_anew(ctx: Context, tx: Transaction, content: Content, before: str, packs: Collection[int]) -> None:
    """Let a content rest under another manifest than `before`: it was stored twice at once, or could not be used."""
    if before != content.manifest:
        contents.replace(tx, content)
        rows.add(tx, [Garbage(MANIFEST, before, ctx.now())])
    rows.hold(tx, content.content_id, packs, ctx.now())


def _is_there(ctx: Context, found: Garbage) -> bool:
    """Whether an object is there and nobody is about to delete it."""
    if found.claimed_at is not None and found.deleted_at is None:
        return False
    return _seen(ctx, found) is not None


def _seen(ctx: Context, found: Garbage) -> Stored | None:
    return ctx.store.look_at_pack(found.name) if found.kind == PACK else ctx.store.look_at_manifest(found.name)


# --- for the sweep ----------------------------------------------------------------------------------------------------


def collect(ctx: Context) -> Round:
    """Carry some contents and objects a step further. To be repeated while there is more."""
    more = _map(ctx)
    more = _drop(ctx) or more
    found = _delete(ctx)
    return dataclasses.replace(found, more=found.more or more)


def _map(ctx: Context) -> bool:
    """Read from their manifests which packs contents need that were stored before Knit kept that in SQL.

    One whose manifest cannot be read stays as it is, and no pack is dropped before that is put right.
    """
    after, done = "", 0
    while done < _ROUND:
        with ctx.db.read() as tx:
            some = rows.unmapped(tx, after, _ROUND)
        if not some:
            return False
        after = some[-1][0]
        needed: dict[str, tuple[str, set[str]]] = {}
        for content_id, key in some:
            with contextlib.suppress(Damaged, InvalidInput):
                needed[content_id] = (key, {str(at.pack) for at in ctx.store.manifest(key).locations.values()})
        with ctx.db.write() as tx:
            tx.lock_matching()
            for content_id, (key, packs) in needed.items():
                there = contents.standing(tx, content_id)
                if there is not None and there.manifest == key:
                    rows.hold(tx, content_id, contents.packs(tx, packs).values(), ctx.now())
        done += len(needed)
    return True


def _drop(ctx: Context) -> bool:
    """Drop contents that were condemned for half of the grace."""
    with ctx.db.write() as tx:
        tx.lock_matching()
        now = ctx.now()
        due = rows.condemned(tx, now - ctx.limits.content_grace // 2, _ROUND, _FILES)
        if due:
            rows.drop_contents(tx, due, now)
    return bool(due)


def _delete(ctx: Context) -> Round:
    """Delete objects that were garbage for half of the grace, and for longer than any upload is under way.

    Such an upload may have chosen to share them. Runs that end are not waited for: they can store their outputs anew.
    """
    now = ctx.now()
    before = now - ctx.limits.content_grace // 2
    with ctx.db.read() as tx:
        if (upload := rows.oldest_upload(tx)) is not None:
            before = min(before, upload - _MARGIN)
        due = rows.due(tx, before, now - _TAKEOVER, _ROUND)
    seen: dict[Garbage, Stored | None] = {}
    for each in due:
        with _left_if_stuck(each):
            seen[each] = _seen(ctx, each)
    claimed = _claim(ctx, seen)
    gone, failed = [], []
    for each in claimed:
        if ctx.now() > now + _TAKEOVER // 2:
            break  # this server stood still: another one may take over soon
        failed.append(each)
        with _left_if_stuck(each):
            ctx.store.delete_pack(each.name) if each.kind == PACK else ctx.store.delete_manifest(each.name)
            gone.append(failed.pop())
    if claimed:
        with ctx.db.write() as tx:
            rows.write(tx, [dataclasses.replace(each, deleted_at=ctx.now()) for each in gone])
            rows.write(tx, [dataclasses.replace(each, claimed_at=now - _TAKEOVER) for each in failed])  # free for all
    sizes = {(each.kind, each.name): stored.size for each, stored in seen.items() if stored is not None}
    size = sum(sizes.get((each.kind, each.name), 0) for each in gone)
    return Round(objects=len(gone), size=size, more=len(due) == _ROUND and len(failed) < len(due))


def _claim(ctx: Context, seen: Mapping[Garbage, Stored | None]) -> list[Garbage]:
    """Claim what still stands as it was seen; what was stored again since it became garbage is spared.

    Whoever stored it may be about to commit it. If not, it is found by its age some day (`orphans`).
    """
    if not seen:
        return []
    with ctx.db.write() as tx:
        tx.lock_matching()
        now = ctx.now()
        present = [
            each
            for kind in (PACK, MANIFEST)
            for each in rows.look(tx, [found.name for found in seen if found.kind == kind], kind)
            if each in seen
        ]
        spared = [each for each in present if each.claimed_at is None and _is_younger(seen[each], each)]
        rows.forget(tx, spared)
        claimed = [dataclasses.replace(each, claimed_at=now) for each in present if each not in spared]
        rows.write(tx, claimed)
    return claimed


def _is_younger(stored: Stored | None, found: Garbage) -> bool:
    return stored is not None and stored.modified * 1000 > found.since


@contextlib.contextmanager
def _left_if_stuck(each: Garbage) -> Iterator[None]:
    """Leave what cannot be deleted now to the next round: it holds up nothing else."""
    try:
        yield
    except KnitError as err:
        log.warning("%s %s stays, since it cannot be deleted now: %s", each.kind, each.name, err)


# --- for the sweep of the whole store ---------------------------------------------------------------------------------


def orphans(ctx: Context) -> None:
    """Find what no commit ever named, or what fell out of use unseen, and let it be garbage; forget what is over.

    Objects that SQL does not know were stored by a push or a Run that did not come to its commit; those younger than
    any transfer lasts may still come to it.
    """
    now = ctx.now()
    oldest = (now - ctx.limits.orphan_age) / 1000
    _note(ctx, PACK, {name: seen for name, seen in ctx.store.packs() if seen.modified < oldest})
    _note(ctx, MANIFEST, {name: seen for name, seen in ctx.store.manifests() if seen.modified < oldest})
    while _drop_idle(ctx):
        pass
    with ctx.db.write() as tx:
        writing = [each for each in (rows.oldest_upload(tx), rows.oldest_ending(tx)) if each is not None]
        rows.purge(tx, min([now - ctx.limits.orphan_age, *(each - _MARGIN for each in writing)]))


def _note(ctx: Context, kind: str, old: Mapping[str, Stored]) -> None:
    with ctx.db.read() as tx:
        strange = _strange(tx, kind, list(old))
    for some in batched(strange):
        with ctx.db.write() as tx:
            tx.lock_matching()
            new = _strange(tx, kind, some)
            rows.add(tx, [Garbage(kind, name, int(old[name].modified * 1000) + 1) for name in new])


def _strange(tx: Transaction, kind: str, names: Sequence[str]) -> list[str]:
    """Return those of the objects that SQL knows neither as needed nor as garbage."""
    known = contents.known_packs(tx, names) if kind == PACK else contents.known_manifests(tx, names)
    waiting = {each.name for each in rows.look(tx, names, kind) if each.deleted_at is None}
    return [name for name in names if name not in known and name not in waiting]


def _drop_idle(ctx: Context) -> bool:
    with ctx.db.write() as tx:
        tx.lock_matching()
        idle = rows.idle_packs(tx, _ROUND)
        rows.drop_idle(tx, idle, ctx.now())
    return bool(idle)
