"""Putting off the next attempt of a Run, as the scheduler asks for it: what is written, and who sees it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from desk import Desk

from knit_server.domain.editing import RetryChange, TimeoutChange
from knit_server.domain.errors import EquivalentPlan, InvalidInput, NotFound
from knit_server.domain.retries import End, RetryPolicy
from knit_server.domain.runs import Exit, Status
from knit_server.persistence import runs as run_rows
from knit_server.service import again, lifecycle, plan_changes, plans, runs
from knit_server.service.data import upload_plan
from knit_server.service.lifecycle import Overtaken, Work
from knit_server.testing import ManualClock, a_plan

POLICY = RetryPolicy(tries=3, wait=5_000, on=("exit:7",))
SPEC = replace(a_plan("lab/x:1", {"/in": ("a:b",)}, {"/out": ("c:d",)}), retry=POLICY, timeout=60_000)
SEVEN = Exit(7, "seven")


@pytest.fixture
def work(desk: Desk) -> Work:
    """A Run that is running, of a Plan with a policy."""
    desk.register(SPEC)
    desk.push("a:b")
    (started,) = desk.start()
    return replace(started, run=lifecycle.present(desk.ctx, started.run.run_id))


def clock(desk: Desk) -> ManualClock:
    assert isinstance(desk.ctx.now, ManualClock)
    return desk.ctx.now


def everything(needs: object) -> bool:
    """Take whatever there is."""
    return True


def test_put_off(desk: Desk, work: Work) -> None:
    """The instant and the count are written, the lease is given back, the status and its time stay."""
    follows = again.postpone(desk.ctx, work, End.EXIT, SEVEN)
    assert follows is not None
    assert (follows.number, follows.tries) == (2, 3)
    now = desk.ctx.now()
    assert again.next_at(desk.ctx) == now + 5_000
    with desk.ctx.db.read() as tx:
        kept = run_rows.execution(tx, work.run.run_id)
        assert (kept.tries, kept.again_at) == (1, now + 5_000)
        assert run_rows.get(tx, work.run.run_id) == work.run
    assert lifecycle.renew(desk.ctx, [work.run.run_id]) == set()
    with pytest.raises(Overtaken):
        again.postpone(desk.ctx, work, End.EXIT, SEVEN)
    with pytest.raises(Overtaken):
        lifecycle.ended(desk.ctx, work, SEVEN)


def test_due(desk: Desk, work: Work) -> None:
    """Nobody takes it over before the instant; who does then begins a new attempt, and nothing was lost."""
    again.postpone(desk.ctx, work, End.EXIT, SEVEN)
    clock(desk).advance(4_999)
    assert lifecycle.take_over(desk.ctx, everything) == []
    clock(desk).advance(1)
    assert again.next_at(desk.ctx) is None
    (taken,) = lifecycle.take_over(desk.ctx, everything)
    run = lifecycle.relaunch(desk.ctx, taken)
    assert (run.status, run.attempt) == (work.run.status, work.run.attempt + 1)
    assert [each.knit_id for each in taken.made] == [each.knit_id for each in work.made]
    with desk.ctx.db.read() as tx:
        kept = run_rows.execution(tx, run.run_id)
        assert (kept.tries, kept.again_at, kept.losses, kept.note) == (1, None, 0, None)


@pytest.mark.parametrize(
    ("end", "exit_"), [(End.EXIT, Exit(8)), (End.LOST, Exit(254)), (End.STUCK, Exit(255)), (End.TIMEOUT, Exit(252))]
)
def test_other_ends(desk: Desk, work: Work, end: End, exit_: Exit) -> None:
    """What the policy does not name changes nothing: the Run is still to be ended."""
    assert again.postpone(desk.ctx, work, end, exit_) is None
    assert lifecycle.ended(desk.ctx, work, exit_).status is Status.ABORTING


def test_a_user_was_faster(desk: Desk, work: Work) -> None:
    """A Run that a user stopped in the same moment is not tried again."""
    runs.abort(desk.ctx, work.run.run_id)
    assert again.postpone(desk.ctx, work, End.EXIT, SEVEN) is None
    assert again.next_at(desk.ctx) is None


@pytest.mark.parametrize("stop", [runs.abort, runs.tearoff])
def test_a_stop_ends_the_pause(desk: Desk, work: Work, stop: object) -> None:
    """It is taken over at once to be stored, and waits for nothing any more."""
    again.postpone(desk.ctx, work, End.EXIT, SEVEN)
    assert callable(stop)
    stop(desk.ctx, work.run.run_id)
    assert again.next_at(desk.ctx) is None
    (taken,) = lifecycle.take_over(desk.ctx, everything)
    assert taken.run.status in (Status.ABORTING, Status.COMPLETING)
    assert lifecycle.relaunch(desk.ctx, taken) == taken.run


def test_a_retry_forgets(desk: Desk, work: Work) -> None:
    """A retry by hand begins to count at nothing."""
    again.postpone(desk.ctx, work, End.EXIT, SEVEN)
    runs.abort(desk.ctx, work.run.run_id)
    (taken,) = lifecycle.take_over(desk.ctx, everything)
    lifecycle.finish(desk.ctx, taken, {})
    runs.retry(desk.ctx, work.run.run_id)
    told = runs.details(desk.ctx, work.run.run_id)
    assert (told["tries"], told["againAt"]) == (0, None)


# --- Plans ------------------------------------------------------------------------------------------------------------


def test_plans_keep_it(desk: Desk) -> None:
    """A Plan comes back with both; another that differs in nothing else is the same Plan."""
    plan_id = desk.register(SPEC).plan.plan_id
    spec = plans.show(desk.ctx, plan_id).plan.spec
    assert spec is not None
    assert (spec.retry, spec.timeout) == (POLICY, 60_000)
    with pytest.raises(EquivalentPlan):
        desk.register(replace(SPEC, retry=None, timeout=None))
    plan_changes.edit(desk.ctx, plan_id, RetryChange(None))
    told = plan_changes.edit_own(desk.ctx, plan_id, TimeoutChange(90_000))
    assert (told["retry"], told["timeout"]) == (None, "1m30s")
    told = plan_changes.edit_own(desk.ctx, plan_id, RetryChange(RetryPolicy(tries=2, on=("stuck", "lost"))))
    assert told["retry"] == {"tries": 2, "wait": "0s", "on": ["lost", "stuck"]}
    with pytest.raises(InvalidInput):
        plan_changes.edit(desk.ctx, plan_id, RetryChange(RetryPolicy(tries=0)))
    assert plans.details(desk.ctx, plan_id) == told


def test_built_in_plans_have_none(desk: Desk) -> None:
    """They cannot be changed at all."""
    desk.push("a:b")
    with desk.ctx.db.write() as tx:
        built_in = upload_plan(desk.ctx, tx)
    with pytest.raises(NotFound, match="built in"):
        plan_changes.edit(desk.ctx, built_in, TimeoutChange(1_000))
    assert plans.details(desk.ctx, built_in)["retry"] is None
