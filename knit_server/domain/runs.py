"""Runs: one execution of a Plan on one combination of Data, and the states it goes through.

Rules: docs/rules.md, "Runs". The state diagram in docs/architecture.md is generated from `TRANSITIONS`.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from knit_server.domain.errors import Conflict, InvalidTransition
from knit_server.domain.ids import CauseId, KnitId, PlanId, RunId


class Status(enum.Enum):
    """Where a Run stands."""

    DEACTIVATED = "deactivated"  #: its Plan is switched off; it waits for the switch
    WAITING = "waiting"  #: made by matching; nothing has been done for it yet
    READY = "ready"  #: everything is prepared; it waits for room on the executor
    STARTING = "starting"  #: claimed; its program is being started
    RUNNING = "running"  #: its program runs (or an upload comes in)
    COMPLETING = "completing"  #: its program ended well; outputs and log are being stored
    ABORTING = "aborting"  #: it ended badly or was stopped; what it left is being stored
    DONE = "done"  #: outputs and log are usable Data
    FAILED = "failed"  #: what it left can be pulled but never matches
    INVALIDATED = "invalidated"  #: deleted; its combination stays known, so it never runs again


TERMINAL = frozenset({Status.DONE, Status.FAILED, Status.INVALIDATED})

TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.DEACTIVATED: frozenset({Status.WAITING, Status.ABORTING, Status.INVALIDATED}),
    Status.WAITING: frozenset({Status.DEACTIVATED, Status.READY, Status.ABORTING, Status.INVALIDATED}),
    Status.READY: frozenset({Status.STARTING, Status.RUNNING, Status.COMPLETING, Status.ABORTING}),
    Status.STARTING: frozenset({Status.RUNNING, Status.COMPLETING, Status.ABORTING}),
    Status.RUNNING: frozenset({Status.COMPLETING, Status.ABORTING}),
    Status.COMPLETING: frozenset({Status.DONE}),
    Status.ABORTING: frozenset({Status.FAILED}),
    Status.DONE: frozenset({Status.WAITING, Status.DEACTIVATED, Status.INVALIDATED}),
    Status.FAILED: frozenset({Status.WAITING, Status.DEACTIVATED, Status.INVALIDATED}),
    Status.INVALIDATED: frozenset(),
}
"""Every allowed change of status. DONE and FAILED lead back only by retry (to DEACTIVATED on an inactive Plan)."""

MAX_MESSAGE = 1024
"""Longest exit message, in characters."""

STUCK, VANISHED, ABORTED_BY_USER, TIMED_OUT = 255, 254, 253, 252
"""Exit codes Knit itself gives: cannot start, gone without a trace, stopped with `--fail`, ran longer than allowed."""


@dataclass(frozen=True)
class Exit:
    """How a Run ended: a code from 0 to 255 and a message of at most `MAX_MESSAGE` characters."""

    code: int
    message: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", min(max(self.code, 0), 255))
        object.__setattr__(self, "message", cut(self.message))


@dataclass(frozen=True, kw_only=True)
class Run:
    """One Run. `updated_at` is in milliseconds; `attempt` numbers its tries: it only grows, at each start and retry.

    `key` says which combination of Data it is for (`matching.run_key`). `cause` is the outside event that led to it and
    `hops` how many Runs lie between: 0 for a Run made by the event itself.
    """

    run_id: RunId
    plan_id: PlanId
    key: str
    status: Status
    updated_at: int
    exit: Exit | None = None
    attempt: int = 0
    cause: CauseId | None = None
    hops: int = 0


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """A Data given to a Run at the path of one of its Plan's inputs. Several may share a path."""

    path: str
    knit_id: KnitId


def cut(message: str) -> str:
    """Return `message` as it may be stored: no NUL, no broken text, at most `MAX_MESSAGE` characters."""
    clean = message.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return clean if len(clean) <= MAX_MESSAGE else clean[: MAX_MESSAGE - 1] + "…"


def is_allowed(old: Status, new: Status) -> bool:
    """Whether a Run in `old` may be set to `new`; staying where it is is allowed unless it has ended."""
    return new in TRANSITIONS[old] or (old is new and old not in TERMINAL)


SWITCHED: Mapping[bool, tuple[Status, Status]] = {
    True: (Status.DEACTIVATED, Status.WAITING),
    False: (Status.WAITING, Status.DEACTIVATED),
}
"""Whether a Plan is switched on -> which of its Runs change, and to what. It is no progress: `updated_at` stays."""


def _move(
    run: Run, new: Status, now: int, *, exit_: Exit | None = None, only_from: Collection[Status] = tuple(Status)
) -> Run:
    if not is_allowed(run.status, new) or run.status not in only_from:
        raise InvalidTransition(
            f"Run {run.run_id} is {run.status.value}; it cannot become {new.value}",
            advice=f"See how it stands: knit run show {run.run_id}",
        )
    if new is run.status:  # nothing new: what ended it first stays its exit
        return replace(run, exit=run.exit or exit_)
    return replace(run, status=new, updated_at=now, exit=exit_ or run.exit)


def prepare(run: Run, now: int) -> Run:
    """waiting -> ready."""
    return _move(run, Status.READY, now)


def launch(run: Run, now: int) -> Run:
    """ready -> starting, with a new attempt. From ready alone: two launches at once must not both succeed."""
    return replace(_move(run, Status.STARTING, now, only_from=(Status.READY,)), attempt=run.attempt + 1)


def relaunch(run: Run, now: int) -> Run:
    """starting or running -> the same, with a new attempt: the old one was lost together with its server."""
    return replace(_move(run, run.status, now, only_from=(Status.STARTING, Status.RUNNING)), attempt=run.attempt + 1)


def begin(run: Run, now: int) -> Run:
    """starting -> running: its program was seen running."""
    return _move(run, Status.RUNNING, now)


