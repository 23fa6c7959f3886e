"""What is projected in whose transaction."""

from __future__ import annotations

from desk import Desk

from knit_server.service import lifecycle


def test_a_backlog_holds_up_nobody(narrow: Desk) -> None:
    """While one Plan owes more Runs than a step makes, the push of another Plan's Data makes that Plan's Run alone.

    (scenario 43)
    """
    for number in range(10):
        narrow.push("wide:1", f"n:{number}")
    many = narrow.apply({"/in": "wide:1"})
    one = narrow.apply({"/in": "narrow:1"})
    made, owing = len(narrow.runs(many)), narrow.owing()
    assert made == 3
    narrow.push("narrow:1")
    assert len(narrow.runs(one)) == 1
    assert (len(narrow.runs(many)), narrow.owing()) == (made, owing)
    while lifecycle.project(narrow.ctx):
        pass
    assert (len(narrow.runs(many)), narrow.owing()) == (10, 0)


def test_oldest_first(desk: Desk) -> None:
    """A new Plan takes up the Data there are in the order in which they came."""
    pushed = [desk.push("a:1", f"n:{number}") for number in range(3)]
    plan = desk.apply({"/in": "a:1"})
    taken = desk.runs(plan)
    assert [view.inputs[0].knit_id for view in taken] == pushed
