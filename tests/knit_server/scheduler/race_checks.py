"""What must hold after a race, when all is quiet: on any database, in virtual time and in real threads."""

from __future__ import annotations

import itertools
from collections import defaultdict

import sqlalchemy as sa
from race_users import ENDLESS, ERROR, GONE, Users
from scheduler_world import World

from knit_server.domain.errors import NotUsable
from knit_server.domain.matching import judge, run_key
from knit_server.domain.runs import TIMED_OUT, TRANSITIONS, Assignment, Exit, Status
from knit_server.domain.views import RunView
from knit_server.executors.base import AttemptId, Observation
from knit_server.persistence import events, nominations, runs, tables
from knit_server.service import checks, plans
from knit_server.service.plans import PlanQuery
from knit_server.testing import OK

EXECUTING = (Status.STARTING, Status.RUNNING)
RESTING = {Status.DONE, Status.FAILED, Status.DEACTIVATED}
PROGRAMS_END = {OK: Exit(0), ERROR: Exit(3, ERROR.reason), GONE: Exit(254, "its program vanished without a trace")}
ABORTED, TORN_OFF = Exit(253, "aborted by user"), Exit(0, "stopped by user")


def check(world: World, users: Users, fates: dict[AttemptId, Observation], words: dict[AttemptId, str]) -> None:
    """Everything that must hold."""
    found = world.runs()
    for run in found:
        assert run.run.status in RESTING, f"{run.run.run_id} of {run.plan.plan_id} is stuck: {run.run.status}"
        assert run.run.status is not Status.DEACTIVATED or not run.plan.active or run.plan.archived
        _check_end(run, users, fates, world.note(run.run.run_id))
        _check_made(world, run, words)
    _check_attempts(world)
    _check_combinations(world)
    _check_rows(world)
    _check_stream(world)
    assert {each.level for each in checks.checks(world.ctx) if each.name != "disk"} <= {"ok"}


def _check_end(run: RunView, users: Users, fates: dict[AttemptId, Observation], note: str | None) -> None:
    """A Run ended as its last attempt did, or as a user said."""
    at, exit_ = AttemptId(run.run.run_id, run.run.attempt), run.run.exit
    if run.run.status is Status.DEACTIVATED:
        assert exit_ is None
        assert not note, "what is switched off waits for nothing but the switch"
        return
    assert exit_ is not None
    if exit_ == ABORTED:
        assert run.run.status is Status.FAILED
        assert at.run_id in users.stopped["abort"]
    elif exit_ == TORN_OFF:
        assert run.run.status is Status.DONE
        assert at.run_id in users.stopped["tearoff"]
    elif exit_.code == TIMED_OUT:
        assert fates[at] is ENDLESS
        assert run.plan.spec is not None
        assert run.plan.spec.timeout is not None
    else:
        assert exit_ == PROGRAMS_END[fates[at]], f"{at} should have ended as {fates[at]}"
        assert run.run.status is (Status.DONE if exit_.code == 0 else Status.FAILED)


def _check_made(world: World, run: RunView, words: dict[AttemptId, str]) -> None:
    """What a Run made is what its last attempt said, and it took what is done."""
    for output in run.outputs:
        said = words.get(AttemptId(run.run.run_id, run.run.attempt))
        try:
            files = world.pull(output.knit_id)
        except NotUsable:
            assert run.run.status is not Status.DONE, "what is done can be pulled"
            continue
        assert run.run.status is not Status.DEACTIVATED
        assert files == {"told": said} or (files == {} and run.run.exit in (ABORTED, TORN_OFF))


def _check_attempts(world: World) -> None:
    """No attempt was started twice, numbers only grew, and nothing runs any more."""
    started = world.executor.started
    assert len(started) == len(set(started)), "an attempt was started twice"
    last: dict[str, int] = {}
    for attempt in started:
        assert attempt.number > last.get(attempt.run_id, 0)
        last[attempt.run_id] = attempt.number
        assert not world.executor.runs(attempt), f"{attempt} still runs"


def _check_combinations(world: World) -> None:
    """Every combination that is complete now has its Run, if a deleted one; all that Runs took is there and done."""
    every = [view.data for view in world.everything()]
    usable = {each.knit_id for each in every if each.status is Status.DONE}
    with world.ctx.db.read() as tx:
        keys = {row.run_key for row in tx.execute(sa.select(tables.run.c.run_key))}
        assert nominations.pending(tx, 1) == []
    for view in plans.find(world.ctx, PlanQuery(archived=True)):
        if view.plan.spec is None or view.plan.archived:
            continue
        fitting = [
            [Assignment(path=asked.path, knit_id=each.knit_id) for each in every if judge(asked, each).fits]
            for asked in view.plan.inputs
        ]
        for combination in itertools.product(*fitting):
            assert run_key(view.plan.plan_id, combination) in keys, f"{view.plan.plan_id} misses {combination}"
    for run in world.runs():
        taken = [Assignment(path=each.path, knit_id=each.knit_id) for each in run.inputs]
        assert run.run.key == run_key(run.plan.plan_id, taken)
        assert {each.knit_id for each in taken} <= usable


def _check_rows(world: World) -> None:
    """No lease, no folder, no Data without a maker or twice at one output, no time or content before the end."""
    assert world.folders() == []
    with world.ctx.db.read() as tx:
        rows = list(tx.execute(sa.select(tables.run)))
        made = list(tx.execute(sa.select(tables.data)))
    assert [row.run_id for row in rows if row.lease_owner is not None] == []
    status = {row.run_id: Status(row.status) for row in rows}
    places = [(row.run_id, row.path) for row in made]
    assert len(places) == len(set(places))
    for row in made:
        ended = status[row.run_id] in (Status.DONE, Status.FAILED)
        assert (row.timestamp is not None) is ended
        assert row.content_id is not None or status[row.run_id] is not Status.DONE
    for run in world.runs():
        expected = {*(each.path for each in run.plan.outputs), *([tables.LOG] if run.plan.log else [])}
        assert {row.path for row in made if row.run_id == run.run.run_id} == expected
    assert {row.run_id for row in made if status[row.run_id] is Status.INVALIDATED} == set()


def _check_stream(world: World) -> None:
    """The change stream, read from its start, ends with what there is; each of its steps is an allowed one."""
    standing: dict[str, Status] = {}
    data: dict[str, list[str]] = defaultdict(list)
    with world.ctx.db.read() as tx:
        for event in events.after(tx, 0, 1_000_000):
            if event.kind == "run":
                new, old = Status(str(event.payload["status"])), standing.get(event.subject)
                again = old is new and new in EXECUTING  # another attempt is told of
                assert old is None or again or new in TRANSITIONS[old], f"{event.subject}: {old} -> {new}"
                standing[event.subject] = new
            elif event.kind == "data":
                data[event.subject].append(str(event.payload["change"]))
        there = {row.run_id: Status(row.status) for row in tx.execute(sa.select(tables.run))}
        ids = {row.knit_id for row in tx.execute(sa.select(tables.data))}
        assert runs.count_by_status(tx).keys() <= {status.value for status in (*RESTING, Status.INVALIDATED)}
    gone = {run_id for run_id, status in standing.items() if run_id not in there}
    assert {standing[run_id] for run_id in gone} <= {Status.INVALIDATED}
    assert {run_id: status for run_id, status in standing.items() if run_id not in gone} == there
    for knit_id, changes in data.items():
        assert changes[0] == "made"
        assert changes.count("settled") <= 1
        assert ("deleted" in changes) is (knit_id not in ids)
        assert "deleted" not in changes[:-1]
    assert ids <= data.keys()
