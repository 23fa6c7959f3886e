"""Nomination and projection through the services: which Data fit, and which Runs there are in the end."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from desk import Combination, Desk

from knit_server.domain import times
from knit_server.domain.matching import run_key
from knit_server.domain.runs import Assignment, Status
from knit_server.persistence import nominations
from knit_server.persistence import runs as rows
from knit_server.service import data, plans, runs
from knit_server.service.data import DataQuery
from knit_server.testing import ManualClock


def pairs(**inputs: str) -> Combination:
    return frozenset((f"/{name}", knit_id) for name, knit_id in inputs.items())


# --- nomination -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan_first", [True, False])
@pytest.mark.parametrize(
    ("asked", "given", "fits"),
    [("x:1", "x:1 y:1", True), ("x:1 y:1", "x:1", False), ("x:1", "x:1", True), ("x:1", "x:2", False),
     ("x:1 x:2", "x:1", False), ("x:1 x:2", "x:1 x:2", True), ("x:1 y:1", "x:2 y:2", False)],
)  # fmt: skip
def test_tags(desk: Desk, plan_first: bool, asked: str, given: str, fits: bool) -> None:
    """A Data fits an input if it has all of its tags, whichever came first; then there is one Run.

    (scenarios 21, 22, 27)
    """
    if plan_first:
        plan, pushed = desk.apply({"/in": asked}), desk.push(*given.split())
    else:
        pushed, plan = desk.push(*given.split()), desk.apply({"/in": asked})
    assert desk.nominated(plan) == ({("/in", pushed)} if fits else set())
    assert desk.combinations(plan) == ([pairs(**{"in": pushed})] if fits else [])
    assert desk.owing() == 0


def test_pinned_by_id(desk: Desk) -> None:
    """`knit#id` takes that Data alone, and only if it has the other tags too; ids of nobody fit nothing.

    (scenario 24)
    """
    wanted, _ = desk.push("x:1"), desk.push("x:1")
    alone = desk.apply({"/in": f"knit#id:{wanted}"})
    both, lacking = desk.apply({"/in": f"knit#id:{wanted} x:1"}), desk.apply({"/in": f"knit#id:{wanted} y:1"})
    ghost = desk.apply({"/in": "knit#id:ghost"})
    assert [desk.nominated(plan) for plan in (alone, both, lacking, ghost)] == [{("/in", wanted)}] * 2 + [set()] * 2
    desk.tag(wanted, "y:1")
    assert desk.combinations(lacking) == [pairs(**{"in": wanted})]


def test_pinned_by_time(desk: Desk, clock: ManualClock) -> None:
    """A timestamp copied from what is shown names the Data made at that millisecond, in any zone (scenarios 25, 26)."""
    clock.now = 1_800_000_000_120
    wanted = desk.push("x:1")
    clock.advance(1)
    other = desk.push("x:1")
    shown = times.format_instant(data.show(desk.ctx, wanted).data.timestamp or 0)
    assert shown == "2027-01-15T08:00:00.12+00:00"
    elsewhere = "2027-01-15T17:00:00.120999+09:00"
    both = f"knit#id:{wanted} knit#timestamp:{elsewhere} x:1"
    wrong = f"knit#id:{other} knit#timestamp:{elsewhere}"
    asked = [f"knit#timestamp:{shown}", f"knit#timestamp:{elsewhere} x:1", both, wrong]
    found = [desk.nominated(desk.apply({"/in": text})) for text in asked]
    assert found == [{("/in", wanted)}] * 3 + [set()]
    assert desk.find(f"knit#timestamp:{elsewhere}") == [wanted]
    later = desk.apply({"/in": f"knit#timestamp:{times.format_instant(clock.now + 5)}"})
    clock.advance(5)
    assert desk.nominated(later) == set()
    assert desk.push() in {knit_id for _, knit_id in desk.nominated(later)}


def test_only_usable_data_fit(desk: Desk) -> None:
    """Until its Run is done a Data fits nothing, whatever its tags; when the Run fails it never does (scenario 23)."""
    make, take = desk.apply({"/in": "raw:1"}, {"/out": "made:1"}), desk.apply({"/in": "made:1"})
    desk.push("raw:1")
    desk.push("raw:1")
    good, bad = desk.start()
    for knit_id in desk.find("made:1"):
        desk.tag(knit_id, "more:1")
        desk.tag(knit_id, remove=["more:1"])
    assert desk.combinations(take) == []
    desk.end(good)
    desk.end(bad, code=1)
    assert desk.combinations(take) == [pairs(**{"in": good.made[0].knit_id})]
    assert desk.nominated(take) == {("/in", good.made[0].knit_id)}
    assert [run.run.status for run in desk.runs(make)] == [Status.DONE, Status.FAILED]


def test_retagging(desk: Desk) -> None:
    """Tagging without effect triggers nothing; a tag that goes and comes back does not lead to a second Run.

    (scenarios 28, 29)
    """
    plan, pushed = desk.apply({"/in": "x:1"}), desk.push("x:1")
    desk.tag(pushed, "x:1")
    desk.tag(pushed, "y:1")
    assert desk.nominated(plan) == {("/in", pushed)}
    desk.tag(pushed, remove=["x:1"])
    assert desk.nominated(plan) == set()
    assert len(desk.runs(plan)) == 1
    desk.tag(pushed, "x:1")
    assert desk.nominated(plan) == {("/in", pushed)}
    assert (len(desk.runs(plan)), desk.owing()) == (1, 0)
    assert desk.reasons(pushed)[0] == ("done-already", 1)


def test_every_input_by_itself(desk: Desk) -> None:
    """A Plan's inputs each find their own Data; one Data may serve several (scenario 30)."""
    one, two, three = desk.push("a:1"), desk.push("b:1"), desk.push("a:1", "b:1")
    plan = desk.apply({"/1": "a:1", "/2": "b:1", "/3": "c:1"})
    assert desk.nominated(plan) == {("/1", one), ("/1", three), ("/2", two), ("/2", three)}
    assert desk.combinations(plan) == []
    last = desk.push("c:1")
    expected = {pairs(**{"1": a, "2": b, "3": last}) for a in (one, three) for b in (two, three)}
    assert set(desk.combinations(plan)) == expected
    assert len(desk.runs(plan)) == 4


