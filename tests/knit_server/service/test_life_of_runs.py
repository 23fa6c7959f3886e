"""The life of Runs against a simple model: pushes, claims, starts, ends, stops, switches, retries and deletions in any
order, on a chain of two Plans.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from desk import Desk
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from knit_server.domain.errors import Conflict, NotFound
from knit_server.domain.runs import Exit, Status
from knit_server.domain.views import PlanView, RunView
from knit_server.executors.base import Started
from knit_server.persistence import tables
from knit_server.service import lifecycle, plans, runs
from knit_server.service.lifecycle import Overtaken, Work
from knit_server.service.runs import RunQuery
from knit_server.testing import temp_knit

ENDED = (Status.DONE, Status.FAILED)
RESTING = (Status.WAITING, Status.DEACTIVATED, *ENDED)
BEGUN = (Status.STARTING, Status.RUNNING)
PICK = st.integers(0, 1_000_000)


@dataclass
class Model:
    """What is expected of a Run. `plan` is None for an upload; `takes` is what it took."""

    plan: PlanView | None
    status: Status
    takes: str | None
    makes: str
    attempt: int
    work: Work | None = None


class LifeOfRuns(RuleBasedStateMachine):
    """Does to Knit and to the model the same, and compares."""

    url: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        folder = Path(self.stack.enter_context(TemporaryDirectory()))
        self.ctx = self.stack.enter_context(temp_knit(folder / "home", url=self.url))
        self.desk = Desk(self.ctx, folder)
        self.first = self.desk.apply({"/in": "a:1"}, {"/out": "b:1"})
        self.second = self.desk.apply({"/in": "b:1"}, {"/out": "c:1"})
        self.active = {self.first.plan.plan_id: True, self.second.plan.plan_id: True}
        self.model: dict[str, Model] = {}
        self.gone: set[str] = set()
        self.old: list[Work] = []

    def teardown(self) -> None:
        self.stack.close()

    # --- what may happen

    @rule()
    def push(self) -> None:
        raw = self.desk.push("a:1")
        (run,) = runs.find(self.ctx, RunQuery(outputs=(raw,)))
        self.model[run.run.run_id] = Model(None, Status.DONE, None, raw, 1)
        self.follow(self.first, raw)

    @rule(plan=st.integers(0, 1), active=st.booleans())
    def switch(self, plan: int, active: bool) -> None:
        plan_id = (self.first, self.second)[plan].plan.plan_id
        plans.set_active(self.ctx, plan_id, active)
        self.active[plan_id] = active
        for each in self.model.values():
            if each.plan and each.plan.plan.plan_id == plan_id and each.status in (Status.WAITING, Status.DEACTIVATED):
                each.status = Status.WAITING if active else Status.DEACTIVATED

    @rule(room=st.integers(0, 3))
    def claim(self, room: int) -> None:
        left = [room]

        def choose(_: object) -> bool:
            left[0] -= 1
            return left[0] >= 0

        for work in lifecycle.claim(self.ctx, choose):
            run = self.model[work.run.run_id]
            assert run.status is Status.WAITING
            assert work.run.attempt > run.attempt, "an attempt of its own"
            run.status, run.attempt, run.work = Status.STARTING, work.run.attempt, work

    @rule(pick=PICK)
    @precondition(lambda self: self.having(Status.STARTING))
    def start(self, pick: int) -> None:
        run = self.choose(pick, Status.STARTING)
        assert run.work is not None
        lifecycle.started(self.ctx, run.work, Started(image_digest="x", sandbox="none"))
        run.status = Status.RUNNING

    @rule(pick=PICK, code=st.sampled_from([0, 0, 1]))
    @precondition(lambda self: self.having(*BEGUN))
    def end(self, pick: int, code: int) -> None:
        run = self.choose(pick, *BEGUN)
        assert run.work is not None
        lifecycle.ended(self.ctx, run.work, Exit(code))
        run.status = Status.ABORTING if code else Status.COMPLETING

    @rule(pick=PICK)
    @precondition(lambda self: self.having(Status.COMPLETING, Status.ABORTING))
    def finish(self, pick: int) -> None:
        run = self.choose(pick, Status.COMPLETING, Status.ABORTING)
        if run.work is None:  # stopped before it was claimed: whoever looks after such Runs takes it
            for work in lifecycle.take_over(self.ctx, lambda needs: True):
                self.model[work.run.run_id].work = work
        assert run.work is not None
        lifecycle.finish(self.ctx, run.work, self.desk.store(run.work) if run.status is Status.COMPLETING else {})
        self.old.append(run.work)
        run.status = Status.DONE if run.status is Status.COMPLETING else Status.FAILED
        if run.status is Status.DONE and run.plan is self.first:
            self.follow(self.second, run.makes)

    @rule(pick=PICK, fail=st.booleans())
    @precondition(lambda self: self.model)
    def stop(self, pick: int, fail: bool) -> None:
        run_id, run = list(self.model.items())[pick % len(self.model)]
        target = Status.ABORTING if fail else Status.COMPLETING
        allowed = (*BEGUN, target, *((Status.WAITING, Status.DEACTIVATED) if fail else ()))
        if self.attempt(lambda: (runs.abort if fail else runs.tearoff)(self.ctx, run_id), run.status in allowed):
            run.status = target

    @rule(pick=PICK, downstream=st.booleans())
    @precondition(lambda self: self.model)
    def retry(self, pick: int, downstream: bool) -> None:
        run_id, run = list(self.model.items())[pick % len(self.model)]
        users = self.users(run)
        allowed = run.plan is not None and run.status in ENDED and self.free(users, downstream=downstream)
        if self.attempt(lambda: runs.retry(self.ctx, run_id, downstream=downstream), allowed):
            assert run.plan is not None
            self.forget_users(run)
            shown = runs.show(self.ctx, run_id)
            assert shown.outputs[0].knit_id != run.makes
            active = self.active[run.plan.plan.plan_id]
            run.status, run.makes = Status.WAITING if active else Status.DEACTIVATED, shown.outputs[0].knit_id
            run.work = None
            assert shown.run.attempt > run.attempt

    @rule(pick=PICK, downstream=st.booleans())
    @precondition(lambda self: self.model)
    def remove(self, pick: int, downstream: bool) -> None:
        run_id, run = list(self.model.items())[pick % len(self.model)]
        allowed = run.status in RESTING and self.free(self.users(run), downstream=downstream)
        if self.attempt(lambda: runs.delete(self.ctx, run_id, downstream=downstream), allowed):
            self.forget_users(run)
            run.status, run.makes = Status.INVALIDATED, ""
            if run.plan is None:
                self.gone.add(run_id)
                del self.model[run_id]

    @rule(pick=PICK)
    @precondition(lambda self: self.old)
    def a_late_word(self, pick: int) -> None:
        """Somebody repeats the end of an attempt of long ago: it changes nothing."""
        work = self.old[pick % len(self.old)]
        with contextlib.suppress(Overtaken):
            lifecycle.finish(self.ctx, work, {})

    # --- the model

    def choose(self, pick: int, *statuses: Status) -> Model:
        found = self.having(*statuses)
        return found[pick % len(found)]

    def having(self, *statuses: Status) -> list[Model]:
        return [run for run in self.model.values() if run.status in statuses]

    def users(self, run: Model) -> list[Model]:
        """The Runs that took what a Run made, without deleted ones."""
        return [each for each in self.having(*(set(Status) - {Status.INVALIDATED})) if each.takes == run.makes]

    def free(self, users: list[Model], *, downstream: bool) -> bool:
        if not downstream:
            return not users
        return all(user.status in RESTING and self.free(self.users(user), downstream=True) for user in users)

    def forget_users(self, run: Model) -> None:
        """All that took what a Run had made is gone, deleted ones too."""
        if not run.makes:
            return
        for run_id, each in [pair for pair in self.model.items() if pair[1].takes == run.makes]:
            self.forget_users(each)
            self.gone.add(run_id)
            del self.model[run_id]

    def attempt(self, act: Callable[[], object], allowed: bool) -> bool:
        """Do something that must work if it is allowed, and else be refused."""
        if allowed:
            act()
        else:
            with pytest.raises((Conflict, NotFound)):
                act()
        return allowed

    def follow(self, plan: PlanView, knit_id: str) -> None:
        """A Data became usable: it has a Run of the Plan, and only one."""
        (run,) = (run for run in self.desk.runs(plan) if run.inputs[0].knit_id == knit_id)
        status = Status.WAITING if self.active[plan.plan.plan_id] else Status.DEACTIVATED
        self.model[run.run.run_id] = Model(plan, status, knit_id, run.outputs[0].knit_id, 0)

    # --- what always holds

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        """Every Run stands where it should; there are no other Runs and no other Data."""
        found = {run.run.run_id: run for run in runs.find(self.ctx, RunQuery())}
        assert found.keys() == {run_id for run_id, run in self.model.items() if run.status is not Status.INVALIDATED}
        for run_id, run in self.model.items():
            view = found.get(run_id) or runs.show(self.ctx, run_id)
            self.compare(view, run)
        for run_id in self.gone:
            with pytest.raises(NotFound):
                runs.show(self.ctx, run_id)
        assert set(self.desk.find()) == {run.makes for run in self.model.values() if run.makes}

    def compare(self, view: RunView, run: Model) -> None:
        assert view.run.status is run.status
        assert [each.knit_id for each in view.inputs] == ([run.takes] if run.takes else [])
        assert [each.knit_id for each in view.outputs] == [run.makes]
        ended = run.status in (*ENDED, Status.COMPLETING, Status.ABORTING)
        assert (view.run.exit is not None) == (ended and run.plan is not None)


def test_life_of_runs() -> None:
    """Whatever happens in whatever order, Knit and the model agree, on SQLite."""
    run_state_machine_as_test(LifeOfRuns, settings=settings(max_examples=12, stateful_step_count=40))  # type: ignore[no-untyped-call]


@pytest.mark.postgres
def test_life_of_runs_on_postgresql(postgres_url: str) -> None:
    """The same on PostgreSQL; the database is emptied after each life."""

    class OnPostgres(LifeOfRuns):
        url = postgres_url

        def teardown(self) -> None:
            with self.ctx.db.write() as tx:
                for table in reversed(tables.metadata.sorted_tables):
                    tx.execute(table.delete())
            super().teardown()

    run_state_machine_as_test(OnPostgres, settings=settings(max_examples=4, stateful_step_count=40))  # type: ignore[no-untyped-call]