def exited(run: Run, now: int, exit_: Exit) -> Run:
    """starting or running -> the same, with the exit: its program has ended, and nothing else is known of it yet."""
    return _move(run, run.status, now, exit_=exit_, only_from=(Status.STARTING, Status.RUNNING))


def complete(run: Run, now: int, exit_: Exit | None = None) -> Run:
    """ready, starting or running -> completing: its program ended well, or a user said that it is enough."""
    return _move(run, Status.COMPLETING, now, exit_=exit_)


def abort(run: Run, now: int, exit_: Exit | None = None) -> Run:
    """Any unfinished status but completing -> aborting: its program failed or a user stopped it."""
    return _move(run, Status.ABORTING, now, exit_=exit_)


def finish(run: Run, now: int) -> Run:
    """completing -> done: outputs and log are stored."""
    return _move(run, Status.DONE, now)


def fail(run: Run, now: int) -> Run:
    """aborting -> failed: what it left is stored."""
    return _move(run, Status.FAILED, now)


# --- retry and deletion: what people do to Runs that have ended, or that nothing was done for yet --------------------

DELETABLE = frozenset(old for old, targets in TRANSITIONS.items() if Status.INVALIDATED in targets)
"""Where a Run stands that may be deleted."""

RETRIABLE = frozenset(old for old in TERMINAL if Status.WAITING in TRANSITIONS[old])
"""Where a Run stands that may be tried again."""

_NAMED = 5  # Runs named in a refusal; the others are counted


def retry(run: Run, now: int, *, active: bool, users: Sequence[RunId] = ()) -> Run:
    """done or failed -> waiting (deactivated while its Plan is not `active`): it will be tried again, with new outputs.

    The exit is cleared. The attempt gets a number of its own, before it starts: what an earlier one left behind can
    not be taken for its result, even if the Run is stopped before its program starts.
    Raises `InvalidTransition` if it has not ended, `Conflict` if `users`, which are Runs, took its outputs.
    """
    if run.status not in RETRIABLE:
        raise InvalidTransition(
            f"Run {run.run_id} is {run.status.value}; only Runs that are done or failed can be retried",
            advice=_how_to_end(run),
        )
    _refuse_users(run, users, "retried", f"knit run retry --downstream {run.run_id}")
    again = _move(run, Status.WAITING if active else Status.DEACTIVATED, now)
    return replace(again, attempt=run.attempt + 1, exit=None)


def refuse_idle_stop(run: Run, *, keep: bool) -> None:
    """Raise `InvalidTransition` if there is nothing that a user could stop, or with `keep`, nothing to keep of it."""
    if run.status in TERMINAL:
        raise InvalidTransition(
            f"Run {run.run_id} has ended already: it is {run.status.value}",
            advice=f"Try it again: knit run retry {run.run_id}; or delete it: knit run rm {run.run_id}",
        )
    if keep and run.status in (Status.DEACTIVATED, Status.WAITING):
        raise InvalidTransition(
            f"Run {run.run_id} has not begun, it is {run.status.value}: there is nothing of it to keep",
            advice=f"Let it fail: knit run stop --fail {run.run_id}; or delete it: knit run rm {run.run_id}",
        )


def refuse_retry_of_upload(run: Run, what: str = "upload") -> Conflict:
    """Return why an upload or import cannot be tried again: it has no program, and its bytes came from outside."""
    return Conflict(
        f"Run {run.run_id} is an {what}; there is no program that could be run again",
        advice="Push the Data again: knit data push" if what == "upload" else "Import the Data again.",
    )


def invalidate(run: Run, now: int, *, users: Sequence[RunId] = ()) -> Run:
    """waiting, deactivated, done or failed -> invalidated: it is deleted. The exit is cleared.

    Raises `InvalidTransition` if it is under way, `Conflict` if `users`, which are Runs, took its outputs.
    """
    if run.status not in DELETABLE:
        raise InvalidTransition(
            f"Run {run.run_id} is {run.status.value}; only Runs that wait or have ended can be deleted",
            advice=_how_to_end(run),
        )
    _refuse_users(run, users, "deleted", f"knit run rm --downstream {run.run_id}")
    return replace(_move(run, Status.INVALIDATED, now), exit=None)


def refuse_unfinished(run: Run, others: Iterable[Run]) -> None:
    """Raise `InvalidTransition` if one of `others`, which were made from what `run` made, cannot be deleted now."""
    under_way = [each.run_id for each in others if each.status not in DELETABLE]
    if under_way:
        raise InvalidTransition(
            f"what was made from Run {run.run_id} is still used: {_names(under_way)} not ended",
            advice=f"Wait for the end, or stop it first: knit run stop --fail {under_way[0]}",
        )


def _refuse_users(run: Run, users: Sequence[RunId], what: str, advice: str) -> None:
    if users:
        verb = "uses" if len(users) == 1 else "use"
        raise Conflict(
            f"Run {run.run_id} cannot be {what}: {_names(users, verb)} its outputs",
            advice=f"See what would be deleted with it: {advice}",
        )


def _names(run_ids: Sequence[RunId], verb: str = "") -> str:
    """Name a few Runs, and say how many more there are."""
    verb = verb or ("has" if len(run_ids) == 1 else "have")
    named = ", ".join(run_ids[:_NAMED])
    more = f" and {len(run_ids) - _NAMED} more" if len(run_ids) > _NAMED else ""
    return f"{'Run' if len(run_ids) == 1 else 'Runs'} {named}{more} {verb}"


def _how_to_end(run: Run) -> str:
    if run.status in DELETABLE:
        return f"See how it stands: knit run show {run.run_id}"
    return f"Wait for its end, or stop it first: knit run stop --fail {run.run_id}"
