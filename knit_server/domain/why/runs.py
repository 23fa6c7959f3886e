"""Why a Run runs, waits, or ended as it did: where it comes from, what it waits for, and how its program ended."""

from __future__ import annotations

from dataclasses import dataclass, replace

from knit_server.domain import notes, times
from knit_server.domain.ids import KnitId
from knit_server.domain.plans import IMPORTED, Plan
from knit_server.domain.runs import ABORTED_BY_USER, DELETABLE, STUCK, TIMED_OUT, VANISHED, Exit, Run, Status
from knit_server.domain.why.codes import Code
from knit_server.domain.why.plans import obstacles, switched_off
from knit_server.domain.why.points import (
    Explanation,
    Happened,
    Kind,
    Point,
    Receipt,
    Room,
    amount,
    command,
    named,
    size,
    steps_of,
)

_EVENTS = {"push": "the push of Data", "plan": "the registration of Plan", "tag": "a change of the tags of Data"}
_OWN = {ABORTED_BY_USER: Code.ABORTED, VANISHED: Code.VANISHED, STUCK: Code.STUCK, TIMED_OUT: Code.TIMED_OUT}
_PROGRAM = "(container main)"  # how the message of a program's own end begins, in Knitfab as here
_KILLED = "OOMKilled"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A Data that a Run takes, and the Run that made it."""

    path: str
    knit_id: KnitId
    run: Run
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """All that is known of a Run. `ahead` counts the Runs that wait before it, `losses` the attempts that a server took
    with it, `tries` those that ended badly and were repeated; `again_at` is when the next one is due, if it waits for
    that. `attended` is false if the lease of whoever works on it has run out.
    """

    run: Run
    plan: Plan
    cause: Happened | None = None
    sources: tuple[Source, ...] = ()
    ahead: int = 0
    room: Room | None = None
    has_image: bool = True
    attended: bool = True
    note: str | None = None
    image_digest: str | None = None
    sandbox: str | None = None
    losses: int = 0
    tries: int = 0
    again_at: int | None = None
    log: tuple[str, ...] = ()
    made: tuple[KnitId, ...] = ()
    receipts: tuple[Receipt, ...] = ()


def explain_run(facts: RunFacts) -> Explanation:
    """Say why a Run is there, and why it stands where it stands."""
    run = facts.run
    points = [*_state(facts), *_origin(facts)]
    steps = steps_of(points)
    if run.status is Status.FAILED and facts.plan.spec is not None:
        steps = (*steps, command("knit", "run", "retry", run.run_id))
    return Explanation(
        kind=Kind.RUN, id=run.run_id, standing=run.status.value, points=tuple(points), receipts=facts.receipts,
        steps=steps or (command("knit", "run", "show", run.run_id),), log=facts.log,
    )  # fmt: skip


def ending(exit_: Exit) -> Code:
    """Return what an exit means. Programs may use Knit's own codes too: theirs is said by the message."""
    if _KILLED in exit_.message:
        return Code.OOM
    if exit_.code == 0:
        return Code.DONE
    return Code.EXIT if exit_.message.startswith(_PROGRAM) else _OWN.get(exit_.code, Code.EXIT)


def _state(facts: RunFacts) -> list[Point]:
    status = facts.run.status
    if status is Status.DEACTIVATED:
        off = switched_off(facts.plan)
        return [*([off] if off else []), *obstacles(facts.plan, facts.room, has_image=facts.has_image)]
    if status in (Status.WAITING, Status.READY):
        return [*obstacles(facts.plan, facts.room, has_image=facts.has_image), *_wait(facts)]
    if status in (Status.DONE, Status.FAILED):
        return [*_image_is_gone(facts), _end(facts)]
    if status is Status.INVALIDATED:
        return [Point(code=Code.DELETED, text="it was deleted; its combination of Data does not run again by itself")]
    held = _hook(facts) if facts.attended else None
    return [_work(facts)] if held is None else [held]


