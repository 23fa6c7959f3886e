"""The space of deleted Data comes back, and nothing that somebody relies on goes."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from desk import Desk
from seams import Once, SeamedStore, a_clock, a_tar, bytes_stored, lay, objects

from knit_server.domain.errors import Damaged, NotFound, Unavailable
from knit_server.domain.ids import KnitId
from knit_server.domain.runs import Exit, Status
from knit_server.persistence import contents, tables
from knit_server.persistence import garbage as rows
from knit_server.scheduler import finish, sweep
from knit_server.service import checks, data, garbage, lifecycle, runs
from knit_server.service.context import Context, Limits
from knit_server.testing import Killed, ManualClock, some_tags, temp_knit

HALF = Limits().content_grace // 2
BIG = "".join(f"{number} " for number in range(20_000))


@pytest.fixture
def clock() -> ManualClock:
    return a_clock()


@pytest.fixture
def ctx(tmp_path: Path, db_url: str, clock: ManualClock) -> Iterator[Context]:
    """An open Knit, on a store with seams."""
    with temp_knit(tmp_path / "home", url=db_url, now=clock) as ctx:
        yield dataclasses.replace(ctx, store=SeamedStore(ctx.store.url))


@pytest.fixture
def push(ctx: Context, tmp_path: Path) -> Callable[..., KnitId]:
    """Push files, with tags."""
    numbers = itertools.count()

    def push(*tags: str, **files: str) -> KnitId:
        tar = a_tar(tmp_path / f"pushed-{next(numbers)}", files)
        return data.upload(ctx, tar, some_tags(*tags)).data.knit_id

    return push


Push = Callable[..., KnitId]


def files_of(ctx: Context, knit_id: str) -> dict[str, str]:
    """What is in a Data, each byte read from the store."""
    content = data.show(ctx, knit_id).data.content
    assert content is not None
    manifest = ctx.store.manifest(content.manifest)
    assert ctx.store.verify(manifest) == []
    return {each.path: ctx.store.read(manifest, each.path).decode() for each in manifest.tree.entries}


def remove(ctx: Context, knit_id: str) -> None:
    """Delete a Data with its Run."""
    runs.delete(ctx, data.show(ctx, knit_id).producer.run.run_id)


def collect(ctx: Context) -> None:
    """Collect as the scheduler does."""
    while sweep.collect(ctx):
        pass


def wait(ctx: Context, times: int = 1) -> None:
    """Let halves of the grace pass, and collect after each."""
    for _ in range(times):
        assert isinstance(ctx.now, ManualClock)
        ctx.now.advance(HALF + 1)
        collect(ctx)


def at(ctx: Context, step: str, act: Callable[[], object]) -> Once:
    """Act once at a step of the store."""
    assert isinstance(ctx.store, SeamedStore)
    ctx.store.seam = once = Once(step, act)
    return once


def left(ctx: Context) -> dict[str, int]:
    """How many rows about what is stored there are."""
    with ctx.db.read() as tx:
        return {
            table.name: tx.execute(sa.select(sa.func.count().label("number")).select_from(table)).one().number
            for table in (tables.content, tables.content_pack, tables.pack, tables.chunk)
        }


NOTHING = {"content": 0, "content_pack": 0, "pack": 0, "chunk": 0}

# --- what users see ---------------------------------------------------------------------------------------------------


def test_scenario_54_the_space_comes_back(ctx: Context, push: Push) -> None:
    """gen1 done with only a deleted gen2: both go, and after the grace their bytes are gone from the store's folder."""
    desk = Desk(ctx, ctx.home)
    plan = desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    raw = push("a:1", big=BIG)
    desk.settle()
    (gen2,) = desk.runs(plan)
    before = bytes_stored(ctx)
    assert before > 10_000
    runs.delete(ctx, gen2.run.run_id)
    remove(ctx, raw)
    collect(ctx)
    assert bytes_stored(ctx) == before, "within the grace nothing goes"
    wait(ctx)
    assert bytes_stored(ctx) == before, "what is not offered any more may still be read"
    wait(ctx)
    assert (bytes_stored(ctx), left(ctx)) == (0, NOTHING)


