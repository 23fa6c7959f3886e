"""Puts Plans, Runs and Data into a database by the functions of persistence alone, with ids that can be told apart."""

from __future__ import annotations

import itertools
from dataclasses import replace

from knit_server.domain import plans as rules
from knit_server.domain.data import Content, Data
from knit_server.domain.ids import KnitId, PlanId, RunId
from knit_server.domain.plans import Plan, PlanSpec
from knit_server.domain.runs import Assignment, Run, Status
from knit_server.domain.tags import Tag, Tags, normal
from knit_server.persistence import Database, contents, data, plans, runs
from knit_server.persistence.runs import Lease
from knit_server.testing import a_plan

HOSTILE = (
    "", " ", "'; DROP TABLE data; --", '"quoted" \\ back', "two\nlines\r\n\ttab", "😀 e\u0301 \u00e9 データ", "%_[a]*?",
    "{}", "\x01\x1b[31m\x7f\u2028\ufeff\U0010ffff", "null", "x" * 100_000,
)  # fmt: skip
"""Values of tags that have broken programs before."""


class Keeper:
    """Keeps values in `db`; each method is one transaction."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._numbers = itertools.count(1)

    def id(self, kind: str) -> str:
        """Return a new id of 36 characters."""
        return f"{kind:>08.8s}-0000-4000-8000-{next(self._numbers):012d}".replace(" ", "0")

    def plan(self, spec: PlanSpec | None = None) -> Plan:
        """Keep a Plan; without a spec, one of its own kind with one input and one output."""
        plan_id = PlanId(self.id("plan"))
        spec = spec or a_plan(f"image:{plan_id[-12:]}", {"/in": ("type:raw",)}, {"/out": ("type:made",)})
        plan = Plan(plan_id=plan_id, spec=rules.check(spec))
        with self.db.write() as tx:
            plans.insert(tx, plan, 1)
        return plan

    def run(
        self, plan: Plan, status: Status = Status.WAITING, *, at: int = 1000, lease: Lease | None = None,
        inputs: tuple[Assignment, ...] = (), key: str | None = None,
    ) -> Run:  # fmt: skip
        """Keep a Run."""
        run_id = RunId(self.id("run"))
        run = Run(run_id=run_id, plan_id=plan.plan_id, key=key or run_id, status=status, updated_at=at)
        with self.db.write() as tx:
            runs.insert(tx, [run], at, lease)
            runs.assign(tx, [(run_id, each) for each in inputs])
        return run

    def data(self, run: Run, path: str | None = "/out", tags: Tags = (), *, at: int | None = None) -> Data:
        """Keep a Data of a Run; with a time it is settled, with content if its Run is done."""
        new = Data(knit_id=KnitId(self.id("data")), tags=normal(tags), run_id=run.run_id, path=path, status=run.status)
        with self.db.write() as tx:
            data.insert(tx, [new], run.updated_at)
            if at is None:
                return new
            content = self.content(new.knit_id) if run.status is Status.DONE else None
            if content is not None:
                contents.add(tx, content, at)
            data.settle(tx, new.knit_id, content and content.content_id, at)
        return replace(new, timestamp=at, content=content)

    def content(self, name: str) -> Content:
        """Return some content that is like no other."""
        return Content(content_id=f"tree:{name}", bytes_id=f"bytes:{name}", manifest=f"m/{name}", size=5 << 40, files=3)

    def done(self, *tags: Tag, at: int = 1000) -> Data:
        """Keep a usable Data that carries `tags`."""
        return self.data(self.run(self._uploads(), Status.DONE, at=at), "/upload", tags, at=at)

    def _uploads(self) -> Plan:
        with self.db.write() as tx:
            found = plans.named(tx, rules.UPLOADED)
            if found is None:
                found = Plan(plan_id=PlanId(self.id("uploads")), name=rules.UPLOADED)
                plans.insert(tx, found, 1)
        return found