def _wait(facts: RunFacts) -> list[Point]:
    """Say what a Run waits for whose program was not started yet: a hook, room, or one and then the other."""
    if (held := _hook(facts)) is None:
        return [_queue(facts)]
    tight = facts.room is not None and not facts.room.fits_now
    return [held, *([_queue(replace(facts, note=None))] if tight else [])]


def _hook(facts: RunFacts) -> Point | None:
    """Say which hook does not let a Run go on, if one does."""
    said = notes.hook_of(facts.note)
    if said is None:
        return None
    run = facts.run
    text = f"a lifecycle hook holds it: {said}; look at the hook: the Run goes on once it agrees"
    if run.status in DELETABLE:
        step = command("knit", "run", "rm", run.run_id)
    elif run.status in (Status.COMPLETING, Status.ABORTING):
        step = command("knit", "why", run.run_id)
    else:
        step = command("knit", "run", "stop", "--fail", run.run_id)
    return Point(code=Code.HELD_BY_HOOK, text=text, detail={"note": said}, step=step)


def _queue(facts: RunFacts) -> Point:
    """Say what a Run waits for."""
    room = facts.room
    ahead = f"{facts.ahead} Run{'' if facts.ahead == 1 else 's'} before it"
    text = f"it waits for room, with {ahead}" if facts.run.status is Status.WAITING else "it is prepared and held back"
    if room is not None:
        text += f"; it asks for {amount(*room.asked)}, and free are {amount(*room.free)} of {amount(*room.capacity)}"
        if not room.here:
            text += " (as far as can be told here: another process of this home schedules)"
    return Point(
        code=Code.WAITING_FOR_ROOM, text=_noted(text, facts.note),
        detail={"ahead": facts.ahead, **(room.as_detail() if room else {})},
        step=command("knit", "run", "find", "-s", "starting", "-s", "running"),
    )  # fmt: skip


def _put_off(facts: RunFacts, due: int) -> Point:
    """Say what the next attempt waits for."""
    when = times.format_instant(due)
    text = f"it is tried again at {when}, or when there is room after that{_circumstances(facts)}"
    return Point(
        code=Code.PUT_OFF, text=_noted(text, facts.note), detail={"againAt": when, **_surroundings(facts)},
        step=_log_step(facts) or command("knit", "run", "stop", "--fail", facts.run.run_id),
    )  # fmt: skip


def _work(facts: RunFacts) -> Point:
    run = facts.run
    if facts.again_at is not None:
        return _put_off(facts, facts.again_at)
    if not facts.attended:
        text = f"it is {run.status.value}, but its server has not been heard of; the next one takes it over"
        return Point(code=Code.UNATTENDED, text=_noted(text, facts.note), step=command("knit", "serve"))
    if run.status in (Status.COMPLETING, Status.ABORTING):
        text = "its program has ended; what it left is being stored"
        return Point(code=Code.STORING, text=_noted(text, facts.note), step=command("knit", "why", run.run_id))
    if facts.plan.spec is None:
        imported = facts.plan.name == IMPORTED
        text = "its folder is being filled; then the import must be ended" if imported else "its upload is coming in"
        return Point(code=Code.RUNNING, text=text, step=command("knit", "run", "show", run.run_id))
    doing = "runs" if run.status is Status.RUNNING else "is being started"
    return Point(
        code=Code.RUNNING, text=_noted(f"its program {doing}{_circumstances(facts)}", facts.note),
        detail=_surroundings(facts), step=_log_step(facts, "--follow"),
    )  # fmt: skip


