"""What an explanation is made of, and the words that its parts share."""

from __future__ import annotations

import difflib
import enum
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from knit_server.domain import matching
from knit_server.domain.data import Data, transient
from knit_server.domain.ids import KnitId, PlanId, RunId
from knit_server.domain.matching import Reason
from knit_server.domain.plans import Input, Plan
from knit_server.domain.runs import Status
from knit_server.domain.tags import FAILED, Tag, Tags
from knit_server.domain.why.codes import Code

NEAREST = 3
"""Candidates told for an input that has no Data."""
STEPS = 3
"""Next steps told at most."""

_ALIKE = 0.6  # of difflib's measure: `raw` and `rwa` are alike, `v1` and `v2` are not
_GIB = 1 << 30
_MIB = 1 << 20

At = tuple[PlanId, str]
"""An input: its Plan and path."""


class Kind(enum.Enum):
    """What is explained."""

    DATA = "data"
    PLAN = "plan"
    RUN = "run"


@dataclass(frozen=True, kw_only=True)
class Point:
    """One thing that holds now: a code, a sentence, what it is about, and the step that helps, if there is one.

    `tags` are those that are missing or asked for, `runs` how many Runs stand at each status, `below` what explains
    the point further. `detail` has the numbers of the sentence, ready for JSON.
    """

    code: Code
    text: str
    plan_id: PlanId | None = None
    path: str | None = None
    knit_id: KnitId | None = None
    run_id: RunId | None = None
    tags: Tags = ()
    runs: Mapping[Status, int] = field(default_factory=dict)
    detail: Mapping[str, object] = field(default_factory=dict)
    step: str | None = None
    below: tuple[Point, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What matching decided at an instant (milliseconds), and the kind of event that made it look: push, plan, tag."""

    at: int
    event: str
    reason: Reason
    knit_id: str
    plan_id: str
    path: str
    count: int = 1
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The answer: what holds now, what was decided then, and what to do next. `log` ends what a Run's program said.

    `omitted` counts the inputs that are not shown for their number.
    """

    kind: Kind
    id: str
    standing: str
    points: tuple[Point, ...]
    receipts: tuple[Receipt, ...] = ()
    steps: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    omitted: int = 0


@dataclass(frozen=True, kw_only=True)
class Made:
    """The Runs of an input, or of a Plan: how many at each status, and the newest of each."""

    counts: Mapping[Status, int]
    newest: Mapping[Status, RunId]

    @property
    def alive(self) -> Mapping[Status, int]:
        """Those that were not deleted."""
        return {status: n for status, n in self.counts.items() if status is not Status.INVALIDATED}


NONE_MADE = Made(counts={}, newest={})


@dataclass(frozen=True, kw_only=True)
class Happened:
    """An outside event: kind is push, plan or tag, `subject` the Data or Plan it was about."""

    kind: str
    subject: str
    at: int


@dataclass(frozen=True, kw_only=True)
class Room:
    """Cores and bytes of memory: what a Run asks for, what its machine has, and what of it is free.

    `here` is false in a process that leaves scheduling to another one.
    """

    asked: tuple[float, int]
    capacity: tuple[float, int]
    free: tuple[float, int]
    here: bool = True

    @property
    def is_too_small(self) -> bool:
        """Whether a Run does not fit even into the empty machine."""
        return self.asked[0] > self.capacity[0] or self.asked[1] > self.capacity[1]

    @property
    def fits_now(self) -> bool:
        """Whether a Run fits into what is free."""
        return self.asked[0] <= self.free[0] and self.asked[1] <= self.free[1]

    def as_detail(self) -> dict[str, object]:
        """Write it for JSON."""
        names = {"asked": self.asked, "capacity": self.capacity, "free": self.free}
        shown = {name: {"cpu": cpu, "memory": memory} for name, (cpu, memory) in names.items()}
        return {**shown, "here": self.here}


# --- words ------------------------------------------------------------------------------------------------------------


def named(plan: Plan) -> str:
    """Return a Plan in words: its id with its image, or its name."""
    return f"Plan {plan.plan_id} ({plan.spec.image if plan.spec else plan.name})"


def listed(tags: Iterable[Tag]) -> str:
    """Return tags in words."""
    return ", ".join(str(tag) for tag in tags)


def amount(cpu: float, memory: int) -> str:
    """Return cores and memory in words."""
    return f"{cpu:g} core{'' if cpu == 1 else 's'} and {size(memory)}"


def size(memory: int) -> str:
    """Return bytes of memory in words."""
    return f"{memory / _GIB:.3g} GiB" if memory >= _GIB else f"{memory / _MIB:.3g} MiB"


def command(*words: str) -> str:
    """Return a command line as it can be typed."""
    return shlex.join(words)


def counted(made: Made) -> str:
    """Return Runs in words: how many, and how many at each status in the order of their life."""
    total = sum(made.alive.values())
    parts = ", ".join(f"{made.counts[status]} {status.value}" for status in Status if status in made.alive)
    return f"{total} Run{'' if total == 1 else 's'}: {parts}"


def stirring(made: Made) -> RunId | None:
    """Return the Run that is worth a look first: one that failed, one that does not move, one that works."""
    for status in (Status.FAILED, Status.READY, Status.WAITING, Status.RUNNING, Status.STARTING):
        if status in made.newest:
            return made.newest[status]
    return None


def steps_of(points: Iterable[Point]) -> tuple[str, ...]:
    """Return the next steps of points and of those below them, each once, the first few."""
    found: dict[str, None] = {}
    for point in points:
        for step in (*([point.step] if point.step else []), *steps_of(point.below)):
            found.setdefault(step)
    return tuple(found)[:STEPS]


# --- nearness ---------------------------------------------------------------------------------------------------------


def missing(asked: Input, data: Data) -> Tags | None:
    """Return the tags that keep `data` from fitting `asked` once its Run is done; empty if none does.

    None for an input that asks for nothing: it never fits.
    """
    verdict = matching.judge(asked, replace(data, status=Status.DONE))
    return () if verdict.fits else verdict.missing or None


def lookalike(tag: Tag, have: Tags) -> Tag | None:
    """Return which of `have` may have been meant for `tag`: one half is the same, and the other half looks like it."""
    best, found = _ALIKE, None
    for each in have:
        if (alike := likeness(tag, each)) >= best:
            best, found = alike, each
    return found


def likeness(tag: Tag, other: Tag) -> float:
    """Return how much two tags look alike, from 0 to 1; 0 if neither key nor value is the same."""
    if other.key != tag.key and other.value != tag.value:
        return 0.0
    ours, theirs = (other.value, tag.value) if other.key == tag.key else (other.key, tag.key)
    return difflib.SequenceMatcher(None, ours[:100], theirs[:100]).ratio()


def candidates(asked: Input, nearest: Sequence[Data]) -> tuple[Point, ...]:
    """Say of the Data that come nearest to an input what keeps each from fitting; the nearest first.

    A Data that shares no tag with the input counts only for one that looks like a missing one, and what a failed Run
    left only if it has all tags: to give it more is no help.
    """
    gaps = [(gap, each) for each in nearest if (gap := missing(asked, each)) is not None]
    rated = [(gap, each) for gap, each in gaps if len(gap) < len(asked.tags) or meant(gap, each.tags)]
    rated = [(gap, each) for gap, each in rated if not (gap and is_lost(each))]
    rated.sort(key=lambda pair: (len(pair[0]), is_lost(pair[1])))
    return tuple(_candidate(each, gap) for gap, each in rated[:NEAREST])


def _candidate(data: Data, gap: Tags) -> Point:
    if not gap:
        text = "has the tags, but its Run is" if is_lost(data) else "is coming: it fits once its Run is done, which is"
        return Point(
            code=Code.NOT_DONE, text=f"Data {data.knit_id} {text} {data.status.value}", knit_id=data.knit_id,
            run_id=data.run_id, step=command("knit", "why", data.run_id),
        )  # fmt: skip
    return Point(
        code=Code.LACKS_TAG, text=f"nearest: Data {data.knit_id} lacks {listed(gap)}{meant(gap, data.tags)}",
        knit_id=data.knit_id, tags=gap, step=add_tags(data.knit_id, gap),
    )  # fmt: skip


def is_lost(data: Data) -> bool:
    """Whether a Data never fits anything: its Run failed or was deleted."""
    return transient(data.status) == FAILED


def meant(gap: Tags, have: Tags) -> str:
    """Return a remark on tags that look like missing ones, or nothing."""
    alike = [found for tag in gap if (found := lookalike(tag, have))]
    return f"; it has {listed(alike)}" if alike else ""


def add_tags(knit_id: str, gap: Tags) -> str | None:
    """Return the command that gives a Data what it lacks; None if it is Knit's to give."""
    if any(tag.is_system for tag in gap):
        return None
    return command("knit", "data", "tag", *(word for tag in gap for word in ("--add", str(tag))), knit_id)


def without_data(plan: Plan, asked: Input, nearest: Sequence[Data]) -> Point:
    """Say that no Data fits an input, and which come nearest."""
    below = candidates(asked, nearest)
    users = [str(tag) for tag in asked.tags if not tag.is_system]
    push = command("knit", "data", "push", *(word for tag in users for word in ("-t", tag)), "DIR")
    return Point(
        code=Code.NO_DATA, text=f'no Data fits "{asked.path}", which asks for {listed(asked.tags)}',
        plan_id=plan.plan_id, path=asked.path, tags=asked.tags, below=below,
        step=None if any(each.step for each in below) or len(users) < len(asked.tags) else push,
    )  # fmt: skip
