"""Runs in a notebook: waited for, read, stopped, tried again, deleted, explained."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from server import until

from knit_lab.objects.drafts import PlanDraft
from knit_lab.objects.runs import Log, Run, RunFailed, _texts
from knit_lab.session import Session
from knit_server.domain.errors import InvalidInput, NotFound, Unavailable

Ran = Callable[..., Run]
Draft = Callable[..., PlanDraft]


@pytest.fixture
def hanging(session: Session, upper: Draft, case: str) -> Run:
    """A Run that goes on until it is stopped, and has begun to print."""
    session.push({"a.txt": "a", "hang": ""}, [case])
    run = upper().apply().runs.latest
    until("it runs", lambda: run.refresh().status == "running" and "made a.txt" in run.logs())
    return run


def test_a_run_that_ends_well(session: Session, ran: Ran, case: str) -> None:
    """Its status, exit code, log, inputs and outputs; found by id and by what it took and made."""
    run = ran({"a.txt": "alpha"})
    assert (run.status, run.has_ended, run.exit_code, run.image) == ("done", True, 0, "upper:1")
    assert run.exit_message == ""
    assert run.updated.tzinfo is not None
    assert run.logs() == "made a.txt\n"
    raw, made = run.inputs["/in/raw"], run.outputs["/out/made"]
    assert raw == session.data[case]
    for found in (
        session.runs.find(plan=run.plan), session.runs.find(plan=run.plan.id[:10]), session.runs.find(input=raw),
        session.runs.find(output=made.id), session.runs.find(input=raw, status=["done", "failed"]),
        session.runs.find(input=raw, status="done", since=run.updated, duration="1h"),
    ):  # fmt: skip
        assert list(found) == [run]
    assert list(session.runs.find(input=raw, status="failed")) == []
    assert session.runs[run.id[:10]] == run
    assert run in list(session.runs)
    assert hash(session.runs[run.id]) == hash(run)
    assert run.details["attempt"] == 1 or run.details
    assert run.id in session.runs._ipython_key_completions_()
    assert "upper:1" in run.lineage().as_text()
    assert run.wait() is run


def test_the_latest(session: Session, ran: Ran, case: str) -> None:
    """The Run that changed last, of a Plan and of all."""
    run = ran({"a.txt": "alpha"})
    assert run.plan.runs.latest == run
    pushed = session.push(b"x", [case + "-other"])
    assert session.runs.latest == pushed.run


def test_a_failed_run_raises_with_its_log(session: Session, ran: Ran, case: str) -> None:
    """`wait` tells the end of the log, the exit code and what to do; `check=False` leaves that to the caller."""
    run = ran({"a.txt": "a", "fail": ""})
    assert run.status == "failed"
    assert run.exit_code == 3
    with pytest.raises(RunFailed, match=r"\(upper:1\) failed with exit code 3") as info:
        run.wait()
    assert info.value.run == run
    assert "cannot go on" in info.value.reason
    assert info.value.advice == f"See why: knit.why('{run.id}'); again: .retry()"
    why = run.why()
    assert why.codes
    assert "exit code 3" in why.as_text()
    assert session.why(run.id[:12]).answer["id"] == run.id
    assert session.why(run).answer["id"] == run.id


def test_a_failed_run_without_a_log(ran: Ran) -> None:
    """There is no log to tell, and that is no second error."""
    run = ran({"fail": ""}, log=None)
    with pytest.raises(RunFailed, match="failed with exit code 3"):
        run.wait()
    with pytest.raises(NotFound):
        run.logs()


def test_a_long_log_is_told_by_its_end(session: Session, ran: Ran) -> None:
    """Only its last lines are in the error."""
    run = ran({f"{number:03}": "x" for number in range(60)} | {"fail": ""})
    with pytest.raises(RunFailed) as info:
        run.wait()
    told = info.value.reason.splitlines()
    assert len(told) == 21
    assert told[-1] == "cannot go on" or "made 059" in told


def test_wait_gives_up_in_time(hanging: Run) -> None:
    """After `timeout` it says how the Run stands, and how to wait longer."""
    for timeout in (0, 0.2, timedelta(seconds=0.2)):
        with pytest.raises(Unavailable, match=f"Run {hanging.id} is still running\nWait longer, or see knit.why"):
            hanging.wait(timeout)
    hanging.stop(fail=True)


def test_wait_is_woken_by_the_change(hanging: Run) -> None:
    """Not by looking again and again: it returns as soon as the Run has ended."""
    ended: list[Run] = []
    waiting = threading.Thread(target=lambda: ended.append(hanging.wait(30)))
    waiting.start()
    stopped = hanging._session.runs[hanging.id].stop()
    assert stopped.id == hanging.id
    waiting.join(30)
    assert [each.status for each in ended] == ["done"]
    assert hanging.outputs["/out/made"].path("a.txt").read_text() == "A"


def test_stop_and_fail(hanging: Run) -> None:
    """`fail=True` lets it fail."""
    hanging.stop(fail=True)
    with pytest.raises(RunFailed):
        hanging.wait(30)


def test_waiting_for_a_run_that_is_deleted(session: Session, ran: Ran) -> None:
    """It is said that there is no such Run any more."""
    run = ran({"a.txt": "a"})
    run.delete()
    with pytest.raises(NotFound, match=f"Run {run.id} was deleted"):
        run.wait(30)
    assert run.wait(30, check=False).status == "invalidated"


def test_logs_are_followed(session: Session, hanging: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """What comes is printed as it comes; the result is the same text, and is not shown once more."""
    followed: list[Log] = []
    follower = threading.Thread(target=lambda: followed.append(hanging.logs(follow=True)))
    follower.start()
    printed: list[str] = []
    until("the log is printed", lambda: printed.append(capsys.readouterr().out) or "made a.txt" in "".join(printed))
    hanging.stop()
    follower.join(30)
    assert followed == ["made a.txt\n"]
    assert followed[0]._repr_mimebundle_() == {"text/plain": ""}
    assert hanging.wait(30).logs()._repr_mimebundle_() == {"text/plain": "made a.txt\n"}


def test_a_character_cut_in_two_is_one() -> None:
    """Blocks may end anywhere."""
    raw = "grün ✔".encode()
    assert "".join(_texts(bytes([each]) for each in raw)) == "grün ✔"
    assert "".join(_texts([b"\xff", b"a\xe2"])) == "\N{REPLACEMENT CHARACTER}a\N{REPLACEMENT CHARACTER}"


def test_retry(session: Session, ran: Ran) -> None:
    """It runs again, as the same Run; with `downstream`, what was made from it goes first."""
    run = ran({"a.txt": "a", "fail": ""})
    assert run.retry() is run
    assert not run.has_ended
    with pytest.raises(RunFailed):
        run.wait(60)


def test_delete(session: Session, ran: Ran) -> None:
    """It and what it made are gone; a Run that others have used is kept unless they go, too."""
    run = ran({"a.txt": "a"})
    made = run.outputs["/out/made"]
    follower = session.plan(
        image="upper:1", args=["/in/raw", "/out/made"], inputs={"/in/raw": list(made.tags)},
        outputs={"/out/made": f"twice-{made.tags[0]}"},
    ).apply()  # fmt: skip
    follower.runs.latest.wait(60)
    with pytest.raises(Exception, match=r"(?s).*downstream|used|took"):
        run.delete()
    run.delete(downstream=True)
    assert run.refresh().status == "invalidated"
    assert run.has_ended
    assert len(follower.runs) == 0


def test_keys_that_are_none(session: Session) -> None:
    """They are refused with an example; unknown ids are told."""
    with pytest.raises(InvalidInput, match=r"asked by 0, which is neither an id nor a tag\nWrite .*knit.runs.latest"):
        session.runs[0]  # type: ignore[index]
    with pytest.raises(NotFound):
        session.runs["0000dead"]


def test_there_are_no_runs(tmp_path: Path) -> None:
    """On an empty server that is said, with what makes one."""
    from knit_server.client.api import KnitClient

    class Empty(KnitClient):
        def each_run(self, **asked: object):  # type: ignore[no-untyped-def, override]
            return iter(())

    with pytest.raises(NotFound, match="there are no Runs\nApply a Plan"):
        _ = Session(Empty("http://127.0.0.1:9/knit/api")).runs.latest
