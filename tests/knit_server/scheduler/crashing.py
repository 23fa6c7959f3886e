"""Killing a scheduler between two steps, and beginning anew in the same home."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from scheduler_programs import PROGRAMS
from scheduler_world import World, a_world

from knit_server.domain.runs import TERMINAL, Status
from knit_server.scheduler import Scheduler
from knit_server.service import data
from knit_server.service.context import Limits
from knit_server.testing import FakeExecutor, Killed, some_tags

CHECKPOINTS = (
    "claimed",
    "staged",
    "started",
    "recorded",
    "ended",
    "exited",
    "stored",
    "finished",
    "adopted",
    "projected",
)
"""In the order in which a Run passes them; `projected` belongs to the step that makes Runs."""


class Fuse:
    """Kills a scheduler the `count`-th time it comes to the checkpoint `name`; whatever still moves dies there too."""

    def __init__(self, name: str = "", count: int = 1) -> None:
        self._name, self._left = name, count
        self._guard = threading.Lock()
        self.blown = False

    def __call__(self, name: str) -> None:
        with self._guard:
            if name == self._name and not self.blown:
                self._left -= 1
                self.blown = self._left <= 0
            if self.blown:
                raise Killed(name)


class Home:
    """A home that outlives its servers. One executor's list of starts goes through all of its lives."""

    def __init__(self, path: Path, url: str | None = None, now: Callable[[], int] | None = None) -> None:
        self.path, self.url, self.now = path, url, now
        self.started: list[Any] = []

    @contextlib.contextmanager
    def open(self, **limits: int) -> Iterator[World]:
        """Open it without a scheduler."""
        executor = FakeExecutor(started=self.started)
        settings = {"url": self.url, "now": self.now, "limits": Limits(**limits)}
        with a_world(self.path, PROGRAMS, executor=executor, **settings) as world:
            yield world

    def live(self, fuse: Fuse | None = None, *, exclusive: bool = True, **limits: int) -> bool:
        """Let a scheduler run until all Runs have ended or it is killed; says whether it was."""
        fuse = fuse or Fuse()
        with self.open(**limits) as world:
            scheduler = Scheduler(world.ctx, exclusive=exclusive, checkpoint=fuse, retry_after=0.01)
            with contextlib.suppress(Killed):
                scheduler.start()
            world.until(lambda: fuse.blown or self.is_over(world), "all Runs have ended, or the end")
            scheduler.stop()
        return fuse.blown

    @staticmethod
    def is_over(world: World) -> bool:
        """Whether every Run has ended and is tidied up after."""
        return world.counts().keys() <= {status.value for status in TERMINAL} and not world.folders()


def make_work(world: World) -> None:
    """Two pushes into two Plans: two Runs of the first, then four of the second."""
    world.apply("join:1", {"/in": ("a:b",)}, "c:d", log=("kind:log",))
    world.apply("join:1", {"/x": ("c:d",), "/y": ("a:b",)}, "e:f")
    for text in "12":
        world.push("a:b", files={"f": text})


ENDS = {f"/x/joined.txt: /in/f: {first}\n/y/f: {second}" for first in "12" for second in "12"}
"""What the second Plan's Runs write after `make_work`."""


def check_ended(world: World) -> None:
    """Every combination has exactly one Run, all are done, and each Data has its content."""
    assert world.counts() == {"done": 8}
    found = data.find(world.ctx, data.DataQuery(tags=some_tags("e:f")))
    assert {world.pull(each.data.knit_id)["joined.txt"] for each in found} == ENDS
    assert len(found) == len(ENDS)
    assert len(world.everything()) == 2 + 2 * 2 + 4
    assert world.folders() == []


def check_meanwhile(world: World) -> None:
    """Nothing of an unfinished Run is usable, and what is usable is right."""
    known = {*ENDS, "/in/f: 1", "/in/f: 2"}
    for run in world.runs():
        for output in run.outputs:
            if run.run.status is Status.DONE:
                assert world.pull(output.knit_id)["joined.txt"] in known
            else:
                with contextlib.suppress(data.NotUsable):
                    world.pull(output.knit_id)
                    raise AssertionError(f"Data {output.knit_id} of a Run that is {run.run.status.value} was pulled")
