"""Use cases about Data: find, show, push, pull, tag."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from knit_server.content.manifest import Manifest
from knit_server.content.packs import Location, PackId
from knit_server.content.tree import ChunkId
from knit_server.domain import runs as edges
from knit_server.domain import tags as rules
from knit_server.domain.data import Content, Data
from knit_server.domain.errors import Conflict, Damaged, KnitError, NotFound, NotUsable
from knit_server.domain.ids import KnitId, PlanId, RunId
from knit_server.domain.paging import DataPosition, Order, Page
from knit_server.domain.plans import UPLOAD_PATH, UPLOADED, Plan
from knit_server.domain.runs import TERMINAL, Exit, Run, Status
from knit_server.domain.tags import Tag, Tags
from knit_server.domain.views import DataView
from knit_server.persistence import Transaction, causes, contents, data, leases, plans, runs
from knit_server.persistence.runs import Lease
from knit_server.service import garbage, projection, views
from knit_server.service.context import Context
from knit_server.storage import Snapshot


@dataclass(frozen=True, kw_only=True)
class DataQuery:
    """What to look for: all of `tags`; time in [since, until), in milliseconds; only `transient` ones, or none."""

    tags: tuple[Tag, ...] = ()
    since: int | None = None
    until: int | None = None
    transient: bool | None = None
    order: Order = Order.OLDEST


@dataclass(frozen=True, kw_only=True)
class TagChange:
    """A change of a Data's user tags: first `remove`, then `remove_keys`, then `add`."""

    add: tuple[Tag, ...] = ()
    remove: tuple[Tag, ...] = ()
    remove_keys: tuple[str, ...] = ()

    def applied(self, old: Tags) -> Tags:
        """Return the tags after the change. Raises `InvalidInput` if it names a system tag."""
        for tag in (*self.add, *self.remove):
            rules.refuse_system_key(rules.check(tag).key)
        for key in self.remove_keys:
            rules.refuse_system_key(key)
        kept = (tag for tag in old if tag not in self.remove and tag.key not in self.remove_keys)
        return rules.normal([*kept, *self.add])


@dataclass(frozen=True, kw_only=True)
class Download:
    """A Data on its way out: a tar.gz stream and the name of the tree in it."""

    content_id: str
    size: int
    chunks: Generator[bytes]


def find(ctx: Context, query: DataQuery) -> list[DataView]:
    """Return the Data that fit the query, in its order."""
    tags, since, until = rules.normal(query.tags), query.since, query.until
    with ctx.db.read() as tx:
        found = data.find(tx, tags, since, until, transient=query.transient, order=query.order)
        return views.data_views(tx, found)


def page(ctx: Context, query: DataQuery, after: DataPosition | None, limit: int) -> Page[DataView]:
    """Return at most `limit` of the Data that `find` returns, in its order, from behind `after` on."""
    tags, since, until = rules.normal(query.tags), query.since, query.until
    with ctx.db.read() as tx:
        found = data.page(tx, tags, since, until, after, limit, transient=query.transient, order=query.order)
        return found.showing(lambda rows: views.data_views(tx, rows))


def show(ctx: Context, knit_id: str) -> DataView:
    """Return one Data. Raises `NotFound`."""
    with ctx.db.read() as tx:
        return views.data_views(tx, [data.get(tx, knit_id)])[0]


def details(ctx: Context, knit_id: str) -> dict[str, object]:
    """Return what Knit knows of a Data beyond the common shape. Raises `NotFound`."""
    with ctx.db.read() as tx:
        found = data.get(tx, knit_id)
        decisions = causes.about(tx, knit_id=knit_id, limit=50)
    content = found.content
    return {
        "knitId": knit_id,
        "usable": found.status is Status.DONE and content is not None,
        "contentId": content.content_id if content else None,
        "bytesId": content.bytes_id if content else None,
        "size": content.size if content else None,
        "files": content.files if content else None,
        "decisions": [
            {
                "planId": each.plan_id,
                "path": each.path,
                "reason": each.reason.value,
                "count": each.count,
                **each.detail,
            }
            for each in decisions
        ],
    }


def retag(ctx: Context, knit_id: str, change: TagChange) -> DataView:
    """Change the user tags of a Data and make the Runs that follow. Raises `NotFound` or `InvalidInput`."""
    with ctx.db.write() as tx:
        tx.lock_matching()
        found = data.get(tx, knit_id)
        new = change.applied(found.tags)
        if new != found.tags:
            data.retag(tx, knit_id, new, ctx.now())
            cause = projection.open_cause(ctx, tx, "tag", knit_id)
            projection.nominate_data(ctx, tx, [data.get(tx, knit_id)], cause)
        return views.data_views(tx, [data.get(tx, knit_id)])[0]


