"""What a monitor knows: changes are taken in order, nothing older overwrites what is newer, and memory is bounded."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from knit_lab.components import monitoring
from knit_lab.components.monitoring import MOST, PUBLIC, Query, Watch
from knit_server.client.streams import Event
from knit_server.domain import times


def run(run_id: str, status: str = "running", at: int = 1000, **more: Any) -> Any:
    plan = {"planId": "plan-1", "image": "clean:1"}
    shape = {"runId": run_id, "status": status, "updatedAt": times.format_instant(at), "plan": plan}
    return {**shape, "inputs": [], "outputs": [], "log": None, **more}


def told(run_id: str, status: str, at: int, plan: str = "plan-1") -> Event:
    data = {"runId": run_id, "status": status, "planId": plan, "at": times.format_instant(at)}
    return Event(id=1, kind="run", data=data)


def watch(*runs: Any, query: Query | None = None) -> Watch:
    made = Watch(query)
    made.replace(runs, is_cut=False)
    return made


def test_lists_the_run_that_changed_last_first() -> None:
    """Runs are ordered by their last change, and those of one instant as the server orders them."""
    found = watch(run("c", at=30), run("b", at=20), run("a", at=20))
    assert [each["runId"] for each in found.shown()] == ["c", "b", "a"]


def test_takes_a_change_at_once_and_asks_for_the_exit() -> None:
    """A change shows the new status without a question; an end needs one, for the exit code is not told."""
    found = watch(run("a", at=10), run("b", at=20))
    assert not found.take([told("a", "completing", 30)])
    assert next((each["runId"], each["status"]) for each in found.shown()) == ("a", "completing")
    assert found.take([told("a", "done", 40)])
    assert found.counts == {"running": 1, "done": 1}


def test_asks_for_runs_that_are_new() -> None:
    """A Run that is not known is asked for, unless it is of another Plan."""
    assert watch().take([told("new", "waiting", 10)])
    assert not watch(query=Query(plans=("plan-2",))).take([told("new", "waiting", 10)])


def test_drops_deleted_runs() -> None:
    """A Run that was deleted is shown no longer."""
    found = watch(run("a"))
    found.take([told("a", "invalidated", 2000)])
    assert "a" not in found
    assert found.shown() == []


def test_older_news_do_not_overwrite() -> None:
    """An answer of the server that is older than a change leaves what the change told."""
    found = watch(run("a", "running", 10))
    found.take([told("a", "completing", 20)])
    found.merge([run("a", "running", 10)])
    assert found.shown()[0]["status"] == "completing"
    assert not found.take([told("a", "starting", 5)])
    assert found.shown()[0]["status"] == "completing"


def test_a_switched_plan_is_no_progress() -> None:
    """Switching a Plan off and on changes the status, but not the place in the list."""
    found = watch(run("b", "running", 20), run("a", "waiting", 10))
    found.take([told("a", "deactivated", 99)])
    assert [each["status"] for each in found.shown()] == ["running", "deactivated"]


def test_a_change_outside_of_the_time_leaves() -> None:
    """A Run that changes after the time that is asked for does not fit any more."""
    found = watch(run("a", at=100), query=Query(since=50, duration=100))
    found.take([told("a", "completing", 150)])
    assert "a" not in found


def test_a_retried_run_has_no_exit() -> None:
    """A Run that runs again shows no exit code of the time before."""
    found = watch(run("a", "failed", 10, exit={"code": 3, "message": "no"}))
    found.take([told("a", "waiting", 20)])
    assert "exit" not in found.shown()[0]


def test_keeps_a_bounded_number() -> None:
    """However many Runs come, the newest ones are kept, and it is known that there are more."""
    found = watch(*(run(f"r{at}", at=at) for at in range(MOST, 0, -1)))
    found.merge([run("newest", at=MOST + 1)])
    assert len(found) == MOST
    assert found.is_cut
    assert "r1" not in found
    assert found.shown()[0]["runId"] == "newest"


def test_filters_by_status() -> None:
    """Statuses choose what is shown; counts are of all."""
    found = watch(run("a", "done"), run("b", "failed"), run("c", "done"))
    assert {each["runId"] for each in found.shown(["done"])} == {"a", "c"}
    assert found.counts == {"done": 2, "failed": 1}


STATUSES = st.sampled_from(PUBLIC)
CHANGES = st.lists(st.tuples(st.sampled_from("abcde"), STATUSES, st.integers(1, 50)), max_size=30)


@given(CHANGES)
def test_counts_are_those_of_the_rows(changes: list[tuple[str, str, int]]) -> None:
    """Whatever is told, the counts add up to the Runs, and the list is ordered by time."""
    found = watch(*(run(each, at=25) for each in "abc"))
    found.take(told(*change) for change in changes)
    assert sum(found.counts.values()) == len(found) == len(found.shown())
    at = [each["updatedAt"] for each in found.shown()]
    assert at == sorted(at, reverse=True)


def test_a_question_without_filters_is_open() -> None:
    """A query knows whether it asks for anything."""
    assert Query().is_open
    assert not Query(since=1).is_open


def test_news_end_at_what_is_known() -> None:
    """Only what stands before the first Run that is known is new."""
    found = watch(run("b", at=20), run("a", at=10))
    assert found.is_known(run("b", at=20))
    found.take([told("b", "done", 30)])
    assert not found.is_known(run("b", "done", at=30))
    assert monitoring.RECENT < MOST