def test_scenario_55_outputs_of_a_deleted_run(ctx: Context, push: Push) -> None:
    """gen2 done and deleted: its outputs' bytes go, its input's stay."""
    desk = Desk(ctx, ctx.home)
    plan = desk.apply({"/in": "a:1"}, {"/out": "b:1"}, log=("l:1",))
    raw = push("a:1", x="raw")
    kept = objects(ctx)
    desk.settle()
    (gen2,) = desk.runs(plan)
    assert objects(ctx) > kept
    runs.delete(ctx, gen2.run.run_id)
    wait(ctx, 2)
    assert objects(ctx) == kept
    assert files_of(ctx, raw) == {"x": "raw"}


def test_scenario_59_outputs_of_a_retried_run(ctx: Context, push: Push) -> None:
    """gen2 retried: the bytes of its first outputs go, those of the second stay."""
    desk = Desk(ctx, ctx.home)
    plan = desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    push("a:1", x="raw")
    desk.settle()
    (gen2,) = desk.runs(plan)
    first = objects(ctx)
    runs.retry(ctx, gen2.run.run_id)
    (work,) = desk.start()
    lay(ctx.folder(work.attempt).output(0), {"y": "second"})
    lifecycle.ended(ctx, work, Exit(0))
    finish.finish(ctx, work, lambda name: None)
    both = objects(ctx)
    wait(ctx, 2)
    assert len(both - objects(ctx)) == 2, "the pack and the manifest of the first"
    assert both - objects(ctx) < first
    (output,) = desk.runs(plan)[0].outputs
    assert files_of(ctx, output.knit_id) == {"y": "second"}


def test_without_grace_at_once(tmp_path: Path, db_url: str) -> None:
    """With a grace of 0 the next sweep gives all space back, by the machine's clock; trees in the cache as well."""
    with temp_knit(tmp_path / "home", url=db_url, limits=Limits(content_grace=0)) as ctx:
        knit_id = data.upload(ctx, a_tar(tmp_path / "x", {"big": BIG})).data.knit_id
        content = data.show(ctx, knit_id).data.content
        assert content is not None
        ctx.trees.get(
            content.content_id, lambda place: ctx.store.materialise(ctx.store.manifest(content.manifest), place)
        )
        remove(ctx, knit_id)
        collect(ctx)
        assert bytes_stored(ctx) == 0
        sweep.sweep(ctx, lambda run_id: False)
        assert ctx.trees.ids() == []


def test_the_cache_keeps_what_is_used(ctx: Context, push: Push) -> None:
    """A tree in the cache goes with its content, not while it is pinned, and others stay."""
    first, second = push(x="1"), push(x="2")
    ids = []
    for knit_id in (first, second):
        content = data.show(ctx, knit_id).data.content
        assert content is not None
        ids.append(content.content_id)
        ctx.trees.get(content.content_id, lambda place: None)
    remove(ctx, first)
    wait(ctx, 2)
    with ctx.trees.pin(ids[0]):
        sweep.sweep(ctx, lambda run_id: False)
        assert set(ctx.trees.ids()) == set(ids)
    sweep.sweep(ctx, lambda run_id: False)
    assert ctx.trees.ids() == [ids[1]]


# --- what stays -------------------------------------------------------------------------------------------------------


def test_equal_contents_are_one(ctx: Context, push: Push) -> None:
    """A content goes with the last of its Data only."""
    first, second = push(x="same"), push(x="same")
    remove(ctx, first)
    wait(ctx, 3)
    assert files_of(ctx, second) == {"x": "same"}
    remove(ctx, second)
    wait(ctx, 2)
    assert bytes_stored(ctx) == 0


def test_a_pack_stays_for_each_content_in_it(ctx: Context, push: Push) -> None:
    """A pack goes with the last content that shares a chunk of it."""
    first = push(x="shared" * 100, y="own" * 100)
    second = push(z="shared" * 100)
    (pack,) = ctx.store.packs()
    remove(ctx, first)
    wait(ctx, 3)
    assert [*ctx.store.packs()] == [pack]
    assert len(objects(ctx)) == 2, "the manifest of the first is gone"
    assert files_of(ctx, second) == {"z": "shared" * 100}
    third = push(y="own" * 100)  # it lies there still
    assert [*ctx.store.packs()] == [pack]
    remove(ctx, second)
    wait(ctx, 3)
    assert files_of(ctx, third) == {"y": "own" * 100}


def test_pushed_again_within_the_grace(ctx: Context, push: Push) -> None:
    """What is condemned is offered: the same push again sends no bytes, and the content stays for good."""
    remove(ctx, push(x="back"))
    before = objects(ctx)
    again = push(x="back")
    assert objects(ctx) == before
    wait(ctx, 4)
    assert files_of(ctx, again) == {"x": "back"}