def download(ctx: Context, knit_id: str) -> Download:
    """Return the content of a Data as a stream. Raises `NotFound`, `NotUsable` or `Damaged` (also while streaming)."""
    with ctx.db.read() as tx:
        found = data.get(tx, knit_id)
        run = runs.get(tx, found.run_id)
    content = usable_content(found, run)
    manifest = ctx.store.manifest(content.manifest)
    chunks = _distrusting(ctx, manifest, ctx.store.tar(manifest))
    return Download(content_id=content.content_id, size=content.size, chunks=chunks)


def _distrusting(ctx: Context, manifest: Manifest, blocks: Iterator[bytes]) -> Generator[bytes]:
    with distrusting(ctx, manifest):
        yield from blocks


@contextlib.contextmanager
def distrusting(ctx: Context, manifest: Manifest) -> Iterator[None]:
    """Where a tree proves damaged, share its chunks no more: pushed or made again, all of it is stored anew."""
    try:
        yield
    except Damaged:
        with contextlib.suppress(KnitError), ctx.db.write() as tx:
            contents.forget_chunks(tx, manifest.locations)
        raise


def usable_content(found: Data, run: Run) -> Content:
    """Return what can be read of a Data. Raises `NotUsable`, naming its Run and how that stands."""
    if found.content is not None and run.status in TERMINAL:
        return found.content
    ended = run.status in TERMINAL
    raise NotUsable(
        f"Data {found.knit_id} has no content{'' if ended else ' yet'}: its Run {run.run_id} is {run.status.value}",
        advice="It was cut off before anything was kept; push it again."
        if ended
        else f"Wait until the Run is done: knit run show {run.run_id}",
    )


# --- push -------------------------------------------------------------------------------------------------------------


def upload(ctx: Context, stream: BinaryIO, tags: Iterable[Tag] = ()) -> DataView:
    """Store a tar.gz stream as a new Data that carries `tags` from the moment it is usable.

    Raises `InvalidInput` (bad tags or archive), `OutOfSpace`, or what `stream.read` raises; the upload's Run is failed
    then and its Data has no content.
    """
    wanted = rules.require_user(rules.check(tag) for tag in tags)
    run, knit_id = _begin_upload(ctx)
    try:
        with ctx.store.writer(known(ctx), has_content=lambda content_id: has_content(ctx, content_id)) as writer:
            snapshot = writer.add_tar(_Renewing(ctx, run.run_id, stream))
        try:
            return _commit_upload(ctx, run.run_id, knit_id, snapshot, wanted)
        except garbage.Swept:  # the same tree was there when this one was complete, and is not any more
            ctx.store.add_manifest(snapshot)
            return _commit_upload(ctx, run.run_id, knit_id, snapshot, wanted)
    except BaseException as err:
        with contextlib.suppress(KnitError):  # if even this cannot be kept, the Run ends when its lease runs out
            fail_upload(ctx, run.run_id, err.reason if isinstance(err, KnitError) else "the upload was cut off")
        raise


def fail_upload(ctx: Context, run_id: str, why: str) -> None:
    """End an upload that did not come to its end: its Run is failed, its Data has no content. May be repeated."""
    with ctx.db.write() as tx:
        run = runs.lock(tx, run_id)
        if run.status in TERMINAL:
            return
        now = ctx.now()
        if run.status is not Status.ABORTING:
            aborting = edges.abort(run, now, Exit(edges.STUCK, why))
            runs.move(tx, run, aborting)
            run = aborting
        runs.move(tx, run, edges.fail(run, now))
        for each in data.made_by(tx, [run_id]).get(run_id, []):
            data.settle(tx, each.knit_id, None, now)
        leases.drop(tx, [run_id])


def _begin_upload(ctx: Context) -> tuple[Run, KnitId]:
    now = ctx.now()
    run_id, knit_id = RunId(ctx.new_id()), KnitId(ctx.new_id())
    with ctx.db.write() as tx:
        plan_id = upload_plan(ctx, tx)
        cause = projection.open_cause(ctx, tx, "push", knit_id)
        run = Run(
            run_id=run_id, plan_id=plan_id, key=f"upload:{run_id}", status=Status.RUNNING, updated_at=now,
            attempt=1, cause=cause.id,
        )  # fmt: skip
        runs.insert(tx, [run], now, Lease(owner=ctx.owner, until=now + ctx.limits.lease))
        new = Data(knit_id=knit_id, tags=(), run_id=run_id, path=UPLOAD_PATH, status=run.status)
        data.insert(tx, [new], now)
    return run, knit_id


def upload_plan(ctx: Context, tx: Transaction) -> PlanId:
    """Return the id of the built-in Plan whose Runs are uploads."""
    return built_in_plan(ctx, tx, UPLOADED)


