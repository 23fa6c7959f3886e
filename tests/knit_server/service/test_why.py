"""Why, through the services on both databases: what is looked up, and that it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from desk import Desk, counted

from knit_server.domain import times
from knit_server.domain.errors import InvalidInput, NotFound
from knit_server.domain.notes import held_by_hook
from knit_server.domain.runs import Exit, Status
from knit_server.domain.why import Code, Explanation, Point
from knit_server.service import lifecycle, plan_changes, plans, runs, stepping
from knit_server.service.why import why
from knit_server.testing import FakeExecutor, ManualClock, copy_inputs


def codes(found: Explanation) -> list[str]:
    return [each.code.value for each in found.points]


def every(points: tuple[Point, ...]) -> Iterator[Point]:
    for each in points:
        yield each
        yield from every(each.below)


def images(desk: Desk) -> FakeExecutor:
    """The executor; every image of the desk is there once this was asked."""
    assert isinstance(desk.ctx.executor, FakeExecutor)
    for number in range(5):
        desk.ctx.executor.images.programs[f"image:{number}"] = copy_inputs
    return desk.ctx.executor


# --- Data -------------------------------------------------------------------------------------------------------------


def test_a_wrong_tag_and_its_mending(desk: Desk) -> None:
    """A Data with a misspelt tag is told what it lacks; given that, it says which Run was made, then and now."""
    plan = desk.apply({"/in": "project:x type:raw"})
    knit_id = desk.push("project:x", "type:rwa")
    found = why(desk.ctx, knit_id)
    assert codes(found) == ["lacks-tag"]
    assert found.steps == (f"knit data tag --add type:raw {knit_id}",)
    desk.tag(knit_id, "type:raw")
    found = why(desk.ctx, knit_id)
    (run,) = desk.runs(plan)
    assert (codes(found), found.points[0].runs) == (["matched"], {Status.WAITING: 1})
    assert found.steps == (f"knit why {run.run.run_id}",)
    assert [(each.event, each.reason.value, each.detail) for each in found.receipts] == [
        ("tag", "matched", {"runs": [run.run.run_id]}), ("push", "lacks-tag", {"missing": ["type:raw"]}),
    ]  # fmt: skip


def test_partners(desk: Desk) -> None:
    """Of an empty input the nearest Data are told: one on its way, and one that lacks a tag."""
    desk.apply({"/in": "raw:1"}, {"/out": "frames:1"})
    desk.apply({"/raw": "raw:2", "/frames": "frames:1"})
    desk.push("raw:1")
    knit_id = desk.push("raw:2")
    near = desk.push("frame:1")
    (work,) = desk.start()
    assert codes(why(desk.ctx, knit_id)) == ["no-partner"]
    lacking = [each for each in every(why(desk.ctx, knit_id).points) if each.code is Code.LACKS_TAG]
    assert [(each.knit_id, each.step) for each in lacking] == [(near, f"knit data tag --add frames:1 {near}")]
    below = [each for each in every(why(desk.ctx, knit_id).points) if each.code is Code.NOT_DONE]
    assert [(each.knit_id, each.run_id) for each in below] == [(work.made[0].knit_id, work.run.run_id)]
    desk.end(work)
    assert codes(why(desk.ctx, knit_id)) == ["matched"]
    assert codes(why(desk.ctx, near)) == ["lacks-tag"]


def test_data_of_runs_on_their_way(desk: Desk) -> None:
    """What is not made yet fits nothing, says which Run makes it, and what it will fit."""
    desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    later = desk.apply({"/in": "b:1"})
    desk.push("a:1")
    (work,) = desk.start()
    made = work.made[0].knit_id
    found = why(desk.ctx, made)
    assert (found.standing, codes(found)) == ("processing", ["not-done", "not-done"])
    assert found.points[1].plan_id == later.plan.plan_id
    assert found.steps == (f"knit why {work.run.run_id}",)
    desk.end(work, code=1)
    assert "never fits" in why(desk.ctx, made).points[0].text


def test_with_regard_to_a_plan(desk: Desk) -> None:
    """With a Plan, every input of it is told, also those that are far away; nothing of other Plans."""
    far, _other = desk.apply({"/1": "a:1 b:1 c:1", "/2": "a:1"}), desk.apply({"/in": "a:1"})
    knit_id = desk.push("a:1")
    found = why(desk.ctx, knit_id, far.plan.plan_id)
    assert [(each.code, each.path) for each in found.points] == [(Code.NO_PARTNER, "/2"), (Code.LACKS_TAG, "/1")]
    assert {each.plan_id for each in found.receipts} == {far.plan.plan_id}


def test_inactive_plans(desk: Desk) -> None:
    """Runs of a Plan that is switched off wait; the Data, the Plan and the Run all say for what."""
    images(desk)
    plan = desk.apply({"/in": "a:1"})
    plans.set_active(desk.ctx, plan.plan.plan_id, active=False)
    knit_id = desk.push("a:1")
    (run,) = desk.runs(plan)
    for each in (knit_id, plan.plan.plan_id, run.run.run_id):
        found = why(desk.ctx, each)
        assert found.points[0].code is Code.PLAN_INACTIVE
        assert found.steps[0] == f"knit plan active yes {plan.plan.plan_id}"


def test_owed_runs(narrow: Desk) -> None:
    """Where one step does not make all Runs, why says that more follow."""
    narrow.apply({"/1": "a:1", "/2": "b:1"})
    for _ in range(5):
        narrow.push("a:1")
    knit_id = narrow.push("b:1")
    point = why(narrow.ctx, knit_id).points[0]
    assert (point.code, point.runs) == (Code.HELD_LIMIT, {Status.WAITING: 3})
    narrow.project()
    assert why(narrow.ctx, knit_id).points[0].runs == {Status.WAITING: 5}


def test_many_inputs_cost_no_more_statements(desk: Desk) -> None:
    """The number of statements does not grow with the Plans that a Data fits, and only so many are told."""
    knit_id = desk.push("a:1")
    desk.apply({"/in": "a:1"})
    desk.apply({"/in": "a:1 b:1"})
    with counted() as few:
        why(desk.ctx, knit_id)
    for _ in range(25):
        desk.apply({"/in": "a:1"})
        desk.apply({"/in": "a:1 b:1"})
    with counted() as many:
        found = why(desk.ctx, knit_id)
    assert len(many) == len(few)
    assert (codes(found), found.omitted) == (["matched"] * 20 + ["lacks-tag"] * 5, 6)


# --- Plans ------------------------------------------------------------------------------------------------------------


def test_a_plan_without_data(desk: Desk) -> None:
    """Each input with its count; of an empty one the nearest Data; an image that nobody built."""
    plan = desk.apply({"/1": "a:1", "/2": "project:x b:1"})
    desk.push("a:1")
    near = desk.push("project:x")
    found = why(desk.ctx, plan.plan.plan_id)
    assert codes(found) == ["image-missing", "fits", "no-data"]
    (below,) = found.points[2].below
    assert (below.knit_id, below.code) == (near, Code.LACKS_TAG)
    assert found.steps == ("knit image build -t image:0 DIR", f"knit data tag --add b:1 {near}")


def test_runs_of_a_plan(desk: Desk) -> None:
    """How many Runs stand where, and which one to look at."""
    images(desk)
    plan = desk.apply({"/in": "a:1"})
    for _ in range(3):
        desk.push("a:1")
    first, second, _ = desk.start()
    desk.end(first)
    desk.end(second, code=1)
    found = why(desk.ctx, plan.plan.plan_id)
    assert codes(found) == ["fits", "matched"]
    assert found.points[1].runs == {Status.DONE: 1, Status.FAILED: 1, Status.RUNNING: 1}
    assert found.steps == (f"knit why {second.run.run_id}",)


def test_archived_plans(desk: Desk) -> None:
    """A Plan in the archive says so."""
    plan = desk.apply({"/in": "a:1"})
    plan_changes.archive(desk.ctx, plan.plan.plan_id)
    assert codes(why(desk.ctx, plan.plan.plan_id)) == ["plan-archived"]
    knit_id = desk.push("a:1")
    for found in (why(desk.ctx, knit_id), why(desk.ctx, knit_id, plan.plan.plan_id)):
        assert codes(found) == ["plan-archived"]
        assert found.steps == (f"knit plan archive --undo {plan.plan.plan_id}",)


# --- Runs -------------------------------------------------------------------------------------------------------------


def test_the_queue_and_the_room(desk: Desk) -> None:
    """How many Runs are before it, what it asks for and what is free."""
    executor = images(desk)
    executor.cpu, executor.memory = 4, 8 << 30
    desk.apply({"/in": "a:1"}, resources={"cpu": "3", "memory": "1Gi"})
    for _ in range(3):
        desk.push("a:1")
    (claimed,) = lifecycle.claim(desk.ctx, lambda needs: True, limit=1)
    (*_, last) = runs.find(desk.ctx, runs.RunQuery(statuses=(Status.WAITING,)))
    (point, *_) = why(desk.ctx, last.run.run_id).points
    assert point.code is Code.WAITING_FOR_ROOM
    assert point.detail["ahead"] == 1
    assert (point.detail["asked"], point.detail["free"]) == (
        {"cpu": 3.0, "memory": 1 << 30}, {"cpu": 1, "memory": 7 << 30},
    )  # fmt: skip
    assert why(desk.ctx, claimed.run.run_id).points[0].code is Code.RUNNING


def test_another_process_schedules(desk: Desk) -> None:
    """A process that executes nothing itself counts what the others execute, and says that it only looks on."""
    executor = images(desk)
    executor.cpu = 4
    desk.apply({"/in": "a:1"}, resources={"cpu": "3"})
    desk.push("a:1")
    desk.start()
    desk.push("a:1")
    (run,) = runs.find(desk.ctx, runs.RunQuery(statuses=(Status.WAITING,)))
    onlooker = replace(desk.ctx, owner="someone else", schedules=lambda: False)
    (point, *_) = why(onlooker, run.run.run_id).points
    assert (point.detail["here"], point.detail["free"]) == (False, {"cpu": 1, "memory": (1 << 60) - (1 << 30)})
    assert "another process of this home schedules" in point.text


def test_too_large(desk: Desk) -> None:
    """What does not fit into the machine says so, with the note of the scheduler."""
    executor = images(desk)
    executor.cpu = 2
    desk.apply({"/in": "a:1"}, resources={"cpu": "3"})
    desk.push("a:1")
    lifecycle.claim(desk.ctx, lambda needs: "asks for too much")
    (run,) = runs.find(desk.ctx, runs.RunQuery(statuses=(Status.READY,)))
    found = why(desk.ctx, run.run.run_id)
    assert codes(found)[:2] == ["too-large", "waiting-for-room"]
    assert found.points[1].text.endswith("note: asks for too much")


def test_a_failure_and_where_it_came_from(desk: Desk, clock: ManualClock) -> None:
    """The exit, the end of the log, the event, and the Run that made what it took."""
    images(desk)
    desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    later = desk.apply({"/in": "b:1"}, log=("l:1",))
    pushed = desk.push("a:1")
    (first,) = desk.start()
    desk.end(first)
    (second,) = desk.start()
    log = desk.ctx.folder(second.attempt).log_file
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"line {n}\n" for n in range(30)))
    assert why(desk.ctx, second.run.run_id).log[-1] == "line 29"
    lifecycle.ended(desk.ctx, second, Exit(3, "(container main) Error"))
    lifecycle.finish(desk.ctx, second, desk.store(second))
    found = why(desk.ctx, second.run.run_id)
    assert codes(found) == ["exit", "caused", "made-by"]
    assert found.log == (f"made by {second.run.run_id}",)
    assert (found.points[1].detail["subject"], found.points[1].detail["hops"]) == (pushed, 1)
    assert found.points[2].run_id == first.run.run_id
    assert {each.plan_id for each in found.receipts} == {later.plan.plan_id}
    assert found.steps == (f"knit run show --log {second.run.run_id}", f"knit run retry {second.run.run_id}")


def test_decisions_about_other_runs_of_the_plan(desk: Desk) -> None:
    """What was decided then is about what the Run takes, where it takes it, not about the rest of its Plan."""
    for tags in (["a:1"], ["a:1"], ["a:1", "b:1"]):
        desk.push(*tags)
    plan = desk.apply({"/1": "a:1", "/2": "b:1"})
    desk.project()
    told = []
    for each in desk.runs(plan):
        receipts = why(desk.ctx, each.run.run_id).receipts
        assert {(one.path, one.knit_id) for one in receipts} <= {(given.path, given.knit_id) for given in each.inputs}
        told.append(len(receipts))
    assert 1 <= min(told) < len(why(desk.ctx, plan.plan.plan_id).receipts)


@pytest.mark.parametrize("status", [Status.WAITING, Status.READY])
def test_a_run_that_a_hook_holds(desk: Desk, clock: ManualClock, status: Status) -> None:
    """The note of a refusal is told as such, with its instant, and not as a wait for room."""
    images(desk)
    desk.apply({"/in": "a:1"})
    desk.push("a:1")
    (work,) = lifecycle.claim(desk.ctx, lambda needs: True, stepwise=True)
    if status is Status.READY:
        stepping.advance(desk.ctx, work)
    lifecycle.note(desk.ctx, work.run.run_id, held_by_hook("hook http://h/ answered 500", 2, clock()))
    found = why(desk.ctx, work.run.run_id)
    assert (found.standing, codes(found)[0]) == (status.value, "held-by-hook")
    assert "waiting-for-room" not in codes(found)
    assert f"asked again at {times.format_instant(clock() + 2000)}" in found.points[0].text


def test_deleted_runs_by_the_beginning_of_their_id(desk: Desk) -> None:
    """A deleted Run says so to whoever knows the beginning of its id, too."""
    images(desk)
    plan = desk.apply({"/in": "a:1"})
    desk.push("a:1")
    (run,) = desk.runs(plan)
    runs.delete(desk.ctx, run.run.run_id)
    whole, short = why(desk.ctx, run.run.run_id), why(desk.ctx, run.run.run_id[:8])
    assert codes(whole)[0] == "deleted"
    assert short == whole
    with pytest.raises(NotFound, match="there is no Data, Plan or Run"):
        why(desk.ctx, run.run.run_id[:3])


def test_a_server_that_is_gone(desk: Desk, clock: ManualClock) -> None:
    """A Run whose lease has run out is attended by nobody."""
    images(desk)
    desk.apply({"/in": "a:1"})
    desk.push("a:1")
    (work,) = desk.start()
    assert codes(why(desk.ctx, work.run.run_id))[0] == "running"
    clock.advance(desk.ctx.limits.lease + 1)
    assert codes(why(desk.ctx, work.run.run_id))[0] == "unattended"


def test_unknown_ids(desk: Desk) -> None:
    """What is nothing says so; a Plan narrows the question about a Data only."""
    plan = desk.apply({"/in": "a:1"})
    with pytest.raises(NotFound, match="there is no Data, Plan or Run ghost"):
        why(desk.ctx, "ghost")
    with pytest.raises(NotFound, match="there is no Data, Plan or Run"):
        why(desk.ctx, "a\0b")
    with pytest.raises(InvalidInput, match="is a Plan, not a Data"):
        why(desk.ctx, plan.plan.plan_id, plan.plan.plan_id)
    with pytest.raises(NotFound, match="there is no Plan ghost"):
        why(desk.ctx, desk.push("a:1"), "ghost")
