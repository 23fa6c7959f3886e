"""A home with a lineage of very many Runs, written straight into its database: executing them would take hours."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from knit_server.domain.data import Data
from knit_server.domain.ids import KnitId, PlanId, RunId
from knit_server.domain.images import ImageName
from knit_server.domain.matching import run_key
from knit_server.domain.plans import UPLOADED, Input, Output, Plan, PlanSpec
from knit_server.domain.runs import Assignment, Run, Status
from knit_server.domain.tags import Tag
from knit_server.persistence import Database, Transaction, data, plans, runs
from knit_server.persistence.batches import batched

BEGIN = 1_790_000_000_000
STEPS = ("clean", "train", "evaluate")
MADE, ASKED, SETTINGS = "/out", "/in", "/settings"


@dataclass(frozen=True)
class Filled:
    """The ids that a measurement asks for. `settings` is taken by each of the Runs, `last` is made at the end."""

    settings: str
    last: str
    a_run: str


def fill(database: Path, count: int) -> Filled:
    """Write `count` Runs: columns of three, each taking what the one above made, and all taking the same settings."""
    db = Database(f"sqlite:///{database}")
    db.open()
    try:
        return _fill(db, count)
    finally:
        db.close()


def _fill(db: Database, count: int) -> Filled:
    with db.write() as tx:
        upload = plans.named(tx, UPLOADED)
        if upload is None:
            upload = Plan(plan_id=PlanId(_id()), name=UPLOADED)
            plans.insert(tx, upload, BEGIN)
        declared = [_plan(step, "raw" if at == 0 else STEPS[at - 1]) for at, step in enumerate(STEPS)]
        for plan in declared:
            plans.insert(tx, plan, BEGIN)
        settings = _put(tx, upload.plan_id, [((), (("type", "settings"),))])[0]
    last = ""
    for columns in batched(range(count // len(STEPS)), 500):
        with db.write() as tx:
            raw = _put(tx, upload.plan_id, [((), (("type", "raw"), ("sample", str(each)))) for each in columns])
            above = raw
            for plan, step in zip(declared, STEPS, strict=True):
                wanted = [
                    ((Assignment(path=ASKED, knit_id=each), Assignment(path=SETTINGS, knit_id=settings)),
                     (("type", step), ("sample", str(number)), ("project", "a-study-of-many-samples")))
                    for each, number in zip(above, columns, strict=True)
                ]  # fmt: skip
                above = _put(tx, plan.plan_id, wanted)
            last = above[-1]
    with db.read() as tx:
        made = data.get(tx, last)
    return Filled(settings, last, made.run_id)


Wanted = tuple[Sequence[Assignment], Sequence[tuple[str, str]]]


def _put(tx: Transaction, plan_id: PlanId, wanted: Sequence[Wanted]) -> list[KnitId]:
    """Write Runs of a Plan that took these and made one Data with these tags each; a few of them failed."""
    new: list[Run] = []
    made: list[Data] = []
    for at, (taken, tags) in enumerate(wanted):
        run_id = RunId(_id())
        failed = bool(taken) and at % 50 == 7
        new.append(
            Run(run_id=run_id, plan_id=plan_id, key=run_key(plan_id, taken) if taken else run_id,
                status=Status.FAILED if failed else Status.DONE, updated_at=BEGIN + at)
        )  # fmt: skip
        made.append(
            Data(knit_id=KnitId(_id()), tags=tuple(Tag(*each) for each in tags), run_id=run_id, path=MADE)
        )  # fmt: skip
    runs.insert(tx, new, BEGIN)
    data.insert(tx, made, BEGIN)
    runs.assign(tx, [(run.run_id, each) for run, (taken, _) in zip(new, wanted, strict=True) for each in taken])
    for each in made:
        data.settle(tx, each.knit_id, None, BEGIN)
    return [each.knit_id for each in made]


def _plan(step: str, before: str) -> Plan:
    spec = PlanSpec(
        image=ImageName(f"study/{step}", "1.0"),
        inputs=(Input(path=ASKED, tags=(Tag("type", before),)), Input(path=SETTINGS, tags=(Tag("type", "settings"),))),
        outputs=(Output(path=MADE, tags=(Tag("type", step),)),),
    )
    return Plan(plan_id=PlanId(_id()), spec=spec)


def _id() -> str:
    return str(uuid.uuid4())
