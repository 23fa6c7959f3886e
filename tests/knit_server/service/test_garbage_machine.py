"""Any order of pushes, Runs that end, deletions and sweeps, each in the middle of another, with crashes.

What must always hold: every Data that has a content can be read byte for byte. What must hold in the end: nothing is
stored that no Data needs.
"""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from desk import Desk
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from postgres_cluster import TEMPLATE, Cluster
from seams import Once, SeamedStore, a_clock, a_tar, lay, objects

from knit_server.domain.errors import Unavailable
from knit_server.domain.runs import Exit, Status
from knit_server.persistence import tables
from knit_server.scheduler import finish, sweep
from knit_server.service import data, lifecycle, runs
from knit_server.service.context import Limits
from knit_server.testing import Killed, some_tags, temp_knit

GRACE = 1000  # ms
A, B, C = (f"{text} " * 50 for text in "abc")
some_files = st.sampled_from([{"x": A}, {"x": A, "y": B}, {"y": B}, {"x": C, "y": A, "z": B}, {}])
acts = st.lists(
    st.one_of(
        st.tuples(st.just("remove"), st.integers(0, 9)),
        st.tuples(st.just("push"), some_files),
        st.tuples(st.just("wait"), st.sampled_from([1, GRACE // 2, 60_000, 600_000])),
        st.tuples(st.just("pass"), st.integers(1, 3)),
        st.tuples(st.just("collect"), st.none()),
        st.tuples(st.just("sweep"), st.none()),
    ),
    max_size=5,
)
step = st.sampled_from(["known", "written"])


class Garbage(RuleBasedStateMachine):
    """One Knit with two servers' sweepers."""

    url: Callable[[], str | None] = staticmethod(lambda: None)

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="knit-garbage-"))
        self.clock = a_clock()
        limits = Limits(content_grace=GRACE, orphan_age=2_000_000_000)
        opened = temp_knit(self.folder / "home", url=self.url(), now=self.clock, limits=limits)
        ctx = self.stack.enter_context(opened)
        self.ctx = dataclasses.replace(ctx, store=SeamedStore(ctx.store.url))
        self.desk = Desk(self.ctx, self.folder)
        self.desk.apply({"/in": "a:1"}, {"/out": "b:1"})
        self.numbers = itertools.count()
        self.expected: dict[str, dict[str, str]] = {}

    def teardown(self) -> None:
        """Delete everything but one Data, and look what is left."""
        try:
            self.quiesce(keeping=1)
            self.everything_can_be_read()
            needed = set()
            for knit_id in self.expected:
                content = data.show(self.ctx, knit_id).data.content
                assert content is not None
                packs = {at.pack for at in self.ctx.store.manifest(content.manifest).locations.values()}
                needed |= {content.manifest, *packs}
            assert {key.rpartition("/")[2] for key in objects(self.ctx)} == {name[3:] for name in needed}
            self.quiesce(keeping=0)
            assert objects(self.ctx) == set()
        finally:
            self.stack.close()
            shutil.rmtree(self.folder)

    def quiesce(self, keeping: int) -> None:
        for knit_id in list(self.expected)[keeping:]:
            self.remove(knit_id)
        for _ in range(4):
            self.clock.advance(max(self.ctx.limits.orphan_age, 600_000) + 60_000)
            sweep.sweep_store(self.ctx)

    # --- what happens

    @rule(files=some_files)
    def push(self, files: Mapping[str, str]) -> None:
        """Somebody pushes."""
        tar = a_tar(self.folder / f"push-{next(self.numbers)}", files)
        try:
            pushed = data.upload(self.ctx, tar, some_tags("c:1"))
        except Unavailable:
            return  # it was refused, and nothing was promised
        self.expected[pushed.data.knit_id] = dict(files)

    @rule(files=some_files, step=step, meanwhile=acts)
    def push_while(self, files: Mapping[str, str], step: str, meanwhile: list[tuple[str, object]]) -> None:
        """Somebody pushes, and in the middle of it other things happen."""
        self.between(step, meanwhile)
        self.push(files)

    @rule(files=some_files, step=step, meanwhile=acts)
    def end_a_run(self, files: Mapping[str, str], step: str, meanwhile: list[tuple[str, object]]) -> None:
        """A Run ends, and while its output is stored other things happen. It comes to its end, perhaps by a retry."""
        raw = data.upload(self.ctx, a_tar(self.folder / f"raw-{next(self.numbers)}", {}), some_tags("a:1")).data.knit_id
        (work,) = self.desk.start()
        lay(self.ctx.folder(work.attempt).output(0), files)
        lifecycle.ended(self.ctx, work, Exit(0))
        self.between(step, meanwhile)
        for _ in range(5):
            try:
                run = finish.finish(self.ctx, work, lambda name: None)
                break
            except Unavailable:
                self.clock.advance(600_000)
                sweep.collect(self.ctx)
        assert run.status is Status.DONE
        self.expected[work.made[0].knit_id] = dict(files)
        self.expected[raw] = {}

    @rule(by=st.sampled_from([1, GRACE // 2, 60_000, 600_000]))
    def wait(self, by: int) -> None:
        """Time goes on."""
        self.clock.advance(by)

    @precondition(lambda self: self.expected)
    @rule(which=st.integers(0, 9))
    def remove_one(self, which: int) -> None:
        """Somebody deletes a Data, with what was made from it."""
        self.remove(list(self.expected)[which % len(self.expected)])

    @rule()
    def collect(self) -> None:
        """A server sweeps, to the end."""
        while sweep.collect(self.ctx):
            pass

    @rule(times=st.integers(1, 3))
    def let_pass(self, times: int) -> None:
        """Halves of the grace pass, with a sweep after each."""
        for _ in range(times):
            self.clock.advance(GRACE // 2 + 1)
            self.collect()

    @rule(step=st.sampled_from(["deleting", "deleted"]))
    def crash(self, step: str) -> None:
        """A server dies in the middle of it."""

        def die() -> None:
            raise Killed

        self.at(step, die)
        with suppress(Killed):
            sweep.collect(self.ctx)
        self.at("never", die)

    @rule(step=st.sampled_from(["deleting", "deleted"]), meanwhile=acts)
    def collect_while(self, step: str, meanwhile: list[tuple[str, object]]) -> None:
        """While a server sweeps, other things happen."""
        self.between(step, meanwhile)
        sweep.collect(self.ctx)
        self.between(step, [])

    @rule()
    def forget_packs(self) -> None:
        """An older Knit had stored some contents."""
        with self.ctx.db.write() as tx:
            tx.execute(sa.delete(tables.content_pack))
            tx.execute(sa.update(tables.content).values(mapped=False))

    @rule()
    def distrust_chunks(self) -> None:
        """Somebody met damage, and all chunks are shared no more."""
        with self.ctx.db.write() as tx:
            tx.execute(sa.delete(tables.chunk))

    @rule(files=some_files)
    def lose_a_writer(self, files: Mapping[str, str]) -> None:
        """A server dies after it has stored something and before it commits."""
        place = self.folder / f"lost-{next(self.numbers)}"
        lay(place, files)
        with self.ctx.store.writer(data.known(self.ctx)) as writer:
            writer.add_directory(place)

    # --- what always holds

    @invariant()
    def everything_can_be_read(self) -> None:
        """Every byte of every Data is there."""
        for knit_id, files in self.expected.items():
            content = data.show(self.ctx, knit_id).data.content
            assert content is not None
            manifest = self.ctx.store.manifest(content.manifest)
            assert self.ctx.store.verify(manifest) == []
            found = {each.path: self.ctx.store.read(manifest, each.path).decode() for each in manifest.tree.entries}
            assert found == files

    # --- how

    def remove(self, knit_id: str) -> None:
        if knit_id not in self.expected:
            return
        run_id = data.show(self.ctx, knit_id).producer.run.run_id
        gone = [run_id, *(view.run.run_id for view in runs.downstream(self.ctx, run_id))]
        doomed = [each for each in self.expected if data.show(self.ctx, each).producer.run.run_id in gone]
        runs.delete(self.ctx, run_id, downstream=True)
        for each in doomed:
            del self.expected[each]

    def between(self, step: str, meanwhile: list[tuple[str, object]]) -> None:
        def act() -> None:
            for name, value in meanwhile:
                if name == "remove" and self.expected:
                    assert isinstance(value, int)
                    self.remove(list(self.expected)[value % len(self.expected)])
                elif name == "push":
                    assert isinstance(value, dict)
                    self.push(value)
                elif name == "wait":
                    assert isinstance(value, int)
                    self.clock.advance(value)
                elif name == "pass":
                    assert isinstance(value, int)
                    self.let_pass(value)
                elif name == "collect":
                    self.collect()
                elif name == "sweep":
                    sweep.sweep_store(self.ctx)

        self.at(step, act)

    def at(self, step: str, act: Callable[[], object]) -> None:
        assert isinstance(self.ctx.store, SeamedStore)
        self.ctx.store.seam = Once(step, act)


def test_sqlite() -> None:
    """On SQLite."""
    run_state_machine_as_test(Garbage, settings=settings(max_examples=30, stateful_step_count=12))


@pytest.mark.postgres
def test_postgresql(postgres: Cluster) -> None:
    """On PostgreSQL."""

    class OnPostgres(Garbage):
        def __init__(self) -> None:
            self.name = postgres.create(TEMPLATE)
            self.url = lambda: postgres.url(self.name)
            super().__init__()

        def teardown(self) -> None:
            try:
                super().teardown()
            finally:
                postgres.drop(self.name)

    run_state_machine_as_test(OnPostgres, settings=settings(max_examples=10, stateful_step_count=12))
