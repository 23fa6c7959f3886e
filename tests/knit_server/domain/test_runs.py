"""The states of Runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.domain import runs
from knit_server.domain.errors import Conflict, InvalidTransition
from knit_server.domain.ids import PlanId, RunId
from knit_server.domain.runs import Exit, Run, Status

MATRIX = """
              deactivated waiting ready starting running completing aborting done failed invalidated
deactivated   =           x       -     -        -       -          x        -    -      x
waiting       x           =       x     -        -       -          x        -    -      x
ready         -           -       =     x        x       x          x        -    -      -
starting      -           -       -     =        x       x          x        -    -      -
running       -           -       -     -        =       x          x        -    -      -
completing    -           -       -     -        -       =          -        x    -      -
aborting      -           -       -     -        -       -          =        -    x      -
done          x           x       -     -        -       -          -        -    -      x
failed        x           x       -     -        -       -          -        -    -      x
invalidated   -           -       -     -        -       -          -        -    -      -
"""
"""Row: from; column: to; x allowed, = staying is allowed, - refused (scenario 46)."""

MOVES: dict[str, tuple[Callable[[Run, int], Run], set[Status], Status]] = {
    "prepare": (runs.prepare, {Status.WAITING, Status.READY}, Status.READY),
    "launch": (runs.launch, {Status.READY}, Status.STARTING),
    "begin": (runs.begin, {Status.READY, Status.STARTING, Status.RUNNING}, Status.RUNNING),
    "complete": (
        runs.complete,
        {Status.READY, Status.STARTING, Status.RUNNING, Status.COMPLETING},
        Status.COMPLETING,
    ),
    "abort": (
        runs.abort,
        set(Status) - {Status.COMPLETING, Status.DONE, Status.FAILED, Status.INVALIDATED},
        Status.ABORTING,
    ),
    "finish": (runs.finish, {Status.COMPLETING}, Status.DONE),
    "fail": (runs.fail, {Status.ABORTING}, Status.FAILED),
    "retry": (lambda run, now: runs.retry(run, now, active=True), {Status.DONE, Status.FAILED}, Status.WAITING),
    "retry when inactive": (
        lambda run, now: runs.retry(run, now, active=False),
        {Status.DONE, Status.FAILED},
        Status.DEACTIVATED,
    ),
    "invalidate": (
        runs.invalidate,
        {Status.WAITING, Status.DEACTIVATED, Status.DONE, Status.FAILED},
        Status.INVALIDATED,
    ),
}
"""Function -> the statuses it takes, and the one it gives."""


def a_run(status: Status, **changes: object) -> Run:
    run = Run(run_id=RunId("r"), plan_id=PlanId("p"), key="k", status=status, updated_at=1)
    return replace(run, **changes)  # type: ignore[arg-type]


def test_all_hundred_changes() -> None:
    """The table of transitions is exactly this matrix, all 10 x 10 of it (scenario 46)."""
    header, *rows = MATRIX.strip().splitlines()
    columns = [Status(name) for name in header.split()]
    assert columns == list(Status)
    for row in rows:
        old, *cells = row.split()
        for new, cell in zip(columns, cells, strict=True):
            assert runs.is_allowed(Status(old), new) == (cell in "x="), f"{old} -> {new.value}"
            assert (new in runs.TRANSITIONS[Status(old)]) == (cell == "x")


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("name", MOVES)
def test_each_move_has_its_edges(name: str, status: Status) -> None:
    """A function moves Runs along its own edges only; elsewhere it raises and changes nothing (scenario 46)."""
    move, sources, target = MOVES[name]
    run = a_run(status)
    if status not in sources:
        with pytest.raises(InvalidTransition, match=f"Run r is {status.value}; (it cannot become|only Runs that)"):
            move(run, 9)
        return
    moved = move(run, 9)
    assert moved.status is target
    assert moved.updated_at == (9 if target is not status else 1)
    assert moved.attempt == (1 if name == "launch" or name.startswith("retry") else 0)
    assert runs.is_allowed(status, target)


def test_every_edge_has_a_function() -> None:
    """The functions, and the switching of Plans, walk every edge of the table, and no other."""
    walked = {(source, target) for _, sources, target in MOVES.values() for source in sources if source is not target}
    assert walked | set(runs.SWITCHED.values()) == {
        (old, new) for old, targets in runs.TRANSITIONS.items() for new in targets
    }


def test_terminal_states_stay() -> None:
    """What has ended cannot be set again, not even to what it is (scenario 46)."""
    assert {status for status in Status if not runs.is_allowed(status, status)} == set(runs.TERMINAL)


@pytest.mark.parametrize("status", Status)
def test_relaunch(status: Status) -> None:
    """A started Run whose server was lost is started anew; others are not."""
    run = a_run(status, attempt=1)
    if status in (Status.STARTING, Status.RUNNING):
        again = runs.relaunch(run, 9)
        assert (again.status, again.attempt, again.updated_at) == (status, 2, 1)
    else:
        with pytest.raises(InvalidTransition):
            runs.relaunch(run, 9)


def test_the_first_exit_stays() -> None:
    """Why a Run ended is not overwritten by a second stop, nor lost in the last step (scenario 50)."""
    stopped = runs.abort(a_run(Status.RUNNING), 2, Exit(42, "boom"))
    again = runs.abort(stopped, 3, Exit(runs.ABORTED_BY_USER, "aborted by user"))
    assert runs.fail(again, 4).exit == Exit(42, "boom")
    assert runs.abort(runs.abort(a_run(Status.READY), 2), 3, Exit(253)).exit == Exit(253)


@pytest.mark.parametrize(("given_code", "code"), [(-1, 0), (0, 0), (255, 255), (256, 255), (10**9, 255)])
def test_exit_codes_fit_a_byte(given_code: int, code: int) -> None:
    """Codes lie between 0 and 255."""
    assert Exit(given_code).code == code


@given(st.text() | st.text(alphabet="ab\0\ud800🙂", min_size=1000, max_size=1100))
def test_messages_can_be_stored(message: str) -> None:
    """Messages are cut to 1024 characters that any database takes; short clean ones stay as they are."""
    stored = Exit(1, message).message
    stored.encode()
    assert len(stored) <= runs.MAX_MESSAGE
    assert "\0" not in stored
    assert Exit(1, stored).message == stored
    if len(message) <= runs.MAX_MESSAGE and "\0" not in message and message.isprintable():
        assert stored == message


@pytest.mark.parametrize("move", [lambda run: runs.retry(run, 9, active=True), lambda run: runs.invalidate(run, 9)])
def test_exits_are_forgotten(move: Callable[[Run], Run]) -> None:
    """A Run that is tried again or deleted shows no exit any more."""
    assert move(a_run(Status.FAILED, exit=Exit(42, "boom"))).exit is None


@given(st.lists(st.sampled_from(["launch", "relaunch", "retry"]), max_size=12))
def test_attempt_numbers_grow(moves: list[str]) -> None:
    """No number comes twice: each start and each retry takes the next."""
    run, seen = a_run(Status.READY), [0]
    for name in moves:
        if name == "retry":
            run = runs.retry(replace(run, status=Status.DONE), 2, active=True)
        else:
            status = Status.READY if name == "launch" else Status.RUNNING
            run = getattr(runs, name)(replace(run, status=status), 2)
        seen.append(run.attempt)
    assert seen == list(range(len(moves) + 1))


def test_used_outputs_are_protected() -> None:
    """What a Run made stays while another Run uses it; the refusal names a few of them and the way out."""
    users = [RunId(f"user-{number}") for number in range(7)]
    with pytest.raises(Conflict, match="Run r cannot be retried: Run user-0 uses its outputs") as met:
        runs.retry(a_run(Status.DONE), 9, active=True, users=users[:1])
    assert "knit run retry --downstream r" in str(met.value)
    with pytest.raises(Conflict, match=r"deleted: Runs user-0, .*user-4 and 2 more use its outputs") as met:
        runs.invalidate(a_run(Status.DONE), 9, users=users)
    assert "knit run rm --downstream r" in str(met.value)


@pytest.mark.parametrize("status", Status)
def test_chains_under_way_are_protected(status: Status) -> None:
    """A chain can be deleted only if nothing in it is under way."""
    chain = [a_run(Status.DONE), a_run(status, run_id=RunId("busy"))]
    if status in (Status.WAITING, Status.DEACTIVATED, Status.DONE, Status.FAILED):
        runs.refuse_unfinished(a_run(Status.DONE), chain)
    else:
        with pytest.raises(InvalidTransition, match="Run busy has not ended") as met:
            runs.refuse_unfinished(a_run(Status.DONE), chain)
        assert "knit run stop --fail busy" in str(met.value)


def test_uploads_have_no_program() -> None:
    """Retrying an upload is refused, and what to do instead is told."""
    assert "knit data push" in str(runs.refuse_retry_of_upload(a_run(Status.DONE)))
