"""A whole Knit as values: pushes, Plans and Runs through the pure functions of the domain alone.

Ids follow from what a thing is (a Run's from its key, a Data's from its Run and path), so that two worlds with another
order of events can be compared.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from knit_server.domain import images, matching, plans, runs, tags
from knit_server.domain.data import Data
from knit_server.domain.ids import KnitId, PlanId, RunId
from knit_server.domain.lineage import Links
from knit_server.domain.plans import Input, Output, Plan, PlanSpec
from knit_server.domain.runs import Assignment, Run, Status
from knit_server.domain.tags import Tag, Tags

UPLOADS = Plan(plan_id=PlanId("uploads"), name=plans.UPLOADED)


def tag_set(text: str) -> Tags:
    """Read blank-separated tags."""
    return tags.normal(tags.parse(word) for word in text.split())


def spec(image: str, inputs: Mapping[str, str], outputs: Mapping[str, str], log: str | None = None) -> PlanSpec:
    """Return a checked spec; tags are written as for `tag_set`."""
    return plans.check(
        PlanSpec(
            image=images.parse(image),
            inputs=tuple(Input(path=path, tags=tag_set(asked)) for path, asked in inputs.items()),
            outputs=tuple(Output(path=path, tags=tag_set(given)) for path, given in outputs.items()),
            log=None if log is None else Output(path=None, tags=tag_set(log)),
        )
    )


def derived_id(*parts: str) -> str:
    """Return a UUID that follows from `parts`."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(parts)))


class World:
    """What a Knit server keeps, in dictionaries; also the `Facts` of lineage."""

    def __init__(self, limit: int = 1000, *, settled_only: bool = False) -> None:
        self.limit = limit
        self.settled_only = settled_only  # combine with nominations that are not pending themselves, as Knitfab does
        self.now = 1_800_000_000_000
        self.plans: dict[PlanId, Plan] = {}
        self.data: dict[KnitId, Data] = {}
        self.runs: dict[RunId, Run] = {}
        self.made: dict[RunId, Links] = {}
        self.nominated: dict[tuple[PlanId, str], list[KnitId]] = {}
        self.pending: list[tuple[PlanId, Assignment]] = []
        self.index = matching.Index()
        self._pushes = itertools.count()

    # --- what users do

    def push(self, text: str, name: str | None = None) -> Data:
        """Upload a Data: it is done at once."""
        run_id = RunId(derived_id("push", name or str(next(self._pushes))))
        run = Run(run_id=run_id, plan_id=UPLOADS.plan_id, key=run_id, status=Status.RUNNING, updated_at=self.now)
        self._register(UPLOADS, run, ())
        (knit_id,) = (each.knit_id for each in self.made[run_id].outputs)
        self.data[knit_id] = replace(self.data[knit_id], tags=tag_set(text))
        self.finish(run_id)
        return self.data[knit_id]

    def apply(self, new: PlanSpec) -> Plan:
        """Register a Plan and nominate every Data that fits it."""
        plan = Plan(plan_id=PlanId(derived_id("plan", plans.canonical(new))), spec=new)
        assert plans.find_cycle(plan, self.plans.values()) is None
        self.plans[plan.plan_id] = plan
        self.index.add(plan)
        for asked in plan.inputs:
            for data in self.data.values():
                self._nominate(plan, asked, data)
        return plan

    def retag(self, knit_id: KnitId, new: Iterable[Tag]) -> None:
        """Give a Data other tags, and nominate it anew."""
        data = self.data[knit_id] = replace(self.data[knit_id], tags=tags.normal(new))
        for (plan_id, path), fitting in self.nominated.items():
            asked = next(each for each in self.plans[plan_id].inputs if each.path == path)
            if knit_id in fitting and not matching.judge(asked, data).fits:
                fitting.remove(knit_id)
                self.pending = [each for each in self.pending if each != (plan_id, _at(path, knit_id))]
        self._arrive(data)

    # --- what Knit does

    def project(self, position: int = 0) -> None:
        """Take one pending nomination and make the Runs that follow from it."""
        plan_id, trigger = self.pending.pop(position)
        plan = self.plans[plan_id]
        pending = self.pending if self.settled_only else []
        nominated = {
            asked.path: [
                knit_id
                for knit_id in self.nominated.get((plan_id, asked.path), [])
                if (plan_id, _at(asked.path, knit_id)) not in pending
            ]
            for asked in plan.inputs
        }
        found = matching.project(plan, trigger, nominated, self._known, limit=self.limit)
        for combination in found.new:
            key = matching.run_key(plan_id, combination)
            status = Status.WAITING if plan.active else Status.DEACTIVATED
            run = Run(run_id=RunId(key), plan_id=plan_id, key=key, status=status, updated_at=self.now)
            self._register(plan, run, combination)
        if not found.complete:
            self.pending.append((plan_id, trigger))

    def finish(self, run_id: RunId) -> None:
        """Carry a Run to done and match what it made."""
        self.now += 7
        run = self.runs[run_id]
        if run.status is Status.WAITING:
            run = runs.begin(runs.launch(runs.prepare(run, self.now), self.now), self.now)
        self.runs[run_id] = runs.finish(runs.complete(run, self.now, runs.Exit(0)), self.now)
        for knit_id in _products(self.made[run_id]):
            self.data[knit_id] = replace(self.data[knit_id], status=Status.DONE, timestamp=self.now)
            self._arrive(self.data[knit_id])

    def settle(self, choose: Callable[[int], int] = lambda count: 0) -> World:
        """Project and finish, in the order that `choose` (a number below `count`) gives, until nothing is left."""
        while self.step(choose):
            pass
        return self

    def step(self, choose: Callable[[int], int] = lambda count: 0) -> bool:
        """Project one nomination or finish one Run; False if there is none."""
        waiting = self._waiting()
        if not self.pending and not waiting:
            return False
        chosen = choose(len(self.pending) + len(waiting))
        if chosen < len(self.pending):
            self.project(chosen)
        else:
            self.finish(waiting[chosen - len(self.pending)])
        return True

    # --- what lineage asks

    def producers(self, data: Sequence[KnitId]) -> Mapping[KnitId, RunId]:
        return {knit_id: self.data[knit_id].run_id for knit_id in data if knit_id in self.data}

    def consumers(self, data: Sequence[KnitId]) -> Mapping[KnitId, Sequence[RunId]]:
        taken: dict[KnitId, list[RunId]] = {}
        for run_id, links in self.made.items():
            for knit_id in dict.fromkeys(each.knit_id for each in links.inputs):
                taken.setdefault(knit_id, []).append(run_id)
        return {knit_id: taken[knit_id] for knit_id in data if knit_id in taken}

    def links(self, wanted: Sequence[RunId]) -> Mapping[RunId, Links]:
        return {run_id: self.made[run_id] for run_id in wanted}

    # --- inside

    def _waiting(self) -> list[RunId]:
        return [run_id for run_id, run in self.runs.items() if run.status is Status.WAITING]

    def _known(self, keys: Collection[str]) -> Collection[str]:
        return {key for key in keys if RunId(key) in self.runs}

    def _arrive(self, data: Data) -> None:
        for plan, asked in self.index.candidates(data):
            self._nominate(plan, asked, data)

    def _nominate(self, plan: Plan, asked: Input, data: Data) -> None:
        fitting = self.nominated.setdefault((plan.plan_id, asked.path), [])
        if data.knit_id not in fitting and matching.judge(asked, data).fits:
            fitting.append(data.knit_id)
            self.pending.append((plan.plan_id, _at(asked.path, data.knit_id)))

    def _register(self, plan: Plan, run: Run, inputs: tuple[Assignment, ...]) -> None:
        assert run.run_id not in self.runs, "a combination ran twice"
        self.runs[run.run_id] = run
        for output in plan.products:
            knit_id = KnitId(derived_id("data", run.run_id, output.path or "(log)"))
            self.data[knit_id] = Data(
                knit_id=knit_id, tags=output.tags, run_id=run.run_id, path=output.path, status=run.status
            )
        made = [each for each in self.data.values() if each.run_id == run.run_id]
        self.made[run.run_id] = Links(
            run_id=run.run_id,
            inputs=inputs,
            outputs=tuple(_at(each.path, each.knit_id) for each in made if each.path is not None),
            log=next((each.knit_id for each in made if each.path is None), None),
        )


