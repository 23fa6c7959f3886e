"""A Knit with a scheduler and programs that are Python functions, for the tests of this folder."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from knit_server.content import tarball
from knit_server.domain.runs import TERMINAL, Status
from knit_server.domain.views import DataView, PlanView, RunView
from knit_server.executors.base import AttemptId
from knit_server.persistence import data as data_rows
from knit_server.persistence import nominations
from knit_server.persistence import runs as run_rows
from knit_server.scheduler import Scheduler
from knit_server.service import data, plans, runs
from knit_server.service.context import Context, Limits
from knit_server.testing import FakeExecutor, FakeImages, Program, Trouble, a_plan, a_push, some_tags, temp_knit, until

UPLOADED = "knit#uploaded"


class World:
    """One open Knit. `trouble` makes its store or database fail for a while."""

    def __init__(self, ctx: Context, trouble: Trouble) -> None:
        self.ctx = ctx
        self.trouble = trouble

    @property
    def executor(self) -> FakeExecutor:
        assert isinstance(self.ctx.executor, FakeExecutor)
        return self.ctx.executor

    def push(self, *tags: str, files: Mapping[str, str] | None = None) -> DataView:
        """Push a small folder with these tags."""
        with TemporaryDirectory() as folder:
            return data.upload(self.ctx, a_push(Path(folder), files), some_tags(*tags))

    def apply(self, image: str, inputs: Mapping[str, tuple[str, ...]], *outputs: str, **more: Any) -> PlanView:
        """Register a Plan whose outputs `/out/N` carry one tag each."""
        made = {f"/out/{index}": (tag,) for index, tag in enumerate(outputs)}
        return plans.apply(self.ctx, a_plan(image, inputs, made, **more))

    def runs(self, plan: PlanView | None = None) -> list[RunView]:
        """All Runs of images, or those of one Plan."""
        found = runs.find(self.ctx, runs.RunQuery())
        return [
            run for run in found if (plan is None and run.plan.spec) or (plan and run.plan.plan_id == plan.plan.plan_id)
        ]

    def run(self, plan: PlanView | None = None) -> RunView:
        """The only Run."""
        (found,) = self.runs(plan)
        return found

    def statuses(self, plan: PlanView | None = None) -> Counter[str]:
        """How many Runs are in which status."""
        return Counter(run.run.status.value for run in self.runs(plan))

    def counts(self) -> dict[str, int]:
        """How many Runs of all kinds are in which status, cheaply."""
        with self.ctx.db.read() as tx:
            return run_rows.count_by_status(tx)

    def owing(self) -> bool:
        """Whether Runs are owed that the next step of projection makes."""
        with self.ctx.db.read() as tx:
            return bool(nominations.pending(tx, 1))

    def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait for `condition`."""
        until(self.ctx, condition, what)

    def until_status(self, run_id: str, *wanted: Status) -> RunView:
        """Wait until a Run stands there."""
        self.until(lambda: self.show(run_id).run.status in wanted, f"{run_id} {wanted}")
        return self.show(run_id)

    def until_ended(self) -> None:
        """Wait until every Run has ended or is switched off."""
        resting = {status.value for status in TERMINAL} | {Status.DEACTIVATED.value}
        self.until(lambda: self.counts().keys() <= resting, "all Runs have ended")

    def until_tidy(self) -> None:
        """Wait until no folder of a Run is left."""
        self.until(lambda: not self.folders(), "run folders are gone")

    def folders(self) -> list[str]:
        """The folders of attempts."""
        return sorted(path.name for path in (self.ctx.home / "runs").iterdir())

    def show(self, run_id: str) -> RunView:
        """One Run."""
        return runs.show(self.ctx, run_id)

    def note(self, run_id: str) -> str | None:
        """What people are told of a Run."""
        found = runs.details(self.ctx, run_id)["note"]
        assert found is None or isinstance(found, str)
        return found

    def attempts(self, run_id: str) -> list[int]:
        """The numbers of the attempts that were started."""
        return [attempt.number for attempt in self.executor.started if attempt.run_id == run_id]

    def begun(self, run_id: str) -> AttemptId:
        """Wait until a Run's program runs; returns its attempt."""
        run = self.until_status(run_id, Status.RUNNING).run
        attempt = AttemptId(run.run_id, run.attempt)
        self.until(lambda: attempt in self.executor.started)  # a Run begun anew is `running` before its program runs
        return attempt

    def pull(self, knit_id: str) -> dict[str, str]:
        """The files of a Data, by path."""
        with TemporaryDirectory() as folder:
            stream = io.BytesIO(b"".join(data.download(self.ctx, knit_id).chunks))
            dest = Path(folder) / "pulled"
            tarball.extract_to(stream, dest)
            return {str(path.relative_to(dest)): path.read_text() for path in dest.rglob("*") if path.is_file()}

    def output(self, run: RunView, index: int = 0) -> dict[str, str]:
        """The files of one of a Run's outputs."""
        return self.pull(run.outputs[index].knit_id)

    def everything(self) -> list[DataView]:
        """All Data."""
        return data.find(self.ctx, data.DataQuery())

    def cached(self, knit_id: str) -> bool:
        """Whether the tree of a Data is in the cache."""
        with self.ctx.db.read() as tx:
            content = data_rows.get(tx, knit_id).content
        return content is not None and self.ctx.trees.find(content.content_id) is not None


@contextlib.contextmanager
def scheduling(ctx: Context, **settings: Any) -> Iterator[Scheduler]:
    """A running scheduler."""
    scheduler = Scheduler(ctx, **{"retry_after": 0.01, **settings})
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.stop()


@contextlib.contextmanager
def a_world(
    home: Path,
    programs: Mapping[str, Program],
    *,
    url: str | None = None,
    executor: FakeExecutor | None = None,
    limits: Limits | None = None,
    now: Callable[[], int] | None = None,
) -> Iterator[World]:
    """Open a Knit without a scheduler."""
    trouble = Trouble()
    executor = executor or FakeExecutor()
    executor.images = FakeImages(programs)
    with temp_knit(home, url=url, executor=executor, limits=limits, now=now, trouble=trouble) as ctx:
        yield World(ctx, trouble)
