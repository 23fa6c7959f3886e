"""Matching: which Data fit which inputs, which Runs follow, and why not others.

A pure function of (Plans, a Data and its tags, what is done). Projection, dry run and "why did this not run?" all are
this one function; side effects live elsewhere. It is incremental: an arriving Data is tested only against the inputs
whose *anchor* (their rarest tag) it carries, so the cost does not depend on how many Data or Runs exist.

Rules: docs/rules.md, "Matching".
"""

from __future__ import annotations

import enum
import hashlib
import itertools
import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from knit_server.domain import tags, times
from knit_server.domain.data import Data, effective_tags
from knit_server.domain.ids import KnitId, PlanId
from knit_server.domain.plans import Input, Plan
from knit_server.domain.runs import Assignment, Status
from knit_server.domain.tags import Tag


class Reason(enum.Enum):
    """Why a Data did or did not lead to a Run. The codes are stable: receipts keep them."""

    MATCHED = "matched"  #: a Run was made
    FITS = "fits"  #: the Data fits the input (a nomination)
    LACKS_TAG = "lacks-tag"  #: the Data lacks a tag that the input asks for
    NOT_DONE = "not-done"  #: the Run that makes the Data is not done
    NO_PARTNER = "no-partner"  #: another input has no Data
    DONE_ALREADY = "done-already"  #: the combination has its Run
    PLAN_INACTIVE = "plan-inactive"  #: the Run was made, deactivated, since the Plan is switched off
    HELD_LIMIT = "held-limit"  #: too many Runs at once: the rest follows in the next step


@dataclass(frozen=True)
class Verdict:
    """Whether a Data fits an input; if not, why, and which tags it lacks."""

    reason: Reason
    missing: tuple[Tag, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether it does."""
        return self.reason is Reason.FITS


def judge(asked: Input, data: Data) -> Verdict:
    """Say whether `data` fits `asked`, and why not."""
    if data.status is not Status.DONE:
        return Verdict(Reason.NOT_DONE)
    have = probes(data)
    missing = tuple(tag for tag in asked.tags if anchor_of(tag) not in have)
    return Verdict(Reason.LACKS_TAG, missing) if missing or not asked.tags else Verdict(Reason.FITS)


# --- the index --------------------------------------------------------------------------------------------------------


def anchor_of(tag: Tag) -> Tag:
    """Return the form of `tag` under which it is looked up: timestamps in UTC, all else as it is."""
    if tag.key == tags.TIMESTAMP:
        return Tag(tag.key, times.format_instant(times.parse_instant(tag.value)))
    return tag


def anchor(asked: Input, uses: Callable[[Tag], int]) -> Tag:
    """Return the tag to index `asked` under: the rarest of its tags by `uses` (how many Data carry it).

    System tags are the rarest there are: `knit#id` names one Data, `knit#timestamp` one instant.
    """
    rank = {tags.ID: 0, tags.TIMESTAMP: 1}
    return anchor_of(min(asked.tags, key=lambda tag: (rank.get(tag.key, 2), 0 if tag.is_system else uses(tag), tag)))


def probes(data: Data) -> frozenset[Tag]:
    """Return every anchor under which an input that `data` fits may be found."""
    return frozenset(effective_tags(data))


class Index:
    """Inputs by anchor, in memory: the model of what `plan_input.anchor` is on disk.

    The services ask the database. This is the rule by itself, which tests hold to brute force, for whoever matches
    against Plans that are stored nowhere.
    """

    def __init__(self, uses: Callable[[Tag], int] = lambda tag: 0) -> None:
        self._uses = uses
        self._inputs: dict[Tag, list[tuple[Plan, Input]]] = {}

    def add(self, plan: Plan) -> None:
        """Index the inputs of `plan`."""
        for asked in plan.inputs:
            self._inputs.setdefault(anchor(asked, self._uses), []).append((plan, asked))

    def candidates(self, data: Data) -> Iterator[tuple[Plan, Input]]:
        """Return the inputs whose anchor `data` carries, in a stable order: all that it can fit, and few others."""
        return itertools.chain.from_iterable(self._inputs.get(tag, ()) for tag in effective_tags(data))


# --- combinations -----------------------------------------------------------------------------------------------------


def run_key(plan_id: PlanId, assignments: Iterable[Assignment]) -> str:
    """Return what makes a Run unique: hex of a hash over its Plan and its sorted assignments.

    Each key runs at most once: the database holds a unique index over it.
    """
    pairs = sorted((each.path, each.knit_id) for each in assignments)
    text = json.dumps([plan_id, pairs], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Projection:
    """What one nomination leads to: new combinations, whether there are more, and counts by reason."""

    new: tuple[tuple[Assignment, ...], ...]
    complete: bool
    reasons: Mapping[Reason, int]


def project(
    plan: Plan,
    trigger: Assignment,
    nominated: Mapping[str, Sequence[KnitId]],
    known: Callable[[Collection[str]], Collection[str]],
    *,
    limit: int,
) -> Projection:
    """Return the combinations of `trigger` with the Data nominated for the Plan's other inputs that have no Run yet.

    `nominated` gives the Data of each other input by path; `known` returns those of the given run keys that exist.
    At most `limit` combinations come back; `complete` is false if there are more.
    """
    others = [asked.path for asked in plan.inputs if asked.path != trigger.path]
    if any(not nominated.get(path) for path in others):
        return Projection(new=(), complete=True, reasons={Reason.NO_PARTNER: 1})
    fresh: list[tuple[Assignment, ...]] = []
    done = 0
    for batch in _batches(_product(trigger, [(path, nominated[path]) for path in others]), size=500):
        keys = {run_key(plan.plan_id, combination): combination for combination in batch}
        exists = keys.keys() & set(known(keys.keys()))
        done += len(exists)
        fresh += [combination for key, combination in keys.items() if key not in exists]
        if len(fresh) > limit:
            break
    reason = Reason.MATCHED if plan.active else Reason.PLAN_INACTIVE
    counts = {reason: min(len(fresh), limit), Reason.DONE_ALREADY: done, Reason.HELD_LIMIT: int(len(fresh) > limit)}
    return Projection(
        new=tuple(fresh[:limit]), complete=len(fresh) <= limit, reasons={key: n for key, n in counts.items() if n}
    )


def foresee(nominated: Mapping[str, Sequence[KnitId]], limit: int) -> tuple[int, list[tuple[Assignment, ...]]]:
    """Return how many Runs a new Plan would get of the Data that fit its inputs, by path, and the first `limit`.

    It is what `project` makes of the same nominations in the end, whatever their order.
    """
    (path, first), *others = sorted(nominated.items())
    count = math.prod(len(set(found)) for found in nominated.values())
    starts = (Assignment(path=path, knit_id=knit_id) for knit_id in dict.fromkeys(first))
    combinations = itertools.chain.from_iterable(_product(start, others) for start in starts)
    return count, list(itertools.islice(combinations, limit)) if count else []


def _product(trigger: Assignment, others: Sequence[tuple[str, Sequence[KnitId]]]) -> Iterator[tuple[Assignment, ...]]:
    rows = (
        [Assignment(path=path, knit_id=knit_id) for knit_id in dict.fromkeys(knit_ids)] for path, knit_ids in others
    )
    for combination in itertools.product([trigger], *rows):
        yield tuple(sorted(combination, key=lambda each: each.path))


def _batches(combinations: Iterator[tuple[Assignment, ...]], *, size: int) -> Iterator[list[tuple[Assignment, ...]]]:
    while batch := list(itertools.islice(combinations, size)):
        yield batch