def _end(facts: RunFacts) -> Point:
    """Say how a Run ended."""
    run, exit_ = facts.run, facts.run.exit
    if run.status is Status.DONE:
        said = f" ({exit_.message})" if exit_ and exit_.message else ""
        look = command("knit", "data", "lineage", facts.made[0]) if facts.made else None
        text = f"it is done{said}{_circumstances(facts)}"
        return Point(code=Code.DONE, text=_noted(text, facts.note), detail=_surroundings(facts), step=look)
    exit_ = exit_ or Exit(VANISHED, "nothing is known of its end")
    code = ending(exit_)
    told = {
        Code.OOM: f"its program was killed: it took more than {size(facts.room.asked[1])}" if facts.room else "",
        Code.ABORTED: "a user stopped it",
        Code.VANISHED: "its program vanished",
        Code.STUCK: "its program could not be started",
        Code.TIMED_OUT: "its program ran longer than its Plan allows",
    }.get(code) or "its program failed"
    told = told if facts.plan.spec is not None else f"its {facts.plan.origin} did not come to its end"
    text = f"{told}: exit code {exit_.code}, {exit_.message or 'without a word'}{_circumstances(facts)}"
    detail = {"exit": {"code": exit_.code, "message": exit_.message}, **_surroundings(facts)}
    return Point(code=code, text=_noted(text, facts.note), detail=detail, step=_remedy(facts, code))


def _remedy(facts: RunFacts, code: Code) -> str | None:
    """Return the step that helps after a failure, and before another try."""
    run = facts.run
    if code is Code.OOM and facts.room is not None and facts.room.asked[1]:
        twice = f"memory={max(facts.room.asked[1] >> 19, 1)}Mi"
        return command("knit", "plan", "resource", "--set", twice, run.plan_id)
    return _log_step(facts) if code in (Code.EXIT, Code.OOM, Code.TIMED_OUT) else None


def _image_is_gone(facts: RunFacts) -> list[Point]:
    """Say that the image is missing still, where it may be what a Run failed of."""
    exit_ = facts.run.exit
    failed = facts.run.status is Status.FAILED and exit_ is not None and ending(exit_) is Code.STUCK
    return obstacles(facts.plan, None, has_image=facts.has_image) if failed else []


def _origin(facts: RunFacts) -> list[Point]:
    """Say what led to a Run: the event, and the Runs that made what it takes."""
    found = []
    if (cause := facts.cause) is not None:
        between = f", {facts.run.hops} Run{'' if facts.run.hops == 1 else 's'} before" if facts.run.hops else ""
        text = f"it goes back to {_EVENTS.get(cause.kind, cause.kind)} {cause.subject}{between}"
        when = times.format_instant(cause.at)
        detail = {"event": cause.kind, "subject": cause.subject, "at": when, "hops": facts.run.hops}
        found.append(Point(code=Code.CAUSED, text=text, detail=detail))
    for each in facts.sources:
        text = f'at "{each.path}" it takes Data {each.knit_id}, made by Run {each.run.run_id} of {named(each.plan)}'
        found.append(
            Point(
                code=Code.MADE_BY, text=text, path=each.path, knit_id=each.knit_id, run_id=each.run.run_id,
                plan_id=each.plan.plan_id,
            )
        )  # fmt: skip
    return found


def _log_step(facts: RunFacts, *flags: str) -> str | None:
    return command("knit", "run", "show", "--log", *flags, facts.run.run_id) if facts.plan.log is not None else None


def _circumstances(facts: RunFacts) -> str:
    """Return which attempt it was, if there were several, and how many failed or a server took with it."""
    attempt, losses = facts.run.attempt, facts.losses
    if attempt < 2 and not losses:
        return ""
    failed = f", {facts.tries} failed before" if facts.tries and facts.again_at is None else ""
    lost = f", {losses} lost together with a server" if losses else ""
    return f" (attempt {attempt}{failed}{lost})"


def _surroundings(facts: RunFacts) -> dict[str, object]:
    return {
        "attempt": facts.run.attempt, "losses": facts.losses, "tries": facts.tries, "imageDigest": facts.image_digest,
        "sandbox": facts.sandbox,
    }  # fmt: skip


def _noted(text: str, note: str | None) -> str:
    return f"{text}; note: {note}" if note else text
