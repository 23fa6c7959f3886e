"""Data at rest: who made them, their tags, when they became usable, and which content they have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from knit_server.domain import matching, times
from knit_server.domain import tags as domain_tags
from knit_server.domain.data import Content, Data
from knit_server.domain.errors import NotFound
from knit_server.domain.ids import KnitId, RunId
from knit_server.domain.paging import DataPosition, Order, Page
from knit_server.domain.runs import Status
from knit_server.domain.tags import Tag, Tags
from knit_server.persistence import events, garbage, tables, tags
from knit_server.persistence.batches import batched, possible
from knit_server.persistence.database import Transaction

Row = sa.Row[tuple[object, ...]]
Conditions = Sequence[sa.ColumnElement[bool]]

_data = tables.data
_joined = _data.join(tables.run).outerjoin(tables.content)
_columns = (
    *_data.c,
    tables.run.c.status,
    tables.content.c.bytes_id,
    tables.content.c.manifest,
    tables.content.c.size,
    tables.content.c.files,
)
_COUNTED = 32
"""Tags of a query among which the rarest is looked for; nobody asks for as many, but nobody is kept from it."""

_START = DataPosition(timestamp=-(1 << 62), seq=0, unset=0)
"""Before all Data."""
_LAST = (1 << 62) - 1
_END = DataPosition(timestamp=_LAST, seq=_LAST, unset=_LAST)
"""Behind all Data."""

_by_time = (_data.c.timestamp.is_(None), _data.c.timestamp, _data.c.seq)
_newest_first = tuple(each.desc() for each in _by_time)


def insert(tx: Transaction, new: Sequence[Data], now: int) -> None:
    """Keep new Data, with their tags."""
    if not new:
        return
    rows = [{"knit_id": each.knit_id, "run_id": each.run_id, "path": each.path or tables.LOG} for each in new]
    tx.execute(sa.insert(_data), rows)
    tags.attach(tx, [(each.knit_id, tag) for each in new for tag in each.tags])
    events.record(tx, "data", [(each.knit_id, {"change": "made", "runId": each.run_id}) for each in new], now)


def get(tx: Transaction, knit_id: str) -> Data:
    """Return a Data. Raises `NotFound`."""
    found = many(tx, [knit_id])
    if knit_id not in found:
        raise NotFound(f"there is no Data {knit_id}", advice="List the Data: knit data find")
    return found[knit_id]


def many(tx: Transaction, knit_ids: Iterable[str]) -> dict[str, Data]:
    """Return those of the Data that exist, by id."""
    found: dict[str, Data] = {}
    for some in batched(possible(knit_ids)):
        query = sa.select(*_columns).select_from(_joined).where(_data.c.knit_id.in_(some))
        found |= {each.knit_id: each for each in _values(tx, tx.execute(query).all())}
    return found


def made_by(tx: Transaction, run_ids: Iterable[str]) -> dict[str, list[Data]]:
    """Return the outputs and the log of each Run: by path, the log last."""
    found: dict[str, list[Data]] = {}
    for some in batched(dict.fromkeys(run_ids)):
        query = sa.select(*_columns).select_from(_joined).where(_data.c.run_id.in_(some))
        for each in _values(tx, tx.execute(query).all()):
            found.setdefault(each.run_id, []).append(each)
    for made in found.values():  # sorted here: databases differ in how they order texts
        made.sort(key=lambda each: (each.path is None, each.path))
    return found


def find(
    tx: Transaction, wanted: Tags, since: int | None, until: int | None, *, transient: bool | None = None,
    order: Order = Order.OLDEST,
) -> list[Data]:  # fmt: skip
    """Return the Data that carry all tags and became usable in [since, until), the latest last.

    System tags are compared with what the Data shows of itself. Without timestamp, the time its Run changed counts.
    `transient` keeps only those that are not usable (True), or that are (False).
    """
    conditions = _found(tx, wanted, since, until, transient)
    if conditions is None:
        return []
    return _values(tx, _rows(tx, conditions, _by_time if order is Order.OLDEST else _newest_first))


def page(
    tx: Transaction, wanted: Tags, since: int | None, until: int | None, after: DataPosition | None, limit: int,
    *, transient: bool | None = None, order: Order = Order.OLDEST,
) -> Page[Data]:  # fmt: skip
    """Return at most `limit` of the Data that `find` finds, in its order, from behind `after` (None: the start) on.

    A Data whose Run ends while a reader goes through the pages moves from those without timestamp to the end of those
    with one. It is neither passed over nor told twice: every page begins with Data with a timestamp, except those that
    were told without. Both parts are found through the index over `timestamp`, wherever a page lies.

    The newest first, such a Data is not passed over either, but may be told again: it is the newest by then.
    """
    conditions = _found(tx, wanted, since, until, transient)
    if conditions is None:
        return Page(rows=[])
    oldest_first = order is Order.OLDEST
    at = after or (_START if oldest_first else _END)
    rows = (_rows_after if oldest_first else _rows_before)(tx, conditions, at, limit + 1)  # one more: is there a next?
    for row in rows[:limit]:
        at = at._replace(unset=row.seq) if row.timestamp is None else at._replace(timestamp=row.timestamp, seq=row.seq)
    return Page(rows=_values(tx, rows[:limit]), next=at if len(rows) > limit else None)


def _rows_after(tx: Transaction, found: Conditions, at: DataPosition, limit: int) -> list[Row]:
    time, seq = _data.c.timestamp, _data.c.seq
    timed = [time >= at.timestamp, sa.or_(time > at.timestamp, seq > at.seq), seq > at.unset]
    rows = _rows(tx, [*found, *timed], (time, seq), limit)
    if len(rows) < limit:
        rows += _rows(tx, [*found, time.is_(None), seq > at.unset], (seq,), limit - len(rows))
    return rows


def _rows_before(tx: Transaction, found: Conditions, at: DataPosition, limit: int) -> list[Row]:
    time, seq = _data.c.timestamp, _data.c.seq
    rows: list[Row] = []
    if at.timestamp == _LAST:  # no page has come to those with a timestamp yet
        rows = _rows(tx, [*found, time.is_(None), seq < at.unset], (seq.desc(),), limit)
    if len(rows) < limit:
        timed = [time <= at.timestamp, sa.or_(time < at.timestamp, seq < at.seq)]
        rows += _rows(tx, [*found, *timed], (time.desc(), seq.desc()), limit - len(rows))
    return rows


def fitting(tx: Transaction, asked: Tags) -> list[KnitId]:
    """Return the ids of usable Data that carry all of `asked`, oldest first (for the inputs of a new Plan)."""
    conditions = _conditions(tx, asked)
    if conditions is None:
        return []
    conditions.append(tables.run.c.status == Status.DONE.value)
    query = sa.select(_data.c.knit_id).select_from(_data.join(tables.run)).where(*conditions).order_by(*_by_time)
    return [KnitId(row.knit_id) for row in tx.execute(query)]


def settle(tx: Transaction, knit_id: str, content_id: str | None, now: int) -> None:
    """Give a Data its content (None: there is none) and its timestamp: its Run has ended."""
    values = {"timestamp": now, "content_id": content_id}
    tx.execute(sa.update(_data).where(_data.c.knit_id == knit_id).values(values))
    events.record(tx, "data", [(knit_id, {"change": "settled"})], now)


def erase(tx: Transaction, knit_ids: Sequence[str], now: int) -> None:
    """Remove Data for good, with their tags and nominations. No Run may have taken them.

    Contents that no other Data has are condemned: they stay for a while, and whoever reads one reads on.
    """
    for some in batched(knit_ids):
        had = sa.select(_data.c.content_id).where(_data.c.knit_id.in_(some), _data.c.content_id.is_not(None)).distinct()
        contents = tx.execute(had).scalars().all()
        for table in (tables.nomination, tables.data_tag, _data):
            tx.execute(sa.delete(table).where(table.c.knit_id.in_(some)))
        garbage.condemn(tx, contents, now)
    events.record(tx, "data", [(knit_id, {"change": "deleted"}) for knit_id in knit_ids], now)


def retag(tx: Transaction, knit_id: str, new: Tags, now: int) -> None:
    """Replace the user tags of a Data."""
    old = tags.of(tx, [knit_id]).get(KnitId(knit_id), ())
    tags.detach(tx, knit_id, set(old) - set(new))
    tags.attach(tx, [(knit_id, tag) for tag in new if tag not in old])
    events.record(tx, "data", [(knit_id, {"change": "tags"})], now)


def _found(
    tx: Transaction, wanted: Tags, since: int | None, until: int | None, transient: bool | None
) -> list[sa.ColumnElement[bool]] | None:
    """Return SQL conditions for what `find` finds, or None if that is nothing."""
    conditions = _conditions(tx, wanted)
    if conditions is not None and transient is not None:
        done = tables.run.c.status == Status.DONE.value
        conditions.append(sa.not_(done) if transient else done)
    if conditions is not None and (since is not None or until is not None):
        unset = sa.and_(_data.c.timestamp.is_(None), *_within(tables.run.c.updated_at, since, until))
        conditions.append(sa.or_(sa.and_(*_within(_data.c.timestamp, since, until)), unset))
    return conditions


def _conditions(tx: Transaction, wanted: Tags) -> list[sa.ColumnElement[bool]] | None:
    """Return SQL conditions for carrying all of `wanted`, or None if nothing can."""
    system = [matching.anchor_of(tag) for tag in wanted if tag.is_system]
    users = [tag for tag in wanted if not tag.is_system]
    ids = tags.find(tx, users)
    if len(ids) < len(set(users)):
        return None
    # What is rarest drives the query: an id, an instant, or the rarest tag. The others filter what it finds, all in one
    # condition: planners take ages over hundreds of them.
    conditions: list[sa.ColumnElement[bool]] = []
    carried, named = tables.data_tag, any(tag.key in (domain_tags.ID, domain_tags.TIMESTAMP) for tag in system)
    rest = set(ids.values())
    if rest and not named:
        rarest = ids[min(list(ids)[:_COUNTED], key=lambda tag: tags.uses(tx, tag))] if len(ids) > 1 else min(rest)
        conditions.append(_data.c.knit_id.in_(sa.select(carried.c.knit_id).where(carried.c.tag_id == rarest)))
        rest.remove(rarest)
    if rest:
        here = sa.select(sa.func.count()).where(carried.c.knit_id == _data.c.knit_id, carried.c.tag_id.in_(rest))
        conditions.append(here.scalar_subquery() == len(rest))
    for tag in system:
        condition = _system_condition(tag)
        if condition is None:
            return None
        conditions.append(condition)
    return conditions


def _within(column: sa.Column[int], since: int | None, until: int | None) -> list[sa.ColumnElement[bool]]:
    bounds = [column >= since] if since is not None else []
    return [*bounds, column < until] if until is not None else bounds


def _system_condition(tag: Tag) -> sa.ColumnElement[bool] | None:
    if tag.key == domain_tags.ID:
        return _data.c.knit_id.in_(possible([tag.value]))
    if tag.key == domain_tags.TIMESTAMP:
        return _data.c.timestamp == times.parse_instant(tag.value)
    ended = [Status.FAILED.value, Status.INVALIDATED.value]
    if tag.key == domain_tags.TRANSIENT and tag.value == domain_tags.FAILED:
        return tables.run.c.status.in_(ended)
    if tag.key == domain_tags.TRANSIENT and tag.value == domain_tags.PROCESSING:
        return tables.run.c.status.not_in([*ended, Status.DONE.value])
    return None


def _rows(
    tx: Transaction, conditions: Iterable[sa.ColumnElement[bool]], order: Iterable[sa.ColumnElement[Any]],
    limit: int | None = None,
) -> list[Row]:  # fmt: skip
    query = sa.select(*_columns).select_from(_joined).where(*conditions).order_by(*order).limit(limit)
    return list(tx.execute(query).all())


def _values(tx: Transaction, rows: Sequence[Row]) -> list[Data]:
    found = tags.of(tx, [row.knit_id for row in rows])
    return [_value(row, found.get(row.knit_id, ())) for row in rows]


def _value(row: Row, user_tags: Tags) -> Data:
    content = None
    if row.content_id is not None:
        content = Content(
            content_id=row.content_id, bytes_id=row.bytes_id, manifest=row.manifest, size=row.size, files=row.files
        )
    return Data(
        knit_id=KnitId(row.knit_id),
        tags=user_tags,
        run_id=RunId(row.run_id),
        path=None if row.path == tables.LOG else row.path,
        timestamp=row.timestamp,
        status=Status(row.status),
        content=content,
    )