def built_in_plan(ctx: Context, tx: Transaction, name: str) -> PlanId:
    """Return the id of the built-in Plan of that name, registering it the first time."""
    found = plans.named(tx, name)
    if found is None:
        tx.lock_matching()  # two first ones at once must not both register it
        found = plans.named(tx, name)
    if found is None:
        found = Plan(plan_id=PlanId(ctx.new_id()), name=name)
        plans.insert(tx, found, ctx.now())
    return found.plan_id


def _commit_upload(ctx: Context, run_id: RunId, knit_id: KnitId, snapshot: Snapshot, tags: Tags) -> DataView:
    with ctx.db.write() as tx:
        tx.lock_matching()
        now = ctx.now()
        run = runs.lock(tx, run_id)
        completing = edges.complete(run, now)
        runs.move(tx, run, completing)
        runs.move(tx, completing, edges.finish(completing, now))
        data.settle(tx, knit_id, keep(ctx, tx, snapshot), now)
        if tags:
            data.retag(tx, knit_id, tags, now)
        projection.nominate_data(ctx, tx, [data.get(tx, knit_id)], projection.Cause(run.cause, 0))
        leases.drop(tx, [run_id])
        return views.data_views(tx, [data.get(tx, knit_id)])[0]


_LOOK = 1000  # milliseconds between two looks at whether a user has stopped an upload


class _Renewing:
    """A stream that keeps the lease of its upload alive while bytes come in, and ends when a user stops the upload."""

    def __init__(self, ctx: Context, run_id: RunId, stream: BinaryIO) -> None:
        self._ctx, self._run_id, self._stream = ctx, run_id, stream
        self._renewed = self._looked = ctx.now()

    def read(self, size: int = -1, /) -> bytes:
        """Read like the stream; renew the lease when a third of it is over. Raises `Conflict` if a user says stop."""
        block = self._stream.read(size)
        now = self._ctx.now()
        if now - self._looked > _LOOK:
            self._looked = now
            with self._ctx.db.read() as tx:
                status = runs.get(tx, self._run_id).status
            if status is not Status.RUNNING:
                raise Conflict("the upload was stopped by a user", advice="If that was a mistake, push again.")
        if now - self._renewed > self._ctx.limits.lease // 3:
            self._renewed = now
            lease = Lease(owner=self._ctx.owner, until=now + self._ctx.limits.lease)
            with self._ctx.db.write() as tx:
                if not leases.renew(tx, [self._run_id], lease):
                    raise NotFound("the upload was given up", advice="It stood still for too long; push again.")
        return block


# --- contents ---------------------------------------------------------------------------------------------------------


def known(ctx: Context) -> Callable[[Sequence[ChunkId]], Mapping[ChunkId, Location]]:
    """Return what tells a `Writer` where chunks lie that are stored already."""

    def places(chunks: Sequence[ChunkId]) -> Mapping[ChunkId, Location]:
        with ctx.db.read() as tx:
            found = contents.places(tx, chunks)
        return {ChunkId(chunk): Location(PackId(place[0]), *place[1:]) for chunk, place in found.items()}

    return places


def has_content(ctx: Context, content_id: str) -> bool:
    """Whether a tree is stored already, under a manifest that can be read."""
    with ctx.db.read() as tx:
        key = contents.manifest(tx, content_id)
    try:
        return key is not None and ctx.store.manifest(key).tree.content_id == content_id
    except Damaged:
        return False


def keep(ctx: Context, tx: Transaction, snapshot: Snapshot) -> str:
    """Record a stored tree and its new chunks; returns its content id. To be called under the lock of matching.

    Raises `Swept` if something that it relies on is gone: it is to be stored again.
    """
    there = contents.standing(tx, snapshot.content_id)
    if there is not None and there.condemned:
        garbage.pardon(tx, snapshot.content_id)
    if snapshot.manifest_key is None:  # a content in SQL has all that its manifest names
        if there is None:
            raise garbage.Swept
        return snapshot.content_id
    content = Content(
        content_id=snapshot.content_id,
        bytes_id=snapshot.bytes_id,
        manifest=snapshot.manifest_key,
        size=snapshot.size,
        files=snapshot.files,
    )
    known = garbage.revive(ctx, tx, snapshot)
    ids = contents.packs(tx, snapshot.packs, known)
    if there is None:
        contents.add(tx, content, ctx.now(), ids.values())
    else:
        garbage.rest_anew(ctx, tx, content, there.manifest, ids.values())
    contents.forget_chunks(tx, snapshot.new_chunks)
    contents.add_chunks(
        tx,
        {
            str(chunk): (str(at.pack), at.offset, at.length, at.compressed)
            for chunk, at in snapshot.locations.items()
            if chunk in snapshot.new_chunks or at.pack not in known
        },
        ids,
    )
    return snapshot.content_id
