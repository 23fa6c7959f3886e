"""What of the stored contents is needed no more, on its way out of SQL and then out of the store.

A content is *condemned* while no Data has it: whoever stores the same tree again gets it back as it is. Then it is
*dropped*: SQL forgets it, and the packs that no other content needs with all their chunks, and their names become
`garbage`. Garbage is *claimed* before its object is deleted, and *deleted* afterwards; that stays known for a while,
for the sake of writers that stored an equal object before. Callers that write hold the lock of matching, as whoever
commits a content does. Rules: docs/storage-format.md, "Garbage".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from knit_server.domain.plans import UPLOADED
from knit_server.domain.runs import Status
from knit_server.persistence import tables
from knit_server.persistence.batches import batched
from knit_server.persistence.database import Transaction

PACK, MANIFEST = "pack", "manifest"
"""The kinds of garbage."""

_content, _held, _garbage = tables.content, tables.content_pack, tables.garbage


@dataclass(frozen=True)
class Garbage:
    """An object of the store that is garbage; instants in milliseconds, see `tables.garbage`."""

    kind: str
    name: str
    since: int
    claimed_at: int | None = None
    deleted_at: int | None = None


# --- contents ---------------------------------------------------------------------------------------------------------


def condemn(tx: Transaction, content_ids: Iterable[str], now: int) -> None:
    """Note of those contents that no Data has any more since when that is so."""
    for some in batched(content_ids):
        unused = ~sa.exists().where(tables.data.c.content_id == _content.c.content_id)
        here = _content.c.content_id.in_(some), _content.c.condemned_at.is_(None)
        tx.execute(sa.update(_content).where(*here, unused).values(condemned_at=now))


def pardon(tx: Transaction, content_ids: Collection[str]) -> None:
    """Let contents that a Data has be condemned no more."""
    for some in batched(content_ids):
        tx.execute(sa.update(_content).where(_content.c.content_id.in_(some)).values(condemned_at=None))


def condemned(tx: Transaction, before: int, limit: int, files: int) -> list[str]:
    """Return contents condemned since `before`, the longest first: at most `limit`, and about `files` files in all."""
    query = sa.select(_content.c.content_id, _content.c.files).where(_content.c.condemned_at <= before)
    found: list[str] = []
    for row in tx.execute(query.order_by(_content.c.condemned_at, _content.c.content_id).limit(limit)):
        if found and row.files > files:
            break
        found.append(row.content_id)
        files -= row.files
    return found


def drop_contents(tx: Transaction, content_ids: Collection[str], now: int) -> int:
    """Drop those of the contents that no Data has, and the packs that only they needed; returns how many they were."""
    taken = set(
        tx.execute(sa.select(tables.data.c.content_id).where(tables.data.c.content_id.in_(content_ids))).scalars()
    )
    pardon(tx, taken)
    dead = [each for each in content_ids if each not in taken]
    packs = set(tx.execute(sa.select(_held.c.pack_id).where(_held.c.content_id.in_(dead))).scalars())
    manifests = tx.execute(sa.select(_content.c.manifest).where(_content.c.content_id.in_(dead))).scalars().all()
    tx.execute(sa.delete(_held).where(_held.c.content_id.in_(dead)))
    tx.execute(sa.delete(_content).where(_content.c.content_id.in_(dead)))
    add(tx, [Garbage(MANIFEST, name, now) for name in manifests])
    drop_idle(tx, packs, now)
    return len(dead)


# --- which packs a content needs --------------------------------------------------------------------------------------


def unmapped(tx: Transaction, after: str, limit: int) -> list[tuple[str, str]]:
    """Return contents of which SQL does not know which packs they need: (content id, manifest), from behind `after`."""
    query = sa.select(_content.c.content_id, _content.c.manifest).where(_is_unmapped(tx), _content.c.content_id > after)
    found = tx.execute(query.order_by(_content.c.content_id).limit(limit))
    return [(row.content_id, row.manifest) for row in found]


def hold(tx: Transaction, content_id: str, pack_ids: Collection[int], now: int) -> None:
    """Keep which packs a content needs, all of them; those that it alone needed before are dropped."""
    here = _held.c.content_id == content_id
    before = set(tx.execute(sa.select(_held.c.pack_id).where(here)).scalars())
    wanted = set(pack_ids)
    if before - wanted:
        tx.execute(sa.delete(_held).where(here, _held.c.pack_id.in_(before - wanted)))
    if wanted - before:
        tx.execute(sa.insert(_held), [{"content_id": content_id, "pack_id": each} for each in sorted(wanted - before)])
    tx.execute(sa.update(_content).where(_content.c.content_id == content_id).values(mapped=True))
    drop_idle(tx, before - wanted, now)


def idle_packs(tx: Transaction, limit: int) -> list[int]:
    """Return packs that no content needs; none as long as there are contents of which that is not known."""
    if unmapped(tx, "", 1):
        return []
    needed = sa.exists().where(_held.c.pack_id == tables.pack.c.pack_id)
    return list(tx.execute(sa.select(tables.pack.c.pack_id).where(~needed).limit(limit)).scalars())


def drop_idle(tx: Transaction, pack_ids: Collection[int], now: int) -> None:
    """Drop those of the packs, with their chunks, that no content needs; see `idle_packs`."""
    if not pack_ids or unmapped(tx, "", 1):
        return
    for some in batched(pack_ids):
        needed = set(tx.execute(sa.select(_held.c.pack_id).where(_held.c.pack_id.in_(some))).scalars())
        idle = tables.pack.c.pack_id.in_([each for each in some if each not in needed])
        rows = tx.execute(sa.select(tables.pack).where(idle)).all()
        tx.execute(sa.delete(tables.chunk).where(tables.chunk.c.pack_id.in_([row.pack_id for row in rows])))
        tx.execute(sa.delete(tables.pack).where(idle))
        add(tx, [Garbage(PACK, row.name, now) for row in rows])


def _is_unmapped(tx: Transaction) -> sa.ColumnElement[bool]:
    """Say it as the index does."""
    return sa.text("mapped = 0" if tx.is_sqlite else "NOT mapped")  # type: ignore[return-value]


# --- garbage ----------------------------------------------------------------------------------------------------------


def add(tx: Transaction, new: Sequence[Garbage]) -> None:
    """Let these objects be garbage; what was known of deleted ones of those names is over."""
    for some in batched(new):
        forget(tx, some)
        tx.execute(sa.insert(_garbage), [vars(each) for each in some])


def look(tx: Transaction, names: Iterable[str], *kinds: str) -> list[Garbage]:
    """Return what is known of those of the objects that are garbage, or were until they were deleted."""
    found: list[Garbage] = []
    for some in batched(names):
        query = sa.select(_garbage).where(_garbage.c.kind.in_(kinds), _garbage.c.name.in_(some))
        found += [Garbage(**row._mapping) for row in tx.execute(query)]
    return found


def due(tx: Transaction, before: int, lost: int, limit: int) -> list[Garbage]:
    """Return what is garbage since `before` and nobody has claimed, the oldest first; and then what was claimed by
    `lost` and not deleted: its server died, or the store refused."""
    claimed = _garbage.c.claimed_at.is_not(None)
    wanted = sa.or_(sa.and_(~claimed, _garbage.c.since <= before), _garbage.c.claimed_at <= lost)
    query = sa.select(_garbage).where(_garbage.c.deleted_at.is_(None), wanted)
    rows = tx.execute(query.order_by(claimed, _garbage.c.since).limit(limit))
    return [Garbage(**row._mapping) for row in rows]


def write(tx: Transaction, changed: Iterable[Garbage]) -> None:
    """Keep instants of garbage."""
    for each in changed:
        values = {"since": each.since, "claimed_at": each.claimed_at, "deleted_at": each.deleted_at}
        tx.execute(sa.update(_garbage).where(_garbage.c.kind == each.kind, _garbage.c.name == each.name).values(values))


def forget(tx: Transaction, some: Iterable[Garbage]) -> None:
    """Let these objects be no garbage."""
    by_kind: dict[str, list[str]] = {}
    for each in some:
        by_kind.setdefault(each.kind, []).append(each.name)
    for kind, names in by_kind.items():
        for part in batched(names):
            tx.execute(sa.delete(_garbage).where(_garbage.c.kind == kind, _garbage.c.name.in_(part)))


def purge(tx: Transaction, before: int) -> None:
    """Forget what was deleted before `before`."""
    tx.execute(sa.delete(_garbage).where(_garbage.c.deleted_at < before))


def waiting(tx: Transaction) -> tuple[int, int]:
    """Return how many contents are condemned, and the bytes of their files."""
    size = sa.func.coalesce(sa.func.sum(_content.c.size), 0).label("size")
    query = sa.select(sa.func.count().label("number"), size).where(_content.c.condemned_at.is_not(None))
    row = tx.execute(query).one()
    return int(row.number), int(row.size)


# --- who may still be writing -----------------------------------------------------------------------------------------


def oldest_upload(tx: Transaction) -> int | None:
    """Return since when the oldest upload is under way, None if there is none."""
    query = sa.select(sa.func.min(tables.run.c.created_at)).select_from(tables.run.join(tables.plan))
    found: int | None = tx.execute(
        query.where(tables.run.c.status == Status.RUNNING.value, tables.plan.c.name == UPLOADED)
    ).scalar()
    return found


def oldest_ending(tx: Transaction) -> int | None:
    """Return since when the oldest Run is about to end, whose outputs may be stored just now; None if there is none."""
    ending = (Status.COMPLETING.value, Status.ABORTING.value)
    found: int | None = tx.execute(
        sa.select(sa.func.min(tables.run.c.updated_at)).where(tables.run.c.status.in_(ending))
    ).scalar()
    return found