def test_pushed_again_when_it_is_dropped(ctx: Context, push: Push) -> None:
    """What is not offered any more is stored again, and that is what stays, under the same names."""
    remove(ctx, push(x="back"))
    before = objects(ctx)
    wait(ctx)
    assert left(ctx) == NOTHING
    again = push(x="back")
    assert objects(ctx) == before
    wait(ctx, 4)
    assert files_of(ctx, again) == {"x": "back"}
    assert objects(ctx) == before


# --- writers and the sweeper at once ----------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["known", "written"])
@pytest.mark.parametrize("files", [{"x": "shared" * 50}, {"x": "shared" * 50, "new": "n"}])
@pytest.mark.parametrize("removed", ["before", "meanwhile"])
def test_an_upload_that_chose_to_share(
    ctx: Context, push: Push, step: str, files: Mapping[str, str], removed: str
) -> None:
    """Chunks or a whole content that an upload chose to share go out of SQL before its commit: it comes through."""
    first = push(x="shared" * 50)
    if removed == "before":
        remove(ctx, first)

    def act() -> None:
        if removed == "meanwhile":
            remove(ctx, first)
        wait(ctx, 4)
        assert left(ctx) == NOTHING

    once = at(ctx, step, act)
    second = push(**files)
    assert once.acted
    assert files_of(ctx, second) == files
    wait(ctx, 4)
    assert files_of(ctx, second) == files
    remove(ctx, second)
    wait(ctx, 4)
    assert bytes_stored(ctx) == 0


@pytest.mark.parametrize("passing", [1, 2])
def test_a_run_that_chose_to_share(ctx: Context, push: Push, passing: int) -> None:
    """What an ending Run chose to share is dropped, or even deleted, before its commit: it stores its outputs anew."""
    desk = Desk(ctx, ctx.home)
    desk.apply({"/in": "a:1"}, {"/out": "b:1"}, log=("l:1",))
    push("a:1", raw="raw")
    first = push(x="shared" * 50)
    (work,) = desk.start()
    lay(ctx.folder(work.attempt).output(0), {"x": "shared" * 50, "y": "new"})
    lay(ctx.folder(work.attempt).log, {"log": "said"})
    lifecycle.ended(ctx, work, Exit(0))
    remove(ctx, first)
    once = at(ctx, "written", lambda: wait(ctx, passing))
    run = finish.finish(ctx, work, lambda name: None)
    assert once.acted
    assert run.status is Status.DONE
    for each, files in zip(work.made, ({"x": "shared" * 50, "y": "new"}, {"log": "said"}), strict=True):
        assert files_of(ctx, each.knit_id) == files
    wait(ctx, 4)
    assert files_of(ctx, work.made[0].knit_id) == {"x": "shared" * 50, "y": "new"}


def test_stored_again_before_it_is_deleted(ctx: Context, push: Push) -> None:
    """An equal pack is stored, then the old one is deleted, then the new one committed: that is refused, not lost."""
    remove(ctx, push(x="again"))
    wait(ctx)

    def delete() -> None:
        ctx.now.advance(HALF + 1)  # type: ignore[attr-defined]
        runs_elsewhere = dataclasses.replace(ctx)
        with ctx.db.read() as tx:
            due = rows.due(tx, ctx.now(), 0, 10)
        assert len(due) == 2
        for each in garbage._claim(runs_elsewhere, dict.fromkeys(due)):
            ctx.store.delete_pack(each.name) if each.kind == rows.PACK else ctx.store.delete_manifest(each.name)
            with ctx.db.write() as tx:
                rows.write(tx, [dataclasses.replace(each, deleted_at=ctx.now())])

    at(ctx, "written", delete)
    with pytest.raises(Unavailable, match="gone since it was begun"):
        push(x="again")
    again = push(x="again")
    wait(ctx, 4)
    assert files_of(ctx, again) == {"x": "again"}


