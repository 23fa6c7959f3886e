"""Contents at rest in SQL: which trees are stored, and in which pack each chunk lies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from knit_server.domain.data import Content
from knit_server.persistence import tables
from knit_server.persistence.batches import batched
from knit_server.persistence.database import Transaction
from knit_server.persistence.tags import insert_or_ignore

Place = tuple[str, int, int, bool]
"""Where a chunk lies: name of the pack, offset and length in bytes, whether it is compressed."""


def add(tx: Transaction, content: Content, now: int, pack_ids: Collection[int] | None = None) -> None:
    """Keep that a tree is stored, and which packs it needs, if that is known; one that is known already stays."""
    row = {**vars(content), "created_at": now, "mapped": pack_ids is not None}
    tx.execute(insert_or_ignore(tx, tables.content), [row])
    if pack_ids:
        needed = [{"content_id": content.content_id, "pack_id": each} for each in pack_ids]
        tx.execute(insert_or_ignore(tx, tables.content_pack), needed)


def replace(tx: Transaction, content: Content) -> None:
    """Let a tree that is stored already rest under another manifest: it was stored anew."""
    here = tables.content.c.content_id == content.content_id
    tx.execute(sa.update(tables.content).where(here).values(manifest=content.manifest))


def manifest(tx: Transaction, content_id: str) -> str | None:
    """Return where the manifest of this tree rests, None if the tree is not stored."""
    query = sa.select(tables.content.c.manifest).where(tables.content.c.content_id == content_id)
    found: str | None = tx.execute(query).scalar()
    return found


@dataclass(frozen=True)
class Standing:
    """How a stored tree stands: its manifest, and whether no Data has it at present."""

    manifest: str
    condemned: bool


def standing(tx: Transaction, content_id: str) -> Standing | None:
    """Return how a tree stands, None if it is not stored."""
    query = sa.select(tables.content.c.manifest, tables.content.c.condemned_at)
    row = tx.execute(query.where(tables.content.c.content_id == content_id)).one_or_none()
    return None if row is None else Standing(row.manifest, row.condemned_at is not None)


def known(tx: Transaction, content_ids: Iterable[str]) -> set[str]:
    """Return those of the trees that are stored."""
    column = tables.content.c.content_id
    found: set[str] = set()
    for some in batched(content_ids):
        found.update(tx.execute(sa.select(column).where(column.in_(some))).scalars())
    return found


def newest_manifest(tx: Transaction) -> str | None:
    """Return where the manifest of the tree of the newest Data rests, None if nothing is stored."""
    kept = tables.data.join(tables.content)
    found: str | None = tx.execute(
        sa.select(tables.content.c.manifest).select_from(kept).order_by(tables.data.c.seq.desc()).limit(1)
    ).scalar()
    return found


def add_chunks(tx: Transaction, chunks: Mapping[str, Place], ids: Mapping[str, int] | None = None) -> None:
    """Keep where new chunks lie; those known already stay where they are. `ids`: the rows of their packs, if known."""
    if not chunks:
        return
    ids = packs(tx, {place[0] for place in chunks.values()}) if ids is None else ids
    rows = [
        {"chunk_id": chunk_id, "pack_id": ids[name], "offset": offset, "length": length, "compressed": compressed}
        for chunk_id, (name, offset, length, compressed) in chunks.items()
    ]
    tx.execute(insert_or_ignore(tx, tables.chunk), rows)


def packs(tx: Transaction, names: Collection[str], known: Mapping[str, int] | None = None) -> dict[str, int]:
    """Return the rows of packs, by name; those not `known` yet (None: look) are from now on."""
    ids = known_packs(tx, names) if known is None else dict(known)
    if new := [{"name": name} for name in sorted(set(names) - set(ids))]:
        tx.execute(insert_or_ignore(tx, tables.pack), new)
        ids |= known_packs(tx, [row["name"] for row in new])
    return ids


def forget_chunks(tx: Transaction, chunk_ids: Iterable[str]) -> None:
    """Share these chunks with nobody any more: whoever needs one stores it anew. What has them still finds them."""
    for some in batched(chunk_ids):
        tx.execute(sa.delete(tables.chunk).where(tables.chunk.c.chunk_id.in_(some)))


def places(tx: Transaction, chunk_ids: Iterable[str]) -> dict[str, Place]:
    """Return where those of the chunks lie that are stored."""
    found: dict[str, Place] = {}
    joined = tables.chunk.join(tables.pack)
    for some in batched(chunk_ids):
        query = sa.select(*tables.chunk.c, tables.pack.c.name).select_from(joined)
        for row in tx.execute(query.where(tables.chunk.c.chunk_id.in_(some))):
            found[row.chunk_id] = (row.name, row.offset, row.length, bool(row.compressed))
    return found


def known_packs(tx: Transaction, names: Iterable[str]) -> dict[str, int]:
    """Return the rows of those of the packs that may be shared, by name."""
    found: dict[str, int] = {}
    for some in batched(names):
        rows = tx.execute(sa.select(tables.pack).where(tables.pack.c.name.in_(some)))
        found |= {row.name: row.pack_id for row in rows}
    return found


def known_manifests(tx: Transaction, names: Iterable[str]) -> set[str]:
    """Return those of the manifests that a stored tree has."""
    column = tables.content.c.manifest
    found: set[str] = set()
    for some in batched(names):
        found.update(row.manifest for row in tx.execute(sa.select(column).where(column.in_(some))))
    return found
