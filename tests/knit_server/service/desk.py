"""A desk at which tests work with Knit's services: pushing, applying, tagging, letting Runs come to their ends."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from knit_server.domain.ids import KnitId
from knit_server.domain.plans import PlanSpec
from knit_server.domain.runs import Exit, Run, Status
from knit_server.domain.tags import Tag
from knit_server.domain.views import DataView, PlanView, RunView
from knit_server.executors.base import Started
from knit_server.persistence import data as data_rows
from knit_server.persistence import nominations
from knit_server.service import data, lifecycle, plans, runs
from knit_server.service.context import Context
from knit_server.service.data import DataQuery, TagChange
from knit_server.service.lifecycle import Work
from knit_server.service.runs import RunQuery
from knit_server.storage import Snapshot
from knit_server.testing import a_plan, a_push, some_tags

Combination = frozenset[tuple[str, str]]
"""The inputs of a Run: (path, knitId)."""


class Desk:
    """Works with one Knit."""

    def __init__(self, ctx: Context, folder: Path) -> None:
        self.ctx = ctx
        self._folder = folder
        self._numbers = itertools.count()

    def push(self, *tags: str, **files: str) -> KnitId:
        """Upload a small directory."""
        return data.upload(self.ctx, a_push(self._folder, files or None), some_tags(*tags)).data.knit_id

    def apply(self, inputs: dict[str, str], outputs: dict[str, str] | None = None, **rest: object) -> PlanView:
        """Register a Plan of its own kind; tags are written with blanks between."""
        made = {path: tuple(texts.split()) for path, texts in (outputs or {}).items()}
        image = f"image:{next(self._numbers)}"
        spec = a_plan(image, {path: tuple(texts.split()) for path, texts in inputs.items()}, made, **rest)  # type: ignore[arg-type]
        return self.register(spec)

    def register(self, spec: PlanSpec) -> PlanView:
        """Register a Plan."""
        return plans.apply(self.ctx, spec)

    def tag(self, knit_id: str, *add: str, remove: Iterable[str] = (), keys: Iterable[str] = ()) -> DataView:
        """Change the tags of a Data."""
        change = TagChange(add=some_tags(*add), remove=some_tags(*remove), remove_keys=tuple(keys))
        return data.retag(self.ctx, knit_id, change)

    def find(self, *tags: str, since: int | None = None, until: int | None = None) -> list[KnitId]:
        """Return the ids of the Data found."""
        query = DataQuery(tags=some_tags(*tags), since=since, until=until)
        return [view.data.knit_id for view in data.find(self.ctx, query)]

    def runs(self, plan: PlanView, *statuses: Status) -> list[RunView]:
        """Return the Runs of a Plan."""
        return runs.find(self.ctx, RunQuery(plans=(plan.plan.plan_id,), statuses=statuses))

    def combinations(self, plan: PlanView) -> list[Combination]:
        """Return what each Run of a Plan takes."""
        return [frozenset((each.path, each.knit_id) for each in run.inputs) for run in self.runs(plan)]

    def nominated(self, plan: PlanView) -> set[tuple[str, str]]:
        """Return the (path, knitId) pairs nominated for a Plan, as its Data show them."""
        return {
            (nomination.input.path, view.data.knit_id)
            for view in data.find(self.ctx, DataQuery())
            for nomination in view.nominations
            if nomination.plan.plan_id == plan.plan.plan_id
        }

    def owing(self) -> int:
        """Return how many nominations still owe Runs."""
        with self.ctx.db.read() as tx:
            return len(nominations.pending(tx, 10_000))

    def reasons(self, knit_id: str) -> list[tuple[str, int]]:
        """Return why a Data led to what it did, newest first."""
        return [(each["reason"], each["count"]) for each in data.details(self.ctx, knit_id)["decisions"]]  # type: ignore[attr-defined]

    def project(self) -> int:
        """Make all Runs that are owed, as the scheduler does; returns how many."""
        made = 0
        while self.owing():
            made += lifecycle.project(self.ctx)
        return made

    # --- Runs

    def start(self) -> list[Work]:
        """Start all Runs that wait."""
        claimed: list[Work] = []
        while some := lifecycle.claim(self.ctx, lambda needs: True):
            claimed += some
        for work in claimed:
            lifecycle.started(self.ctx, work, Started(image_digest="sha256:x", sandbox="none"))
        return claimed

    def end(self, work: Work, code: int = 0) -> Run:
        """Let the program of a Run end, and store what it made: one small file in each output."""
        lifecycle.ended(self.ctx, work, Exit(code))
        return lifecycle.finish(self.ctx, work, self.store(work))

    def settle(self) -> int:
        """Carry all Runs to done, and those that follow, until nothing is left; returns how many there were."""
        count = 0
        while self.project() or (works := self.start()):
            for work in works:
                self.end(work)
            count += len(works)
            works = []
        return count

    def store(self, work: Work) -> dict[str, Snapshot]:
        """Store outputs and log of a Run."""
        snapshots = {}
        with self.ctx.store.writer(data.known(self.ctx)) as writer:
            for each in work.made:
                place = self._folder / f"made-{each.knit_id}"
                place.mkdir()
                (place / "log").write_text(f"made by {work.run.run_id}\n")
                snapshots[each.knit_id] = writer.add_directory(place)
        return snapshots

    def raw(self, knit_id: str) -> tuple[Tag, ...]:
        """Return the user tags of a Data."""
        with self.ctx.db.read() as tx:
            return data_rows.get(tx, knit_id).tags


@dataclass
class Statements:
    """SQL statements that were executed."""

    texts: list[tuple[str, object]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.texts)


@contextlib.contextmanager
def counted() -> Iterator[Statements]:
    """Collect the statements that this thread sends to any database."""
    found, thread = Statements(), threading.get_ident()

    def note(_c: object, _cursor: object, text: str, parameters: object, _x: object, many: bool) -> None:
        if threading.get_ident() == thread:
            found.texts.append((text, parameters[0] if many else parameters))  # type: ignore[index]

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
