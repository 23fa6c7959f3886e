"""Tags that are edited while Data, Plans and switches arrive, in any order, mixed with steps of projection.

The rule ("Matching" in docs/rules.md), as it can be said of each moment: a Run is made only of Data that fit in that
moment, and a combination that is complete has its Run, or one of its nominations is still owed.
"""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from desk import Combination, Desk
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from knit_server.domain.matching import judge
from knit_server.domain.runs import Status
from knit_server.domain.views import PlanView
from knit_server.persistence import nominations, tables
from knit_server.service import data, lifecycle, plan_changes, plans
from knit_server.service.context import Limits
from knit_server.service.data import DataQuery
from knit_server.testing import temp_knit

TAGS = ("a:1", "a:2", "b:1", "c:1")
some = st.lists(st.sampled_from(TAGS), min_size=1, max_size=3, unique=True)
few = st.lists(st.sampled_from(TAGS), max_size=2, unique=True)
PICK = st.integers(0, 1_000_000)


class TagEditing(RuleBasedStateMachine):
    """Does to Knit what users do, and looks after each step at what matching made of it."""

    url: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.plans: list[PlanView] = []
        self.archived: set[str] = set()
        self.made: dict[str, set[Combination]] = {}

    @initialize(limit=st.sampled_from((1, 1, 2, 3, 1000)))
    def open(self, limit: int) -> None:
        """Few Runs are made in one transaction, so that catching up takes many."""
        folder = Path(self.stack.enter_context(TemporaryDirectory()))
        limits = Limits(runs_per_step=limit)
        self.ctx = self.stack.enter_context(temp_knit(folder / "home", url=self.url, limits=limits))
        self.desk = Desk(self.ctx, folder)

    def teardown(self) -> None:
        self.stack.close()

    # --- what may happen

    @rule(tags=some)
    def push(self, tags: list[str]) -> None:
        self.desk.push(*tags)

    @rule(inputs=st.lists(some, min_size=1, max_size=3), active=st.booleans())
    @precondition(lambda self: len(self.plans) < 4)
    def apply(self, inputs: list[list[str]], active: bool) -> None:
        outputs = {"/out": "made:1"} if len(inputs) == 1 else {}
        asked = {f"/{number}": " ".join(tags) for number, tags in enumerate(inputs)}
        self.plans.append(self.desk.apply(asked, outputs, active=active))

    @rule(pick=PICK, add=few, remove=few, key=st.sampled_from(("", "", "a", "b")))
    @precondition(lambda self: self.desk.find())
    def edit(self, pick: int, add: list[str], remove: list[str], key: str) -> None:
        """First tags are removed, then keys, then others are added: in one change."""
        found = self.desk.find()
        knit_id = found[pick % len(found)]
        before = {str(tag) for tag in self.desk.raw(knit_id)}
        self.desk.tag(knit_id, *add, remove=remove, keys=[key] if key else [])
        kept = {tag for tag in before - set(remove) if not key or not tag.startswith(f"{key}:")}
        assert {str(tag) for tag in self.desk.raw(knit_id)} == kept | set(add)

    @rule(pick=PICK, tag=st.sampled_from(TAGS))
    @precondition(lambda self: self.desk.find())
    def take_and_give_back(self, pick: int, tag: str) -> None:
        """Makes nothing new of what was made already: no combination comes twice."""
        found = self.desk.find()
        knit_id = found[pick % len(found)]
        had = tag in {str(each) for each in self.desk.raw(knit_id)}
        self.desk.tag(knit_id, remove=[tag])
        if had:
            self.desk.tag(knit_id, tag)

    @rule(pick=PICK, active=st.booleans())
    @precondition(lambda self: self.plans)
    def switch(self, pick: int, active: bool) -> None:
        plan_id = self.plans[pick % len(self.plans)].plan.plan_id
        if plan_id not in self.archived:
            plans.set_active(self.ctx, plan_id, active)

    @rule(pick=PICK)
    @precondition(lambda self: self.plans)
    def archive_or_take_out(self, pick: int) -> None:
        plan_id = self.plans[pick % len(self.plans)].plan.plan_id
        if plan_id in self.archived:
            plan_changes.unarchive(self.ctx, plan_id)
            self.archived.remove(plan_id)
        else:
            plan_changes.archive(self.ctx, plan_id)
            self.archived.add(plan_id)

    @rule(code=st.sampled_from((0, 0, 1)))
    def end_one(self, code: int) -> None:
        """A Run ends; what it made may be the next one's input once it is tagged by hand."""
        left = [1]

        def choose(_: object) -> bool:
            left[0] -= 1
            return left[0] >= 0

        for work in lifecycle.claim(self.ctx, choose):
            self.desk.end(work, code)

    @rule()
    def project(self) -> None:
        """One step of what the scheduler does."""
        lifecycle.project(self.ctx)

    @rule()
    def project_all(self) -> None:
        self.desk.project()

    # --- what always holds

    @invariant()
    def every_run_has_its_reason(self) -> None:
        """New Runs are of Data that fit; what is complete has its Run or is owed; no combination comes twice."""
        if not hasattr(self, "desk"):
            return
        every = [view.data for view in data.find(self.ctx, DataQuery())]
        with self.ctx.db.read() as tx:
            owed = {(each.input.plan_id, each.input.path, each.knit_id) for each in nominations.pending(tx, 10_000)}
        for view in self.plans:
            plan = view.plan
            fitting = [[(i.path, d.knit_id) for d in every if judge(i, d).fits] for i in plan.inputs]
            complete = {frozenset(each) for each in itertools.product(*fitting)}
            found = self.desk.combinations(view)
            assert len(found) == len(set(found)), "a combination came twice"
            new, known = set(found), self.made.get(plan.plan_id, set())
            assert known <= new, "a Run is gone"
            if plan.plan_id in self.archived:
                assert new == known, "an archived Plan matches nothing"
                assert not [each for each in owed if each[0] == plan.plan_id]
            else:
                assert new - known <= complete, "a Run was made of what does not fit"
                late = complete - new
                assert all(any((plan.plan_id, *one) in owed for one in each) for each in late), "a Run is forgotten"
                assert self.desk.nominated(view) == {one for some in fitting for one in some}
            self.made[plan.plan_id] = new

    @invariant()
    def switches_hold(self) -> None:
        """Runs wait while their Plan is on, and are deactivated while it is off or archived."""
        for view in self.plans:
            on = plans.show(self.ctx, view.plan.plan_id).plan.active and view.plan.plan_id not in self.archived
            statuses = {run.run.status for run in self.desk.runs(view)}
            assert (Status.DEACTIVATED if on else Status.WAITING) not in statuses

    @precondition(lambda self: hasattr(self, "desk"))
    @rule()
    def in_the_end_nothing_is_owed(self) -> None:
        """Once nothing is pending, each combination that is complete has its Run."""
        self.desk.project()
        assert self.desk.owing() == 0
        self.every_run_has_its_reason()


def test_tag_editing() -> None:
    """Whatever is edited while whatever arrives, each Run is made once, when it should be, and none is missing."""
    run_state_machine_as_test(TagEditing, settings=settings(max_examples=15, stateful_step_count=30))


@pytest.mark.postgres
def test_tag_editing_on_postgresql(postgres_url: str) -> None:
    """The same on PostgreSQL; the database is emptied after each life."""

    class OnPostgres(TagEditing):
        url = postgres_url

        def teardown(self) -> None:
            if hasattr(self, "ctx"):
                with self.ctx.db.write() as tx:
                    for table in reversed(tables.metadata.sorted_tables):
                        tx.execute(table.delete())
            super().teardown()

    run_state_machine_as_test(OnPostgres, settings=settings(max_examples=4, stateful_step_count=25))
