"""Runs through the services: found, stopped, and their logs."""

from __future__ import annotations

import pytest
from desk import Desk

from knit_server.domain.errors import InvalidTransition, NotFound, Unavailable
from knit_server.domain.runs import Exit, Status
from knit_server.service import data, lifecycle, runs
from knit_server.service.runs import RunQuery
from knit_server.testing import ManualClock


def test_find(desk: Desk, clock: ManualClock) -> None:
    """By Plan, Data and time; the latest change last; each Run with all that it takes and makes."""
    plan = desk.apply({"/in": "a:1"}, {"/out": "b:1"}, log=("l:1",))
    pushed = []
    for _ in range(3):
        clock.advance(10)
        pushed.append(desk.push("a:1"))
    first, second, third = desk.runs(plan)
    assert [run.inputs[0].knit_id for run in (first, second, third)] == pushed
    assert runs.find(desk.ctx, RunQuery(inputs=(pushed[1],))) == [second]
    assert second.log is not None
    assert runs.find(desk.ctx, RunQuery(outputs=(second.log,))) == [second]
    since = RunQuery(plans=(plan.plan.plan_id,), since=second.run.updated_at, until=third.run.updated_at)
    assert runs.find(desk.ctx, since) == [second]
    clock.advance(5)
    runs.abort(desk.ctx, first.run.run_id)
    assert [run.run.run_id for run in desk.runs(plan)] == [each.run.run_id for each in (second, third, first)]
    assert runs.show(desk.ctx, second.run.run_id) == second
    for act in (runs.show, runs.details, runs.abort, runs.tearoff, runs.open_log):
        with pytest.raises(NotFound, match="there is no Run ghost"):
            act(desk.ctx, "ghost")


def test_stopping(desk: Desk) -> None:
    """`abort` counts as failed with 253, `tearoff` as done with 0; what a user said first stays (scenario 50)."""
    plan = desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    for _ in range(2):
        desk.push("a:1")
    bad, good = desk.start()
    assert runs.abort(desk.ctx, bad.run.run_id).run.status is Status.ABORTING
    assert runs.tearoff(desk.ctx, good.run.run_id).run.status is Status.COMPLETING
    ended = [desk.end(work, code=137) for work in (bad, good)]
    assert [(run.status, run.exit) for run in ended] == [
        (Status.FAILED, Exit(253, "aborted by user")), (Status.DONE, Exit(0, "stopped by user")),
    ]  # fmt: skip
    for run in ended:
        for act in (runs.abort, runs.tearoff):
            with pytest.raises(InvalidTransition, match="has ended already: it is"):
                act(desk.ctx, run.run_id)
    assert {run.run.status for run in desk.runs(plan)} == {Status.DONE, Status.FAILED}


def test_stopping_before_the_start(desk: Desk) -> None:
    """A Run that waits can be given up but not completed: it has made nothing yet."""
    plan = desk.apply({"/in": "a:1"})
    desk.push("a:1")
    (waiting,) = desk.runs(plan)
    with pytest.raises(InvalidTransition):
        runs.tearoff(desk.ctx, waiting.run.run_id)
    assert runs.abort(desk.ctx, waiting.run.run_id).run.status is Status.ABORTING
    assert runs.abort(desk.ctx, waiting.run.run_id).run.status is Status.ABORTING
    assert desk.start() == []


def test_how_it_ends(desk: Desk, clock: ManualClock) -> None:
    """Done: a time, content, nominations. Failed: a time and content too, and never a nomination (scenario 48)."""
    plan, after = desk.apply({"/in": "a:1"}, {"/out": "b:1"}), desk.apply({"/in": "b:1"})
    for _ in range(2):
        desk.push("a:1")
    good, bad = desk.start()
    clock.advance(1000)
    assert desk.end(good).status is Status.DONE
    assert desk.end(bad, code=42).status is Status.FAILED
    shown = [data.show(desk.ctx, work.made[0].knit_id) for work in (good, bad)]
    assert [view.data.timestamp for view in shown] == [clock.now] * 2
    assert [len(view.nominations) for view in shown] == [1, 0]
    assert [b"".join(data.download(desk.ctx, view.data.knit_id).chunks)[:2] for view in shown] == [b"\x1f\x8b"] * 2
    assert desk.find("knit#transient:failed") == [bad.made[0].knit_id]
    assert (len(desk.runs(after)), desk.runs(plan)[-1].run.exit) == (1, Exit(42))
    again = lifecycle.finish(desk.ctx, good, {})
    assert (again.status, len(desk.runs(after))) == (Status.DONE, 1)


def test_logs(desk: Desk) -> None:
    """No log: not found. Not started: try later. Running: what is there so far. Ended: what was stored.

    (scenario 79)
    """
    silent, talking = desk.apply({"/in": "a:1"}), desk.apply({"/in": "a:1"}, log=("l:1",))
    desk.push("a:1")
    (one,), (two,) = desk.runs(silent), desk.runs(talking)
    with pytest.raises(NotFound, match="has no log"):
        runs.open_log(desk.ctx, one.run.run_id)
    with pytest.raises(Unavailable, match="has not started; it is waiting"):
        runs.open_log(desk.ctx, two.run.run_id)
    (work,) = (each for each in desk.start() if each.run.run_id == two.run.run_id)
    log = runs.open_log(desk.ctx, two.run.run_id)
    assert (log.read(0, 100), log.is_live()) == (b"", True)
    folder = desk.ctx.folder(work.attempt)
    folder.log.mkdir(parents=True)
    folder.log_file.write_text("first\nsecond\n")
    assert (log.read(0, 6), log.read(6, 100), log.read(13, 100)) == (b"first\n", b"second\n", b"")
    desk.end(work)
    assert not log.is_live()
    log.close()
    stored = runs.open_log(desk.ctx, two.run.run_id)
    text = f"made by {work.run.run_id}\n".encode()
    assert (stored.read(0, 1000), stored.read(5, 2), stored.is_live()) == (text, text[5:7], False)
    stored.close()
    (upload,) = (run for run in runs.find(desk.ctx, RunQuery()) if run.plan.spec is None)
    with pytest.raises(NotFound, match="is an upload: no program ran, so there is no log"):
        runs.open_log(desk.ctx, upload.run.run_id)