def test_what_was_stored_again_is_spared(tmp_path: Path, db_url: str) -> None:
    """Garbage that somebody stored again since is left alone; if he never commits, its age tells some day."""
    with temp_knit(tmp_path / "home", url=db_url, limits=Limits(content_grace=0)) as ctx:
        remove(ctx, data.upload(ctx, a_tar(tmp_path / "x", {"x": "again"})).data.knit_id)
        garbage._drop(ctx)
        with ctx.store.writer() as writer:
            writer.add_directory(tmp_path / "x")
        collect(ctx)
        assert len(list(ctx.store.packs())) == 1
        later = dataclasses.replace(ctx, now=lambda: a_clock()() + 2 * ctx.limits.orphan_age)
        sweep.sweep_store(later)
        assert objects(ctx) == set()


def test_the_grace_begins_with_the_last_deletion(ctx: Context, push: Push) -> None:
    """A content that was condemned, taken back and condemned again is kept for a whole grace."""
    remove(ctx, push(x="twice"))
    ctx.now.advance(HALF - 1)  # type: ignore[attr-defined]
    remove(ctx, push(x="twice"))
    ctx.now.advance(HALF - 1)  # type: ignore[attr-defined]
    collect(ctx)
    assert left(ctx)["content"] == 1


def test_what_comes_back_is_shared_again(ctx: Context, push: Push) -> None:
    """Chunks that a commit brought back into SQL are offered to the next push."""
    first = push(x="shared" * 50)

    def drop() -> None:
        remove(ctx, first)
        wait(ctx)

    at(ctx, "known", drop)
    push(x="shared" * 50, y="new")
    packs = {name for name, _ in ctx.store.packs()}
    push(z="shared" * 50)
    assert {name for name, _ in ctx.store.packs()} == packs


def test_a_writer_older_than_all_memory(ctx: Context, push: Push, tmp_path: Path) -> None:
    """A shared pack of which nothing is known any more is not believed in."""
    remove(ctx, push(x="shared" * 50))
    lay(tmp_path / "old", {"x": "shared" * 50, "y": "new"})
    with ctx.store.writer(data.known(ctx)) as writer:
        snapshot = writer.add_directory(tmp_path / "old")
    wait(ctx, 2)
    ctx.now.advance(ctx.limits.orphan_age + 1)  # type: ignore[attr-defined]
    with ctx.db.write() as tx:
        rows.purge(tx, ctx.now())
    with ctx.db.write() as tx, pytest.raises(Unavailable, match="gone since it was begun"):
        data.keep(ctx, tx, snapshot)


# --- crashes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["deleting", "deleted"])
def test_killed_while_deleting(ctx: Context, push: Push, step: str) -> None:
    """After a crash in the middle another server goes on; until then nothing that is claimed is relied on."""
    remove(ctx, push(x="1"))
    wait(ctx)

    def die() -> None:
        raise Killed

    at(ctx, step, die)
    with pytest.raises(Killed):
        wait(ctx)
    with pytest.raises(Unavailable, match="gone since it was begun"):
        push(x="1")
    collect(ctx)
    assert objects(ctx), "the other one may be at it still"
    ctx.now.advance(600_000)  # type: ignore[attr-defined]
    collect(ctx)
    assert objects(ctx) == set()
    assert files_of(ctx, push(x="1")) == {"x": "1"}


