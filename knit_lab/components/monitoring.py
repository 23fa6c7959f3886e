"""What a monitor knows: the Runs that a question finds, kept true by the change stream. No widgets here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from knit_lab.objects import asking
from knit_lab.session import Session
from knit_server.client.streams import Event
from knit_server.domain import times
from knit_server.domain.errors import InvalidInput, NotFound
from knit_server.domain.runs import TERMINAL, Status
from knit_server.wire import shapes

MOST = 2000
"""Runs that are kept in memory, the newest ones."""
RECENT = 100
"""Runs that are looked at first for what has changed; they are the ones that changed last."""

PUBLIC = tuple(each.value for each in Status if each is not Status.INVALIDATED)
"""The statuses that lists show."""

_GONE = Status.INVALIDATED.value
_ENDED = frozenset(each.value for each in TERMINAL)
_SWITCHED = frozenset({Status.WAITING.value, Status.DEACTIVATED.value})


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which Runs are meant: of any of these Plans, with any of these inputs, outputs; ids in full, milliseconds."""

    plans: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    since: int | None = None
    duration: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether nothing is asked."""
        return self == Query()

    def holds(self, at: int) -> bool:
        """Whether a change at `at` lies within the time that is asked for."""
        since = float("-inf") if self.since is None else self.since
        until = float("inf") if self.duration is None or self.since is None else self.since + self.duration
        return since <= at < until


@dataclass(frozen=True, kw_only=True)
class Row:
    """A Run as it is known. `order` tells apart those that changed at the same instant."""

    run: shapes.RunDetail
    at: int
    order: int
    is_stale: bool = False
    """Whether its status was told by a change, and the rest of it may be older."""


def is_deletion(run_id: str) -> Callable[[Event], bool]:
    """Return whether a change is that the Run was deleted; one that is merely not found may have been filtered out."""
    return lambda event: event.data.get("runId") == run_id and event.data.get("status") == _GONE


class Watch:
    """The newest Runs that a query finds. All are kept, whatever their status, so that statuses can be counted."""

    def __init__(self, query: Query | None = None) -> None:
        self.query = query or Query()
        self.is_cut = False
        """Whether there are more than are kept."""
        self._rows: dict[str, Row] = {}
        self._order = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._rows

    def get(self, run_id: str) -> shapes.RunDetail | None:
        """Return a Run as it is known, None if it is not."""
        row = self._rows.get(run_id)
        return None if row is None else row.run

    @property
    def counts(self) -> dict[str, int]:
        """How many Runs have each status."""
        found = Counter(row.run["status"] for row in self._rows.values())
        return {status: found[status] for status in PUBLIC if found[status]}

    def shown(self, statuses: Iterable[str] = ()) -> list[shapes.RunDetail]:
        """Return the Runs with any of `statuses` (none: all), the one that changed last first."""
        wanted = frozenset(statuses) or frozenset(PUBLIC)
        fitting = [row for row in self._rows.values() if row.run["status"] in wanted]
        return [row.run for row in sorted(fitting, key=lambda row: (row.at, row.order), reverse=True)]

    # --- what happens -------------------------------------------------------------------------------------------------

    def replace(self, found: Sequence[shapes.RunDetail], *, is_cut: bool) -> None:
        """Take `found`, newest first, for all there is."""
        self._rows.clear()
        self.is_cut = is_cut
        self.merge(found)

    def merge(self, found: Sequence[shapes.RunDetail]) -> None:
        """Take `found`, newest first, in place of what is known of them, unless a change has told newer."""
        for run in reversed(found):
            at, known = times.parse_instant(run["updatedAt"]), self._rows.get(run["runId"])
            if known is None or at >= known.at:
                self._put(run, at, is_stale=False)
        for _ in range(len(self._rows) - MOST):
            del self._rows[min(self._rows, key=lambda each: (self._rows[each].at, self._rows[each].order))]
            self.is_cut = True

    def take(self, events: Iterable[Event]) -> bool:
        """Take changes; returns whether the server must be asked for what they do not tell (`news`)."""
        is_needed = False
        for event in events:
            if event.kind == "run":
                is_needed |= self._take(str(event.data.get("runId")), event)
        return is_needed

    def is_known(self, run: shapes.RunDetail) -> bool:
        """Whether `run`, as the server tells it, is nothing new."""
        row = self._rows.get(run["runId"])
        return row is not None and not row.is_stale and row.run == run

    def forget(self, run_id: str) -> None:
        """Drop a Run: it was deleted."""
        self._rows.pop(run_id, None)

    def _take(self, run_id: str, event: Event) -> bool:
        status, known = str(event.data.get("status")), self._rows.get(run_id)
        if status == _GONE:
            self.forget(run_id)
            return False
        if known is None:
            return not self.query.plans or event.data.get("planId") in self.query.plans
        if {status, known.run["status"]} <= _SWITCHED:  # no progress: the server keeps the time
            self._put(cast("shapes.RunDetail", {**known.run, "status": status}), known.at, is_stale=known.is_stale)
            return False
        at = times.parse_instant(str(event.data["at"]))
        if at < known.at or (at == known.at and not known.is_stale and known.run["status"] in _ENDED):
            return False  # fetched after it had happened
        if not self.query.holds(at):
            self.forget(run_id)
            return False
        told = {**known.run, "status": status, "updatedAt": str(event.data["at"])}
        if status not in _ENDED:
            told.pop("exit", None)
        self._put(cast("shapes.RunDetail", told), at, is_stale=True)
        return status in _ENDED

    def _put(self, run: shapes.RunDetail, at: int, *, is_stale: bool) -> None:
        self._order += 1
        self._rows[run["runId"]] = Row(run=run, at=at, order=self._order, is_stale=is_stale)


# --- asking the server: from a thread, for it takes time --------------------------------------------------------------


def everything(session: Session, query: Query, statuses: Sequence[str] = ()) -> tuple[list[shapes.RunDetail], bool]:
    """Fetch the newest Runs, newest first, and whether there are more than are kept. Raises `KnitError`."""
    found = list(_each(session, query, statuses, MOST + 1))
    return found[:MOST], len(found) > MOST


def news(session: Session, watch: Watch, statuses: Sequence[str] = ()) -> list[shapes.RunDetail]:
    """Fetch what has changed since `watch` was told, newest first: what changed last stands at one end."""
    fresh: list[shapes.RunDetail] = []
    for limit in (RECENT, MOST):
        fresh = []
        for run in _each(session, watch.query, statuses, limit):
            if watch.is_known(run):
                return fresh
            fresh.append(run)
        if len(fresh) < limit:
            break
    return fresh


def _each(session: Session, query: Query, statuses: Sequence[str], limit: int) -> Iterable[shapes.RunDetail]:
    return session.client.each_run(
        plans=query.plans, inputs=query.inputs, outputs=query.outputs, statuses=statuses, since=query.since,
        duration=query.duration, newest_first=True, limit=limit,
    )  # fmt: skip


def asked(session: Session, plans: str, inputs: str, outputs: str, since: str, duration: str) -> Query:
    """Read what people write into the filters: ids, names or images; ids or tags; times. Raises `KnitError`."""
    if duration.strip() and not since.strip():
        raise InvalidInput("a duration needs a beginning", advice="Give since as well, such as 2026-11-22 09:00")
    return Query(
        plans=tuple(each for word in plans.split() for each in _plans(session, word)),
        inputs=tuple(each for word in inputs.split() for each in _data(session, word)),
        outputs=tuple(each for word in outputs.split() for each in _data(session, word)),
        since=asking.instant(since.strip() or None), duration=asking.span(duration.strip() or None),
    )  # fmt: skip


def _plans(session: Session, word: str) -> list[str]:
    if ":" not in word and "/" not in word:
        return [session.plans[word].id]
    found = [each["planId"] for each in session.client.find_plans(image=word)]
    if not found:
        raise NotFound(f"there is no Plan of the image {word}", advice="See the Plans: knit.plans.find()")
    return found


def _data(session: Session, word: str) -> list[str]:
    if not asking.is_tag(word):
        return [session.client.show_data(session.client.full_id("data", word))["knitId"]]
    found = [each["knitId"] for each in session.client.each_data(asking.texts(word), newest_first=True, limit=RECENT)]
    if not found:
        raise NotFound(f"there is no Data with the tag {word}", advice="See the tags in use: knit.data.tags()")
    return found
