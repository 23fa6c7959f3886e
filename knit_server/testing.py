"""Fakes and builders for tests of Knit and of what is built on it. Production code never imports this module."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from knit_server.content import tarball
from knit_server.domain import images, tags
from knit_server.domain.errors import NotFound
from knit_server.domain.plans import Input, Output, PlanSpec
from knit_server.domain.tags import Tags
from knit_server.executors.base import (
    Attempt,
    AttemptId,
    Capacity,
    Description,
    Image,
    Observation,
    Phase,
    Started,
)
from knit_server.persistence import Database
from knit_server.service.context import Context, Limits, system_clock
from knit_server.service.signals import Signals
from knit_server.storage import Store, TreeCache


class Killed(BaseException):
    """Stands for `kill -9` inside one process: nothing that tidies up may catch it."""


class ManualClock:
    """A clock that moves only when told; milliseconds."""

    def __init__(self, now: int = 1_700_000_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        """Return the time it shows."""
        return self.now

    def advance(self, milliseconds: int) -> None:
        """Move on."""
        self.now += milliseconds


Program = Callable[[Attempt], Observation]
"""Stands for an image: gets the attempt, may write into its outputs, says how it ended."""

OK = Observation(phase=Phase.SUCCEEDED, code=0)


def copy_inputs(attempt: Attempt) -> Observation:
    """Write into each output one file that names the inputs' files."""
    names = sorted(str(path.name) for mount in attempt.inputs for path in mount.host.rglob("*") if path.is_file())
    for mount in attempt.outputs:
        (mount.host / "names.txt").write_text("\n".join(names))
    if attempt.log is not None:
        attempt.log.write_text(f"{len(names)} files\n")
    return OK


def failing(code: int, reason: str = "(container main) Error") -> Program:
    """Return a program that ends with `code`."""
    return lambda attempt: Observation(phase=Phase.FAILED, code=code, reason=reason)


def endless(attempt: Attempt) -> Observation:
    """Never end: the attempt runs until it is stopped."""
    return Observation(phase=Phase.RUNNING)


class FakeImages:
    """Images that need no building: `programs` by name."""

    def __init__(self, programs: Mapping[str, Program]) -> None:
        self.programs = dict(programs)

    def build(
        self, context: Path, name: str, *, dockerfile: str = "Dockerfile",
        build_args: Mapping[str, str] | None = None, progress: Callable[[str], None] = lambda line: None,
    ) -> Image:  # fmt: skip
        """Make a program of that name that copies names."""
        progress(f"building {name} from {dockerfile}")
        self.programs[name] = copy_inputs
        return self.resolve(name)

    def list(self) -> list[Image]:
        """All images."""
        return [self.resolve(name) for name in self.programs]

    def resolve(self, name: str) -> Image:
        """The image of that name. Raises `NotFound`."""
        if name not in self.programs:
            raise NotFound(f"there is no image {name}", advice=f"Build it: knit image build -t {name} DIR")
        return Image(
            digest=f"sha256:{tags.digest(tags.Tag('image', name)).hex()}", names=(name,), created=0, size=0,
            python="3", workdir="/", entrypoint=(), cmd=(), env={},
        )  # fmt: skip

    def tag(self, name: str, new: str) -> Image:
        """Give an image a further name. Raises `NotFound`."""
        self.programs[new] = self.programs[self.resolve(name).names[0]]
        return self.resolve(new)

    def remove(self, name: str) -> None:
        """Take a name away. Raises `NotFound`."""
        del self.programs[self.resolve(name).names[0]]