def test_scenario_73_stuck(ctx: Context, push: Push, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be deleted now stays as garbage and holds up nothing; what is missing already is fine."""
    for text in "123":
        remove(ctx, push(x=text))
    wait(ctx)

    def refuse() -> None:
        raise Unavailable("the store does not answer")

    once = at(ctx, "deleting", refuse)
    wait(ctx)
    assert once.acted
    assert len(objects(ctx)) == 1
    assert "stays, since it cannot be deleted now: the store does not answer" in caplog.text
    for path in Path(ctx.home, "store").rglob("*"):
        if path.is_file():
            path.unlink()
    collect(ctx)
    with ctx.db.read() as tx:
        assert rows.due(tx, ctx.now(), ctx.now(), 10) == []


def test_two_servers_collect_at_once(ctx: Context, push: Push) -> None:
    """Servers that share database and store collect, and take pushes, all at the same time."""
    kept = {push(x=f"kept {number}"): f"kept {number}" for number in range(5)}
    for number in range(10):
        remove(ctx, push(x=f"gone {number}", y=f"kept {number % 5}"))
    ctx.now.advance(HALF + 1)  # type: ignore[attr-defined]
    with ThreadPoolExecutor(4) as pool:
        sweeps = [pool.submit(collect, dataclasses.replace(ctx, owner=str(number))) for number in range(3)]
        pushed = {push(x=f"gone {number}"): f"gone {number}" for number in range(10)}
        for each in sweeps:
            each.result(60)
    wait(ctx, 4)
    for knit_id, text in {**kept, **pushed}.items():
        assert files_of(ctx, knit_id)["x"] == text
    for knit_id in [*kept, *pushed]:
        remove(ctx, knit_id)
    wait(ctx, 4)
    assert (bytes_stored(ctx), left(ctx)) == (0, NOTHING)


# --- odd homes --------------------------------------------------------------------------------------------------------


def forget_packs(ctx: Context) -> None:
    """Make contents like those of an older Knit: SQL does not know which packs they need."""
    with ctx.db.write() as tx:
        tx.execute(sa.delete(tables.content_pack))
        tx.execute(sa.update(tables.content).values(mapped=False))


def test_contents_of_an_older_knit(ctx: Context, push: Push) -> None:
    """Which packs they need is read from their manifests, then they are collected like all others."""
    first, second = push(x="shared" * 50, y="1"), push(x="shared" * 50)
    forget_packs(ctx)
    remove(ctx, first)
    wait(ctx, 3)
    assert files_of(ctx, second) == {"x": "shared" * 50}
    remove(ctx, second)
    wait(ctx, 3)
    assert bytes_stored(ctx) == 0


def test_a_manifest_that_cannot_be_read(ctx: Context, push: Push) -> None:
    """As long as nobody knows which packs a Data needs, none goes; doctor says why. Its deletion ends that."""
    lost, gone = push(x="lost"), push(x="gone")
    forget_packs(ctx)
    content = data.show(ctx, lost).data.content
    assert content is not None
    ctx.store.delete_manifest(content.manifest)
    remove(ctx, gone)
    wait(ctx, 3)
    assert len(list(ctx.store.packs())) == 2
    (store,) = [each for each in checks.checks(ctx) if each.name == "store"]
    assert (store.level, content.manifest in store.told) == ("fail", True)
    remove(ctx, lost)
    wait(ctx, 2)
    sweep.sweep_store(ctx)
    wait(ctx, 2)
    assert (bytes_stored(ctx), left(ctx)) == (0, NOTHING)


def test_stored_twice_at_once(ctx: Context, push: Push) -> None:
    """Two uploads of one new content, packed differently: one manifest stays, and in the end nothing is left over."""
    firsts: list[KnitId] = []

    def meanwhile() -> None:
        push(y="y" * 100)
        firsts.append(push(x="x" * 100, y="y" * 100))

    at(ctx, "written", meanwhile)
    second = push(x="x" * 100, y="y" * 100)
    wait(ctx, 3)
    for knit_id in (second, *firsts):
        assert files_of(ctx, knit_id) == {"x": "x" * 100, "y": "y" * 100}
    for view in data.find(ctx, data.DataQuery()):
        remove(ctx, view.data.knit_id)
    wait(ctx, 3)
    assert (bytes_stored(ctx), left(ctx)) == (0, NOTHING)


def test_deleted_ones_are_forgotten_in_the_end(ctx: Context, push: Push) -> None:
    """That something was deleted is kept for a day, for who stored it again before, and then no more."""
    remove(ctx, push(x="1"))
    wait(ctx, 2)
    with ctx.db.read() as tx:
        assert tx.execute(sa.select(tables.garbage.c.deleted_at)).scalars().all() != []
    ctx.now.advance(ctx.limits.orphan_age + 1)  # type: ignore[attr-defined]
    sweep.sweep_store(ctx)
    with ctx.db.read() as tx:
        assert tx.execute(sa.select(tables.garbage.c.deleted_at)).scalars().all() == []


def test_reading_while_it_is_deleted(ctx: Context, push: Push) -> None:
    """Who had opened a Data reads on through the grace; later it is damage, told as such, and no wrong bytes."""
    knit_id = push(x=BIG)
    content = data.show(ctx, knit_id).data.content
    assert content is not None
    manifest = ctx.store.manifest(content.manifest)
    remove(ctx, knit_id)
    wait(ctx)
    assert ctx.store.read(manifest, "x").decode() == BIG
    wait(ctx)
    with pytest.raises(Damaged):
        ctx.store.read(manifest, "x")
    with pytest.raises(NotFound):
        data.download(ctx, knit_id)
    with ctx.db.read() as tx:
        assert contents.known(tx, [content.content_id]) == set()