def _at(path: str, knit_id: KnitId) -> Assignment:
    return Assignment(path=path, knit_id=knit_id)


def _products(links: Links) -> list[KnitId]:
    return [*(each.knit_id for each in links.outputs), *([] if links.log is None else [links.log])]


# --- the tutorial -----------------------------------------------------------------------------------------------------

_P = " project:tutorial"
_MP4 = "type:dataset content:movies format:mp4 name:video_mp4_converter" + _P
_MIX, _FLAT, _GIFS = "/pfs/raw_videos_and_images", "/pfs/image_flattener", "/pfs/movie_gifer"

RAW = "format:mixed type:raw-dataset name:raw_videos_and_images" + _P
LOG = "type:log" + _P


def _tutorial(image: str, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> PlanSpec:
    return spec(
        image,
        {path: asked + _P for path, asked in inputs.items()},
        {path: given + _P for path, given in outputs.items()},
        LOG,
    )


TUTORIAL: dict[str, PlanSpec] = {
    "converter": _tutorial(
        "video_mp4_converter:1.0.14", {_MIX: "type:raw-dataset name:raw_videos_and_images"}, {"/pfs/out": _MP4}
    ),
    "flattener": _tutorial(
        "image_flattener:1.0.0",
        {"/pfs/video_mp4_converter": _MP4},
        {"/pfs/out": "type:dataset content:images format:jpeg name:image_flattener"},
    ),
    "extracter": _tutorial(
        "image_extracter:1.0",
        {"/in/mix": "format:mixed type:raw-dataset"},
        {"/out/images": "type:images name:image_extracter"},
    ),
    "tracer": _tutorial(
        "image_tracer:1.0.8",
        {_MIX: "type:images name:image_extracter", _FLAT: "name:image_flattener"},
        {"/pfs/out": "name:image_tracer"},
    ),
    "gif": _tutorial(
        "movie_gifer:1.0.5",
        {_FLAT: "name:image_flattener", "/pfs/image_tracer": "name:image_tracer"},
        {"/pfs/out": "name:movie_gifer"},
    ),
    "shuffler": _tutorial(
        "content_shuffler:1.0.0",
        {_GIFS: "name:movie_gifer", _MIX: "name:image_extracter", "/pfs/image_tracer": "name:image_tracer"},
        {"/pfs/out": "name:content_shuffler"},
    ),
    "collager": _tutorial(
        "content_collager:1.0.64",
        {"/pfs/content_shuffler": "name:content_shuffler"},
        {"/pfs/out": "name:content_collager"},
    ),
}
"""The seven Plans of the beginner's tutorial, by a short name."""


def tutorial() -> World:
    """Return the world of the tutorial: one push, seven Plans, everything run."""
    world = World()
    world.push(RAW)
    for each in TUTORIAL.values():
        world.apply(each)
    return world.settle()