@dataclass
class FakeExecutor:
    """Runs programs that are Python functions, at once. `started` lists every attempt, in order."""

    images: FakeImages = field(default_factory=lambda: FakeImages({}))
    cpu: float = 1e6
    memory: int = 1 << 60
    staging: Literal["host", "self"] = "host"
    started: list[AttemptId] = field(default_factory=list)
    _ended: dict[AttemptId, asyncio.Future[Observation]] = field(default_factory=dict)

    def describe(self) -> Description:
        """It enforces nothing."""
        return Description(name="fake", sandbox="none", memory_limit="none", cpu_limit="none")

    def capacity(self) -> Capacity:
        """As much as it was told."""
        return Capacity(cpu=self.cpu, memory=self.memory)

    def start(self, attempt: Attempt) -> Started:
        """Run the program; its end is seen by `wait`. Raises `NotFound`."""
        image = self.images.resolve(attempt.image)
        self.started.append(attempt.id)
        future: asyncio.Future[Observation] = asyncio.get_running_loop().create_future()
        self._ended[attempt.id] = future
        seen = self.images.programs[attempt.image](attempt)
        if seen.phase is not Phase.RUNNING:
            future.set_result(seen)
        return Started(image_digest=image.digest, sandbox="none")

    async def wait(self, attempt: AttemptId) -> Observation:
        """Return how the program ended."""
        future = self._ended.get(attempt)
        return Observation(phase=Phase.VANISHED) if future is None else await asyncio.shield(future)

    def observe(self, attempt: AttemptId) -> Observation:
        """Say how the program stands."""
        future = self._ended.get(attempt)
        if future is None:
            return Observation(phase=Phase.VANISHED)
        return future.result() if future.done() else Observation(phase=Phase.RUNNING)

    def stop(self, attempt: AttemptId) -> None:
        """End the program as a signal would."""
        future = self._ended.get(attempt)
        if future is not None and not future.done():
            future.set_result(Observation(phase=Phase.FAILED, code=137, reason="(container main) Killed"))

    def close(self) -> None:
        """Forget everything: the process is gone."""
        self._ended.clear()


@contextlib.contextmanager
def temp_knit(
    home: Path,
    *,
    programs: Mapping[str, Program] | None = None,
    executor: FakeExecutor | None = None,
    url: str | None = None,
    now: Callable[[], int] | None = None,
    limits: Limits | None = None,
) -> Iterator[Context]:
    """Open a Knit on `home` (SQLite unless `url` names another database), without a scheduler."""
    for name in ("runs", "uploads"):
        (home / name).mkdir(parents=True, exist_ok=True)
    signals = Signals()
    db = Database(url or f"sqlite:///{home / 'knit.db'}", on_commit=signals.announce)
    db.open()
    ctx = Context(
        db=db,
        store=Store(str(home / "store")),
        trees=TreeCache(home / "trees"),
        executor=executor or FakeExecutor(FakeImages(programs or {})),
        signals=signals,
        home=home,
        now=now or system_clock,
        limits=limits or Limits(),
    )
    try:
        yield ctx
    finally:
        ctx.trees.close()
        ctx.store.close()
        db.close()


def some_tags(*texts: str) -> Tags:
    """Return tags from their texts."""
    return tags.normal(tags.parse(text) for text in texts)


def a_plan(
    image: str,
    inputs: Mapping[str, tuple[str, ...]],
    outputs: Mapping[str, tuple[str, ...]] | None = None,
    *,
    log: tuple[str, ...] | None = None,
    active: bool = True,
    resources: Mapping[str, str] | None = None,
) -> PlanSpec:
    """Return a Plan with these inputs and outputs, as path -> texts of tags."""
    return PlanSpec(
        image=images.parse(image),
        inputs=tuple(Input(path=path, tags=some_tags(*texts)) for path, texts in inputs.items()),
        outputs=tuple(Output(path=path, tags=some_tags(*texts)) for path, texts in (outputs or {}).items()),
        log=None if log is None else Output(path=None, tags=some_tags(*log)),
        active=active,
        resources=dict(resources or {}),
    )


_counter = itertools.count()


def a_push(folder: Path, files: Mapping[str, str] | None = None) -> io.BytesIO:
    """Return the tar.gz stream of a small directory made below `folder`."""
    source = folder / f"push-{next(_counter)}"
    source.mkdir(parents=True)
    for name, text in (files or {"a.txt": "a"}).items():
        (source / name).write_text(text)
    return io.BytesIO(b"".join(tarball.pack_directory(source)))
