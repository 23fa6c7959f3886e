"""Finding, tagging and explaining Data, and the change stream."""

from __future__ import annotations

import pytest
from desk import Desk

from knit_server.domain.errors import InvalidInput
from knit_server.domain.tags import Tag
from knit_server.service import data, events, health
from knit_server.service.data import DataQuery, TagChange
from knit_server.testing import ManualClock


def texts(desk: Desk, knit_id: str) -> list[str]:
    return [str(tag) for tag in desk.raw(knit_id)]


def test_find(desk: Desk, clock: ManualClock) -> None:
    """Tags and system tags together, windows from `since` on and before `until`, the latest last (scenario 81)."""
    found = []
    for number in range(3):
        clock.advance(10)
        found.append(desk.push("a:1", f"n:{number}"))
    when = [data.show(desk.ctx, knit_id).data.timestamp or 0 for knit_id in found]
    assert desk.find("a:1") == desk.find() == found
    assert desk.find("a:1", f"knit#id:{found[1]}") == [found[1]]
    assert desk.find(since=when[1]) == found[1:]
    assert desk.find(until=when[1]) == found[:1]
    assert desk.find("a:1", since=when[1], until=when[2]) == [found[1]]
    assert (desk.find("a:2"), desk.find("knit#transient:processing")) == ([], [])
    assert data.find(desk.ctx, DataQuery(tags=(Tag("knit#colour", "red"),))) == []


def test_tag_changes(desk: Desk) -> None:
    """First `remove`, then `remove_keys`, then `add`: a tag that is removed and added stays (scenario 84)."""
    pushed = desk.push("a:1", "a:2", "b:1")
    assert desk.tag(pushed, "a:1", remove=["a:1"]).data.tags == desk.raw(pushed)
    assert texts(desk, pushed) == ["a:1", "a:2", "b:1"]
    desk.tag(pushed, "a:3", keys=["a"])
    assert texts(desk, pushed) == ["a:3", "b:1"]
    desk.tag(pushed, "a:3", "b:1", remove=["never:1"], keys=["never"])
    assert texts(desk, pushed) == ["a:3", "b:1"]
    desk.tag(pushed, keys=["a", "b"])
    assert texts(desk, pushed) == []


@pytest.mark.parametrize(
    "change",
    [TagChange(add=(Tag("knit#id", "x"),)), TagChange(remove=(Tag("knit#foo", "x"),)),
     TagChange(remove_keys=("knit#id",)), TagChange(add=(Tag("good", "1"), Tag("a", "\0"))),
     TagChange(add=(Tag("a:b", "c"),))],
)  # fmt: skip
def test_system_tags_cannot_be_changed(desk: Desk, change: TagChange) -> None:
    """One wrong tag, and nothing of the change is done (scenario 6)."""
    pushed = desk.push("a:1")
    with pytest.raises(InvalidInput):
        data.retag(desk.ctx, pushed, change)
    assert texts(desk, pushed) == ["a:1"]


def test_a_data_explains_itself(desk: Desk) -> None:
    """Who made it, who took it, what it fits, and why it did not lead to more."""
    matching, lacking = desk.apply({"/in": "a:1"}), desk.apply({"/in": "a:1 b:1"})
    waiting = desk.apply({"/a": "a:1", "/z": "z:1"})
    pushed = desk.push("a:1")
    view = data.show(desk.ctx, pushed)
    (run,) = desk.runs(matching)
    assert view.producer.plan.name == "knit#uploaded"
    assert [(each.input.path, each.run.run.run_id) for each in view.consumers] == [("/in", run.run.run_id)]
    assert {each.plan.plan_id for each in view.nominations} == {matching.plan.plan_id, waiting.plan.plan_id}
    decisions = data.details(desk.ctx, pushed)["decisions"]
    assert isinstance(decisions, list)
    told = {each["planId"]: {name: each[name] for name in each if name not in ("planId", "path")} for each in decisions}
    assert told == {
        matching.plan.plan_id: {"reason": "matched", "count": 1, "runs": [run.run.run_id]},
        lacking.plan.plan_id: {"reason": "lacks-tag", "count": 1, "missing": ["b:1"]},
        waiting.plan.plan_id: {"reason": "no-partner", "count": 1},
    }


def test_why_not_yet(desk: Desk) -> None:
    """Tagging the output of a Run that is not done says so; combinations that have their Run are counted."""
    desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    desk.apply({"/in": "b:1"})
    desk.push("a:1")
    (made,) = desk.find("b:1")
    desk.tag(made, "c:1")
    assert desk.reasons(made) == [("not-done", 1)]
    desk.settle()
    desk.tag(made, remove=["b:1"])
    desk.tag(made, "b:1")
    assert desk.reasons(made) == [("done-already", 1), ("lacks-tag", 1), ("matched", 1), ("not-done", 1)]


def test_the_change_stream(desk: Desk) -> None:
    """From now on, then on from the last; one who was away too long is told to start over."""
    start = events.since(desk.ctx, None)
    assert (start.events, start.reset) == ([], False)
    plan = desk.apply({"/in": "a:1"})
    pushed = desk.push("a:1")
    batch = events.since(desk.ctx, start.last)
    seen = [(event.kind, event.subject) for event in batch.events]
    assert seen[0] == ("plan", plan.plan.plan_id)
    assert ("data", pushed) in seen
    assert seen[-1] == ("run", desk.runs(plan)[0].run.run_id)
    some = events.since(desk.ctx, start.last, limit=2)
    assert (some.events, some.last) == (batch.events[:2], batch.events[1].id)
    assert events.since(desk.ctx, batch.last) == events.Batch([], False, batch.last)
    with desk.ctx.db.write() as tx:
        events.events.trim(tx, keep=1)
    assert events.since(desk.ctx, start.last).reset
    assert events.since(desk.ctx, batch.last + 1000).reset
    assert not events.since(desk.ctx, batch.last - 1).reset


def test_statuses_in_the_stream(desk: Desk) -> None:
    """Each step of a Run is an event, also those that share a transaction."""
    last = events.since(desk.ctx, None).last
    pushed = desk.push("a:1")
    run_id = data.show(desk.ctx, pushed).producer.run.run_id
    steps = [event.payload["status"] for event in events.since(desk.ctx, last).events if event.subject == run_id]
    assert steps == ["running", "completing", "done"]


def test_health(desk: Desk) -> None:
    """Runs are counted by status."""
    desk.push("a:1")
    desk.apply({"/in": "a:1"})
    assert health.health(desk.ctx)["runs"] == {"done": 1, "waiting": 1}
