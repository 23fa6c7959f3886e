"""The tutorial's seven Plans, unmodified, on one push and then on a second: counts, graphs and depths as published.

Small functions stand in for the images; everything else is real.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from knit_server.domain.views import DataView, PlanView
from knit_server.scheduler import Scheduler
from knit_server.service import data, lineage, plans, runs
from knit_server.service.context import Context
from knit_server.testing import a_push, copy_inputs, some_tags, temp_knit, until
from knit_server.wire import codecs, planfile, requests, shapes

PLANS = Path(__file__).parents[2] / "notebooks" / "tutorial" / "plans"
ORDER = (
    "video_converter", "image_flattener", "image_extracter", "image_tracer", "gif", "content_shuffler",
    "content_collager",
)  # fmt: skip
PROJECT = "project:pachyderm-beginner-tutorial"
RAW_TAGS = ("format:mixed", "name:raw_videos_and_images", PROJECT, "type:raw-dataset")
RAW_FILES = {name: name for name in ("liberty.jpg", "robot.jpg", "cat-sleeping.mov", "highway.mov")}


def _spec(name: str) -> dict[str, object]:
    """Read a plan file as `knit plan apply` does."""
    path = PLANS / f"{name}.plan.yaml"
    spec, _ = planfile.read(path.read_text(), str(path))
    assert isinstance(spec, dict)
    return spec


@dataclass
class Tutorial:
    """The tutorial in one Knit."""

    ctx: Context
    folder: Path
    plan: dict[str, PlanView] = field(default_factory=dict)

    def push(self) -> DataView:
        """Push the folder of images and films."""
        return data.upload(self.ctx, a_push(self.folder, RAW_FILES), some_tags(*RAW_TAGS))

    def apply(self, name: str) -> None:
        """Apply a plan file as it is."""
        self.plan[name] = plans.apply(self.ctx, requests.plan_spec(_spec(name)))

    def until_done(self, count: int) -> None:
        """Wait until so many Runs are done, and no others are left."""
        until(self.ctx, lambda: self.statuses() == {"done": count}, f"{count} Runs done", patience=120)

    def statuses(self) -> Counter[str]:
        """How many Runs are in which status."""
        return Counter(run.run.status.value for run in runs.find(self.ctx, runs.RunQuery()))

    def made(self, name: str) -> DataView:
        """The Data that the Run of a Plan made, but for its log."""
        (run,) = runs.find(self.ctx, runs.RunQuery(plans=(self.plan[name].plan.plan_id,)))
        return data.show(self.ctx, run.outputs[0].knit_id)

    def plan_graph(self, name: str, depth: int | None) -> shapes.PlanGraph:
        """`knit plan graph -n depth`."""
        view = lineage.plan_graph(self.ctx, self.plan[name].plan.plan_id, depth, depth)
        return codecs.plan_graph(view.graph, view.plans)

    def lineage(self, knit_id: str, depth: int | None) -> shapes.Lineage:
        """`knit data lineage -n depth`."""
        view = lineage.data_lineage(self.ctx, knit_id, depth, depth)
        return codecs.lineage(view.graph, view.data, view.runs)


@pytest.fixture
def tutorial(tmp_path: Path) -> Iterator[Tutorial]:
    """All Plans applied after one push, with a scheduler at work."""
    images = [str(_spec(name)["image"]) for name in ORDER]
    with temp_knit(tmp_path / "home", programs=dict.fromkeys(images, copy_inputs)) as ctx:
        scheduler = Scheduler(ctx)
        scheduler.start()
        try:
            made = Tutorial(ctx, tmp_path)
            made.push()
            for name in ORDER:
                made.apply(name)
            made.until_done(8)
            yield made
        finally:
            scheduler.stop()


def test_inventory(tutorial: Tutorial) -> None:
    """One push and seven Plans are 8 Runs and 15 Data: one Run of each Plan, and everything is used as published."""
    ctx = tutorial.ctx
    assert len([view for view in plans.find(ctx, plans.PlanQuery()) if view.plan.spec]) == 7
    assert {len(runs.find(ctx, runs.RunQuery(plans=(view.plan.plan_id,)))) for view in tutorial.plan.values()} == {1}

    def count(*tags: str) -> int:
        return len(data.find(ctx, data.DataQuery(tags=some_tags(*tags))))

    assert (count(), count(PROJECT), count("type:log")) == (15, 14 + 1, 7)
    assert (count("knit#transient:processing"), count("knit#transient:failed")) == (0, 0)
    (raw,) = data.find(ctx, data.DataQuery(tags=some_tags(*RAW_TAGS)))
    uses = {name: len(tutorial.made(name).consumers) for name in ORDER}
    assert len(raw.consumers) == 2
    assert uses == {
        "video_converter": 1, "image_flattener": 2, "image_extracter": 2, "image_tracer": 2, "gif": 1,
        "content_shuffler": 1, "content_collager": 0,
    }  # fmt: skip
    assert {len(each.consumers) for each in data.find(ctx, data.DataQuery(tags=some_tags("type:log")))} == {0}


def test_plan_graph(tutorial: Tutorial) -> None:
    """Seen from content_collager: 7 clusters, 32 nodes, 25 edges inside Plans and 9 between them."""
    graph = tutorial.plan_graph("content_collager", None)
    inputs = sum(len(plan["inputs"]) for plan in graph["plans"])
    outputs = sum(len(plan["outputs"]) for plan in graph["plans"])
    logs = sum("log" in plan for plan in graph["plans"])
    assert (len(graph["plans"]), inputs, outputs, logs) == (7, 11, 7, 7)
    assert len(graph["edges"]) == 9
    sizes = {depth: _plan_size(tutorial.plan_graph("content_collager", depth)) for depth in (1, 2, 3, 4)}
    assert sizes == {1: (2, 1), 2: (5, 6), 3: (6, 8), 4: (7, 9)}
    reached = {name: len(tutorial.plan_graph(name, None)["plans"]) for name in ORDER}
    assert reached == {
        "video_converter": 6, "image_flattener": 6, "image_extracter": 5, "image_tracer": 7, "gif": 7,
        "content_shuffler": 7, "content_collager": 7,
    }  # fmt: skip


def test_lineage(tutorial: Tutorial) -> None:
    """From the collage: 15 Data, 8 Runs and a root, 27 edges; less at smaller depths; the same from the other end."""
    collage = tutorial.made("content_collager").data.knit_id
    sizes = {depth: _lineage_size(tutorial.lineage(collage, depth)) for depth in (1, 2, 3, 4, 5, None)}
    full = (15, 8, 1, 27)
    assert sizes == {1: (3, 1, 0, 3), 2: (7, 2, 0, 8), 3: (12, 5, 0, 19), 4: (14, 7, 1, 24), 5: full, None: full}
    (raw,) = data.find(tutorial.ctx, data.DataQuery(tags=some_tags(*RAW_TAGS)))
    sizes = {depth: _lineage_size(tutorial.lineage(raw.data.knit_id, depth)) for depth in (1, 2, 3, None)}
    assert sizes == {1: (5, 3, 1, 8), 2: (12, 6, 1, 20), 3: full, None: full}


@pytest.mark.slow
def test_second_push(tutorial: Tutorial) -> None:
    """The same folder pushed again ends with 148 Runs and 294 Data, all done: every combination, each once.

    (scenarios 37, 40)
    """
    tutorial.push()
    tutorial.until_done(148)
    assert len(data.find(tutorial.ctx, data.DataQuery())) == 294
    per_plan = {
        name: len(runs.find(tutorial.ctx, runs.RunQuery(plans=(view.plan.plan_id,))))
        for name, view in tutorial.plan.items()
    }
    assert per_plan == {
        "video_converter": 2, "image_flattener": 2, "image_extracter": 2, "image_tracer": 4, "gif": 8,
        "content_shuffler": 64, "content_collager": 64,
    }  # fmt: skip


def _plan_size(graph: shapes.PlanGraph) -> tuple[int, int]:
    """Plans, and edges between them."""
    return len(graph["plans"]), len(graph["edges"])


def _lineage_size(graph: shapes.Lineage) -> tuple[int, int, int, int]:
    """Data, Runs, roots and edges."""
    roots = sum(edge["from"] is None for edge in graph["edges"])
    return len(graph["data"]), len(graph["runs"]), roots, len(graph["edges"])