def test_an_empty_knit(desk: Desk) -> None:
    """With nothing there, nothing happens, and nothing fails (scenario 32)."""
    assert desk.project() == 0
    assert (data.find(desk.ctx, DataQuery()), runs.find(desk.ctx, runs.RunQuery())) == ([], [])
    assert plans.find(desk.ctx, plans.PlanQuery()) == []
    assert desk.combinations(desk.apply({"/in": "x:1"})) == []


# --- projection -------------------------------------------------------------------------------------------------------


def test_one_input_waits_for_the_other(desk: Desk) -> None:
    """Half a combination makes no Run and owes none; the other half makes exactly one (scenarios 34, 35)."""
    plan = desk.apply({"/a": "a:1", "/b": "b:1"})
    a = desk.push("a:1")
    assert (desk.combinations(plan), desk.owing()) == ([], 0)
    assert desk.reasons(a) == [("no-partner", 1)]
    b = desk.push("b:1")
    assert desk.combinations(plan) == [pairs(a=a, b=b)]


def test_a_new_data_meets_all_known(desk: Desk) -> None:
    """Each arrival makes its combinations with everything that was there: 1, 2, 4 Runs and so on, never one twice.

    (scenarios 36, 37)
    """
    plan = desk.apply({"/a": "a:1", "/b": "b:1", "/c": "c:1"})
    known: dict[str, list[str]] = {"a": [], "b": [], "c": []}
    for name in "aabbcacb":
        known[name].append(desk.push(f"{name}:1"))
        expected = {pairs(a=a, b=b, c=c) for a, b, c in itertools.product(*known.values())}
        assert set(desk.combinations(plan)) == expected
        assert len(desk.runs(plan)) == len(expected)


def test_a_combination_that_exists(desk: Desk) -> None:
    """Combinations that have their Run are left out; a Run that was deleted counts as one that exists.

    (scenarios 38, 39, 42)
    """
    b = [desk.push("b:1"), desk.push("b:1")]
    plan = desk.apply({"/a": "a:1", "/b": "b:1"})
    a = desk.push("late:1")
    key = run_key(plan.plan.plan_id, [Assignment(path="/a", knit_id=a), Assignment(path="/b", knit_id=b[0])])
    desk.tag(a, "a:1")
    assert len(desk.runs(plan)) == 2
    victim = next(run for run in desk.runs(plan) if run.run.key == key)
    with desk.ctx.db.write() as tx:
        rows.move(tx, victim.run, replace(victim.run, status=Status.INVALIDATED))
    desk.tag(a, remove=["a:1"])
    b.append(desk.push("b:1"))
    desk.tag(a, "a:1")
    assert set(desk.combinations(plan)) == {pairs(a=a, b=b[1]), pairs(a=a, b=b[2])}
    assert desk.reasons(a)[:2] == [("done-already", 2), ("matched", 1)]


def test_inactive_plans(desk: Desk) -> None:
    """A Plan that is off makes its Runs all the same, deactivated; they wait when it is switched on, and back.

    (scenarios 41, 49)
    """
    plan = desk.apply({"/in": "x:1"}, active=False)
    pushed = desk.push("x:1")
    assert [run.run.status for run in desk.runs(plan)] == [Status.DEACTIVATED]
    assert desk.reasons(pushed) == [("plan-inactive", 1)]
    assert desk.start() == []
    shown = plans.set_active(desk.ctx, plan.plan.plan_id, True)
    assert shown.plan.active
    desk.push("x:1")
    assert [run.run.status for run in desk.runs(plan)] == [Status.WAITING] * 2
    running = desk.start()[0]
    desk.push("x:1")
    plans.set_active(desk.ctx, plan.plan.plan_id, False)
    statuses = {run.run.run_id: run.run.status for run in desk.runs(plan)}
    assert sorted(status.value for status in statuses.values()) == ["deactivated", "running", "running"]
    assert statuses[running.run.run_id] is Status.RUNNING


