"""What people may do to a Run, by status, does not depend on whether its hooks are being asked just then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from asking import FakeHooks
from scheduler_world import World, scheduling

from knit_server.domain.errors import Conflict, NotFound
from knit_server.domain.retries import RetryPolicy
from knit_server.domain.runs import Status
from knit_server.domain.views import PlanView
from knit_server.persistence import leases
from knit_server.service import data, imports, plan_changes, plans, runs
from knit_server.testing import a_plan

Deed = Callable[[World, PlanView, str], object]


def abort(world: World, plan: PlanView, run_id: str) -> None:
    runs.abort(world.ctx, run_id)


def tearoff(world: World, plan: PlanView, run_id: str) -> None:
    runs.tearoff(world.ctx, run_id)


def retry(world: World, plan: PlanView, run_id: str) -> None:
    runs.retry(world.ctx, run_id)


def delete(world: World, plan: PlanView, run_id: str) -> None:
    runs.delete(world.ctx, run_id)


def switch_off(world: World, plan: PlanView, run_id: str) -> None:
    plans.set_active(world.ctx, plan.plan.plan_id, False)


def archive(world: World, plan: PlanView, run_id: str) -> None:
    plan_changes.archive(world.ctx, plan.plan.plan_id)


REFUSED = "refused"
MATRIX: dict[Status, dict[Deed, str | None]] = {
    Status.WAITING: {
        abort: "failed", tearoff: REFUSED, retry: REFUSED, delete: "gone", switch_off: "deactivated",
        archive: "deactivated",
    },
    Status.READY: {abort: "failed", tearoff: "done", retry: REFUSED, delete: REFUSED, switch_off: None, archive: None},
    Status.STARTING: {
        abort: "failed", tearoff: "done", retry: REFUSED, delete: REFUSED, switch_off: None, archive: None,
    },
    Status.RUNNING: {
        abort: "failed", tearoff: "done", retry: REFUSED, delete: REFUSED, switch_off: None, archive: None,
    },
    Status.COMPLETING: {
        abort: REFUSED, tearoff: None, retry: REFUSED, delete: REFUSED, switch_off: None, archive: None,
    },
    Status.ABORTING: {
        abort: None, tearoff: REFUSED, retry: REFUSED, delete: REFUSED, switch_off: None, archive: None,
    },
}  # fmt: skip
"""Status -> deed -> how the Run stands in the end; None: as it would have without the deed."""


@pytest.mark.parametrize("refusing", [False, True], ids=["hangs", "refuses"])
@pytest.mark.parametrize("deed", MATRIX[Status.WAITING], ids=lambda deed: deed.__name__)
@pytest.mark.parametrize("status", MATRIX, ids=lambda status: status.value)
def test_deeds_while_hooks_are_asked(world: World, status: Status, deed: Deed, refusing: bool) -> None:
    """A deed is allowed and obeyed, or refused, as it is of a Run that stands there without hooks."""
    hooks = FakeHooks()
    (hooks.refuse if refusing else hooks.hang).add(status)
    program, usual = ("fail:1", "failed") if status is Status.ABORTING else ("copy:1", "done")
    plan = world.apply(program, {"/in": ("a:b",)}, "c:d")
    world.push("a:b")
    run_id = world.run(plan).run.run_id
    with scheduling(world.ctx, hooks=hooks):
        world.until((hooks.refused if refusing else hooks.hanging).is_set)
        assert world.show(run_id).run.status is status
        expected = MATRIX[status][deed]
        if expected is REFUSED:
            with pytest.raises(Conflict):
                deed(world, plan, run_id)
        else:
            deed(world, plan, run_id)
        hooks.refuse = set()
        hooks.go_on()
        if expected == "gone":
            with pytest.raises(NotFound):
                runs.retry(world.ctx, run_id)
            assert world.runs(plan) == []
        elif expected == "deactivated":
            assert world.show(run_id).run.status is Status.DEACTIVATED
        else:
            end = usual if expected in (None, REFUSED) else str(expected)
            world.until(lambda: hooks.of(run_id)[-1] == f"{end}!")
            assert world.show(run_id).run.status.value == end
            world.until_tidy()
        other = world.apply("silent:1", {"/in": ("e:f",)}, "g:h")
        world.push("e:f")
        world.until(lambda: world.statuses(other) == {"done": 1}, "the scheduler goes on")
    assert len(world.attempts(run_id)) <= 1


def test_each_attempt_asks_anew(world: World) -> None:
    """A Plan that tries again asks before each start, with the Run as `ready`; no change of status is told of that."""
    hooks = FakeHooks({"A": "1"})
    spec = a_plan("fail:1", {"/in": ("a:b",)}, {"/out": ("c:d",)})
    plan = plans.apply(world.ctx, replace(spec, retry=RetryPolicy(tries=3, on=("exit",))))
    world.push("a:b")
    run_id = world.run(plan).run.run_id
    with scheduling(world.ctx, hooks=hooks):
        world.until(lambda: hooks.of(run_id)[-1:] == ["failed!"])
    heard = hooks.of(run_id)
    assert heard.count("ready?") == len(world.attempts(run_id)) == 3
    assert [heard.count(each) for each in ("starting!", "running!", "aborting!")] == [1, 1, 1]


def test_scenario_52_imports_that_were_not_ended(world: World) -> None:
    """While a hook refuses, an import whose time is over stays running (scenario 52)."""
    hooks = FakeHooks()
    hooks.refuse = {Status.RUNNING}
    imports.begin(world.ctx)
    (pending,) = data.find(world.ctx, data.DataQuery())
    run_id = pending.data.run_id
    with world.ctx.db.write() as tx:
        leases.drop(tx, [run_id])
    with scheduling(world.ctx, hooks=hooks):
        world.until(lambda: hooks.of(run_id).count("running?") > 2)
        assert world.show(run_id).run.status is Status.RUNNING
        hooks.refuse = set()
        world.until(lambda: hooks.of(run_id)[-1] == "failed!")
    assert list(dict.fromkeys(hooks.of(run_id))) == ["running?", "aborting!", "aborting?", "failed!"]
