"""What users and programs do in races: anything, at any moment, on a small set of Plans."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import io
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from scheduler_world import UPLOADED, World

from knit_server.domain.errors import Conflict, NotFound, Unavailable
from knit_server.domain.retries import RetryPolicy
from knit_server.domain.runs import DELETABLE, RETRIABLE, Status
from knit_server.domain.views import PlanView, RunView
from knit_server.executors.base import Attempt, AttemptId, Observation, Phase
from knit_server.service import data, plan_changes, plans, runs
from knit_server.service.data import TagChange
from knit_server.testing import OK, FakeExecutor, a_plan, a_push, some_tags

ERROR = Observation(phase=Phase.FAILED, code=3, reason="(container main) Error")
GONE = Observation(phase=Phase.VANISHED)
ENDLESS = Observation(phase=Phase.RUNNING)
FATES = {OK: 8, ERROR: 2, GONE: 1, ENDLESS: 1}
"""How programs end, and how often."""
POLICIES = (
    RetryPolicy(tries=3, on=("exit", "lost")),
    RetryPolicy(tries=2, wait=700, on=("exit:3",)),
    RetryPolicy(tries=3, wait=2_000, on=("lost", "timeout")),
)
TIMEOUT = 2_000
"""Milliseconds; only programs that never end take as long."""
STOPPABLE = set(Status) - RETRIABLE - {Status.INVALIDATED}
TAGS = ("a:1", "b:1", "c:1")
PLANS: tuple[tuple[Mapping[str, tuple[str, ...]], tuple[str, ...]], ...] = (
    ({"/in": ("a:1",)}, ("c:1",)),
    ({"/l": ("c:1",), "/r": ("b:1",)}, ("d:1",)),
    ({"/in": ("d:1",)}, ()),
    ({"/in": ("a:1", "b:1")}, ("e:1",)),
)
"""Inputs and outputs: a chain with a join in its middle, and one that tags given by hand lead to."""


def told(attempt: Attempt) -> str:
    """What a program says of itself: which attempt it is, and a digest over what it was given."""
    given = hashlib.sha256()
    for mount in sorted(attempt.inputs, key=lambda each: each.path):
        for path in sorted(mount.host.rglob("*")):
            if path.is_file():
                given.update(f"{mount.path} {path.name} ".encode() + path.read_bytes() + b"\n")
    return f"{attempt.id.run_id} {attempt.id.number} {given.hexdigest()}"


class Programs:
    """The image `work:N`: it writes who it is and ends as the dice say, at once or when `later` comes to it."""

    def __init__(
        self, dice: random.Random, later: Callable[[Callable[[], None]], None], *, endless: bool = True
    ) -> None:
        self._dice, self._later = dice, later
        self._chances = {fate: chance for fate, chance in FATES.items() if endless or fate is not ENDLESS}
        self.fates: dict[AttemptId, Observation] = {}
        self.words: dict[AttemptId, str] = {}
        self.executor: FakeExecutor | None = None

    def __call__(self, attempt: Attempt) -> Observation:
        """Run."""
        fate = self._dice.choices(list(self._chances), list(self._chances.values()))[0]
        self.words[attempt.id] = told(attempt)
        self.fates[attempt.id] = fate
        for mount in attempt.outputs:
            (mount.host / "told").write_text(self.words[attempt.id])
        if fate is ENDLESS or self._dice.random() < 0.4:
            return fate
        executor = self.executor
        assert executor is not None
        self._later(lambda: executor.end(attempt.id, fate) if executor.runs(attempt.id) else None)
        return Observation(phase=Phase.RUNNING)


class Hooks:
    """Hooks of a race: they agree or refuse, at once, slowly, or hardly ever, as the dice say."""

    def __init__(self, dice: random.Random, *, wanted: bool) -> None:
        self.wanted = wanted
        self.told: list[tuple[str, int, Status]] = []
        self._dice = dice

    async def before(self, run: RunView) -> Mapping[str, str]:
        """Be asked."""
        await self._take_time()
        if self._dice.random() < 0.2:
            raise Unavailable("a hook refuses")
        return {"ATTEMPT": str(run.run.attempt)}

    async def after(self, run: RunView) -> None:
        """Be told."""
        self.told.append((run.run.run_id, run.run.attempt, run.run.status))
        await self._take_time()

    async def close(self) -> None:
        """Go."""

    async def _take_time(self) -> None:
        if (pause := self._dice.choice((None, 0.0, 0.005, 0.1, 2.0))) is not None:
            await asyncio.sleep(pause)


class _Slowly(io.BytesIO):
    """A stream at each block of which others may come in between."""

    def __init__(self, content: bytes, seam: Callable[[], None]) -> None:
        super().__init__(content)
        self._seam = seam

    def read(self, size: int | None = -1, /) -> bytes:
        self._seam()
        return super().read(size)


class Users:
    """Does things to one Knit. Whatever it does may be refused, but in no other way than `Conflict` and `NotFound`.

    What is on the `agenda`, by name, comes first. It pushes and tags at most `most` times: each leads to more Runs.
    """

    def __init__(
        self, world: World, dice: random.Random, seam: Callable[[], None] = lambda: None, *, most: int = 1_000
    ) -> None:
        self.world, self.dice, self.seam = world, dice, seam
        self.plans: list[PlanView] = []
        self.done: Counter[str] = Counter()
        self.stopped: dict[str, set[str]] = {"abort": set(), "tearoff": set()}
        self.trace: list[str] = []
        self.agenda: list[str] = []
        self._left = iter(range(most))

    def register(self) -> None:
        """Apply the Plans that all begins with."""
        for index in range(len(PLANS)):
            self.apply(index)

    def apply(self, index: int) -> None:
        """Register one of `PLANS`, in its next variant."""
        inputs, outputs = PLANS[index]
        made = {f"/out/{n}": (tag,) for n, tag in enumerate(outputs)}
        image = f"work:{len(self.plans)}"
        spec = a_plan(image, inputs, made, log=("kind:log",) if index == 0 else None, active=self.dice.random() < 0.8)
        policy = self.dice.choice((None, None, *POLICIES))
        spec = dataclasses.replace(spec, retry=policy, timeout=self.dice.choice((None, None, TIMEOUT)))
        self.plans.append(plans.apply(self.world.ctx, spec))

    def act(self) -> None:
        """Do one thing."""
        acts: tuple[tuple[Callable[[], object], int], ...] = (
            (self.push, 4), (self.retag, 4), (self.retry, 6), (self.remove, 4), (self.abort, 4), (self.tearoff, 4),
            (self.switch, 4), (self.archive, 2), (self.add_plan, 1), (self.look, 1),
        )  # fmt: skip
        act = self.dice.choices([each for each, _ in acts], [weight for _, weight in acts])[0]
        if self.agenda:
            act = getattr(self, self.agenda.pop(0))
        try:
            act()
        except (Conflict, NotFound) as err:
            self.done[f"{act.__name__} refused"] += 1
            self.trace.append(f"{act.__name__} refused: {err.reason}")
        else:
            self.done[act.__name__] += 1

    # --- one thing each

    def push(self, tags: tuple[str, ...] | None = None) -> None:
        """Push a Data; now and then slowly, so that it can be stopped."""
        number = self._take()
        tags = tags or tuple(self.dice.sample(TAGS, self.dice.choice((1, 1, 2))))
        with TemporaryDirectory(dir=self.world.ctx.home) as folder:
            content = a_push(Path(folder), {"told": f"push {number}"}).read()
        made = data.upload(self.world.ctx, _Slowly(content, self.seam), some_tags(*tags))
        self.trace.append(f"push {made.data.knit_id} {tags}")

    def retag(self) -> None:
        """Change the tags of some Data."""
        self._take()
        found = self.world.everything()
        if found:
            knit_id = self.dice.choice(found).data.knit_id
            add, remove = (some_tags(*self.dice.sample(TAGS, self.dice.choice((0, 1, 1, 2)))) for _ in "ar")
            keys = ("c",) if self.dice.random() < 0.1 else ()
            data.retag(self.world.ctx, knit_id, TagChange(add=add, remove=remove, remove_keys=keys))
            self.trace.append(f"retag {knit_id} +{add} -{remove} -{keys}")

    def retry(self) -> None:
        """Retry some Run, now and then with all that was made from it."""
        run_id = self._some_run(RETRIABLE)
        runs.retry(self.world.ctx, run_id, downstream=self.dice.random() < 0.5)
        self.trace.append(f"retry {run_id}")

    def remove(self) -> None:
        """Delete some Run, now and then with all that was made from it."""
        run_id = self._some_run(DELETABLE)
        runs.delete(self.world.ctx, run_id, downstream=self.dice.random() < 0.3)
        self.trace.append(f"delete {run_id}")

    def abort(self) -> None:
        """Stop some Run and count it as failed."""
        run_id = self._some_run(STOPPABLE)
        self.stopped["abort"].add(run_id)  # before it is done: it may have been, though it was refused
        runs.abort(self.world.ctx, run_id)
        self.trace.append(f"abort {run_id}")

    def tearoff(self) -> None:
        """Stop some Run and keep what it made."""
        run_id = self._some_run(STOPPABLE)
        self.stopped["tearoff"].add(run_id)
        runs.tearoff(self.world.ctx, run_id)
        self.trace.append(f"tearoff {run_id}")

    def switch(self) -> None:
        """Switch some Plan."""
        plan, active = self.dice.choice(self.plans), self.dice.random() < 0.6
        plans.set_active(self.world.ctx, plan.plan.plan_id, active)
        self.trace.append(f"switch {plan.plan.plan_id} {active}")

    def archive(self) -> None:
        """Archive some Plan, or take it out."""
        plan, back = self.dice.choice(self.plans), self.dice.random() < 0.7
        (plan_changes.unarchive if back else plan_changes.archive)(self.world.ctx, plan.plan.plan_id)
        self.trace.append(f"{'un' if back else ''}archive {plan.plan.plan_id}")

    def add_plan(self) -> None:
        """Register a further Plan like one of the others."""
        if len(self.plans) < len(PLANS) + 2:
            self.apply(self.dice.randrange(len(PLANS)))

    def stop_endless(self, fates: Mapping[AttemptId, Observation]) -> bool:
        """Stop all programs that never end; False if there are none."""
        running = [each.run for each in self.world.runs() if each.run.status is Status.RUNNING]
        endless = [each.run_id for each in running if fates[AttemptId(each.run_id, each.attempt)] is ENDLESS]
        for run_id in endless:
            name = self.dice.choice(list(self.stopped))
            self.stopped[name].add(run_id)
            (runs.abort if name == "abort" else runs.tearoff)(self.world.ctx, run_id)
        return bool(endless)

    def look(self) -> None:
        """Read; what is shown together belongs together."""
        for view in self.world.everything():
            assert view.producer.run.status is view.data.status

    def _take(self) -> int:
        number = next(self._left, None)
        if number is None:
            raise NotFound("it is enough")
        return number

    def _some_run(self, fitting: Collection[Status]) -> str:
        """Choose a Run: mostly one that stands where it can be done, often what changed last, seldom an upload."""
        found = runs.find(self.world.ctx, runs.RunQuery())
        ours = [run for run in found if run.plan.name != UPLOADED or self.dice.random() < 0.2]
        likely = [run for run in ours if run.run.status in fitting]
        if not ours:
            raise NotFound("there is no Run yet")
        some = likely if likely and self.dice.random() < 0.8 else ours
        return (some[-1] if self.dice.random() < 0.5 else self.dice.choice(some)).run.run_id