def test_what_a_run_begins_with(desk: Desk) -> None:
    """A new Run waits; its outputs and log are there as Data, with their tags, processing (scenario 44)."""
    plan = desk.apply({"/in": "x:1"}, {"/o1": "made:1 by:me", "/o2": ""}, log=("log:1",))
    desk.push("x:1")
    (run,) = desk.runs(plan)
    assert run.run.status is Status.WAITING
    assert [each.path for each in run.outputs] == ["/o1", "/o2"]
    assert run.log is not None
    made = [*(each.knit_id for each in run.outputs), run.log]
    assert [[str(tag) for tag in desk.raw(knit_id)] for knit_id in made] == [["by:me", "made:1"], [], ["log:1"]]
    assert set(desk.find("knit#transient:processing")) == set(made)


def test_chains(desk: Desk) -> None:
    """What a Run makes triggers the next in the transaction that makes it usable; hops count the way (scenario 40)."""
    first = desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    second = desk.apply({"/in": "b:1", "/again": "a:1"}, {"/out": "c:1"}, log=("d:1",))
    third = desk.apply({"/c": "c:1", "/log": "d:1"})
    desk.push("a:1")
    assert desk.settle() == 3
    (last,) = desk.runs(third)
    assert [run.run.hops for plan in (first, second, third) for run in desk.runs(plan)] == [0, 1, 2]
    assert len({run.run.cause for plan in (first, second, third) for run in desk.runs(plan)}) == 1
    (middle,) = desk.runs(second)
    assert {each.knit_id for each in last.inputs} == {middle.outputs[0].knit_id, middle.log}


# --- limits -----------------------------------------------------------------------------------------------------------


def test_few_runs_at_a_time(narrow: Desk) -> None:
    """With a limit per transaction the same Runs follow in steps, and the Data says why it is not all there yet."""
    desk = narrow
    plan = desk.apply({"/a": "a:1", "/b": "b:1"})
    a = [desk.push("a:1") for _ in range(7)]
    b = desk.push("b:1")
    assert (len(desk.runs(plan)), desk.owing()) == (3, 1)
    assert sorted(desk.reasons(b)) == [("held-limit", 1), ("matched", 3)]
    assert desk.project() == 4
    assert sorted(map(sorted, desk.combinations(plan))) == sorted(sorted(pairs(a=each, b=b)) for each in a)
    lone = desk.apply({"/in": "a:1"})
    assert (len(desk.runs(lone)), desk.owing()) == (3, 4)
    desk.project()
    assert len(set(desk.combinations(lone))) == len(desk.runs(lone)) == 7


def test_a_nomination_that_goes_while_it_owes(narrow: Desk) -> None:
    """A Data whose tag is taken away half-way gets no more Runs; with the tag back, the rest follows."""
    desk = narrow
    plan = desk.apply({"/a": "a:1", "/b": "b:1"})
    for _ in range(5):
        desk.push("a:1")
    b = desk.push("b:1")
    desk.tag(b, remove=["b:1"])
    assert desk.project() == 0
    assert len(desk.runs(plan)) == 3
    desk.tag(b, "b:1")
    desk.project()
    assert len(set(desk.combinations(plan))) == len(desk.runs(plan)) == 5


def test_the_order_of_waking(desk: Desk, narrow: Desk) -> None:
    """New Runs announce `launch`; Runs that are owed announce `project`; a Plan that is off wakes nobody."""
    heard: set[str] = set()
    narrow.ctx.signals.subscribe(heard.update)
    narrow.apply({"/in": "x:1"}, active=False)
    narrow.push("x:1")
    assert heard == {"events"}
    narrow.apply({"/in": "x:1"})
    assert heard == {"events", "launch"}
    for _ in range(4):
        narrow.push("y:1")
    narrow.apply({"/in": "y:1"})
    assert heard == {"events", "launch", "project"}


def test_what_is_nominated_can_be_read(desk: Desk) -> None:
    """The rows behind nominations agree with what Data show."""
    plan, pushed = desk.apply({"/a": "x:1", "/b": "x:1"}), desk.push("x:1")
    with desk.ctx.db.read() as tx:
        assert [ref.path for ref in nominations.of_data(tx, [pushed])[pushed]] == ["/a", "/b"]
    assert desk.combinations(plan) == [pairs(a=pushed, b=pushed)]
