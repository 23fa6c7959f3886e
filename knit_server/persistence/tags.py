"""Tags at rest: each `key:value` once, found by its digest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from knit_server.domain.tags import Tag, Tags, digest, normal
from knit_server.persistence import tables
from knit_server.persistence.batches import batched
from knit_server.persistence.database import Transaction


def find(tx: Transaction, tags: Iterable[Tag]) -> dict[Tag, int]:
    """Return the row ids of those tags that are in use."""
    by_digest = {digest(tag): tag for tag in tags}
    found: dict[Tag, int] = {}
    for some in batched(by_digest):
        rows = tx.execute(sa.select(tables.tag.c.digest, tables.tag.c.tag_id).where(tables.tag.c.digest.in_(some)))
        found.update({by_digest[bytes(row.digest)]: row.tag_id for row in rows})
    return found


def ensure(tx: Transaction, tags: Iterable[Tag]) -> dict[Tag, int]:
    """Return the row ids of all of `tags`, making rows for those that are new."""
    wanted = list(dict.fromkeys(tags))
    found = find(tx, wanted)
    new = [tag for tag in wanted if tag not in found]
    if new:
        rows = [{"digest": digest(tag), "key": tag.key, "value": tag.value} for tag in new]
        tx.execute(insert_or_ignore(tx, tables.tag), rows)
        found |= find(tx, new)
    return found


def attach(tx: Transaction, pairs: Sequence[tuple[str, Tag]]) -> None:
    """Give Data their tags: (knitId, tag) pairs. A tag that is there already stays."""
    if not pairs:
        return
    ids = ensure(tx, (tag for _, tag in pairs))
    tx.execute(
        insert_or_ignore(tx, tables.data_tag), [{"tag_id": ids[tag], "knit_id": knit_id} for knit_id, tag in pairs]
    )


def detach(tx: Transaction, knit_id: str, tags: Iterable[Tag]) -> None:
    """Take tags away from a Data."""
    for some in batched(find(tx, tags).values()):
        where = sa.and_(tables.data_tag.c.knit_id == knit_id, tables.data_tag.c.tag_id.in_(some))
        tx.execute(sa.delete(tables.data_tag).where(where))


def of(tx: Transaction, knit_ids: Iterable[str]) -> dict[str, Tags]:
    """Return the user tags of each Data, in normal form."""
    found: dict[str, list[Tag]] = {}
    joined = tables.data_tag.join(tables.tag)
    for some in batched(knit_ids):
        query = sa.select(tables.data_tag.c.knit_id, tables.tag.c.key, tables.tag.c.value).select_from(joined)
        for row in tx.execute(query.where(tables.data_tag.c.knit_id.in_(some))).all():
            found.setdefault(row.knit_id, []).append(Tag(row.key, row.value))
    return {knit_id: normal(tags) for knit_id, tags in found.items()}


def uses(tx: Transaction, tag: Tag, *, at_most: int = 10_000) -> int:
    """Return how many Data carry `tag`, counting no further than `at_most`."""
    some = (
        sa.select(tables.data_tag.c.knit_id)
        .join(tables.tag, tables.tag.c.tag_id == tables.data_tag.c.tag_id)
        .where(tables.tag.c.digest == digest(tag))
        .limit(at_most)
    )
    return int(tx.execute(sa.select(sa.func.count()).select_from(some.subquery())).scalar_one())


def in_use(tx: Transaction, prefix: str, limit: int) -> list[tuple[Tag, int]]:
    """Return at most `limit` tags of Data whose text begins with `prefix`, by text, with how many carry each.

    Looks through all distinct tags: there are few compared with Data.
    """
    if "\0" in prefix:  # PostgreSQL takes no NUL, and no tag has one
        return []
    tag, carried = tables.tag.c, tables.data_tag.c
    key, colon, value = prefix.partition(":")
    begins = [tag.key == key, sa.func.substr(tag.value, 1, len(value)) == value] if colon else []
    begins = begins or [sa.func.substr(tag.key, 1, len(key)) == key]
    used = sa.exists().where(carried.tag_id == tag.tag_id)
    found = tx.execute(sa.select(tag.tag_id, tag.key, tag.value).where(*begins, used)).all()
    some = sorted((Tag(row.key, row.value), row.tag_id) for row in found)[:limit]  # databases order texts differently
    counts: dict[int, int] = {}
    for ids in batched(tag_id for _, tag_id in some):
        query = sa.select(carried.tag_id, sa.func.count().label("uses")).where(carried.tag_id.in_(ids))
        counts |= {row.tag_id: row.uses for row in tx.execute(query.group_by(carried.tag_id))}
    return [(each, counts[tag_id]) for each, tag_id in some]


def insert_or_ignore(tx: Transaction, table: sa.Table) -> sa.Insert:
    """Return an INSERT that leaves rows alone which are there already."""
    if tx.is_sqlite:
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert

    return postgresql_insert(table).on_conflict_do_nothing()
