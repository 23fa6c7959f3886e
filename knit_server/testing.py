"""Fakes and builders for tests of Knit and of what is built on it. Production code never imports this module."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from knit_server.content import tarball
from knit_server.content.manifest import Manifest
from knit_server.domain import images, tags
from knit_server.domain.errors import KnitError, NotFound
from knit_server.domain.plans import Input, Output, PlanSpec
from knit_server.domain.tags import Tags
from knit_server.executors.base import (
    Archive,
    Attempt,
    AttemptId,
    Capacity,
    Description,
    Image,
    Observation,
    Phase,
    Started,
)
from knit_server.persistence import Database, Transaction
from knit_server.service.context import Context, Limits, system_clock
from knit_server.service.signals import Signals, Topics
from knit_server.storage import Store, TreeCache
from knit_server.storage.writer import HasContent, Known, Writer, no_content, nothing_known


class Killed(BaseException):
    """Stands for `kill -9` inside one process: nothing that tidies up may catch it."""


class Trouble:
    """A seam in the store and the database of `temp_knit`: while an error is set here, they raise it.

    `store` concerns whoever stores or reads trees, `database` whoever writes. `met` is set when either was raised.
    `seam` is called before each transaction, and between a commit and its announcement: who orders threads waits there.
    """

    def __init__(self, seam: Callable[[], None] = lambda: None) -> None:
        self.store: KnitError | None = None
        self.database: KnitError | None = None
        self.met = threading.Event()
        self.seam = seam

    def meet(self, error: KnitError | None) -> None:
        """Raise `error`, if there is one."""
        if error is not None:
            self.met.set()
            raise type(error)(error.reason, advice=error.advice)


class _TroubledStore(Store):
    def __init__(self, url: str, trouble: Trouble) -> None:
        super().__init__(url)
        self._trouble = trouble

    def writer(self, known: Known = nothing_known, *, has_content: HasContent = no_content) -> Writer:
        self._trouble.meet(self._trouble.store)
        return super().writer(known, has_content=has_content)

    def manifest(self, key: str) -> Manifest:
        self._trouble.meet(self._trouble.store)
        return super().manifest(key)


class _TroubledDatabase(Database):
    def __init__(self, url: str, on_commit: Callable[[Topics], None], trouble: Trouble) -> None:
        def announce(topics: Topics) -> None:
            trouble.seam()
            on_commit(topics)

        super().__init__(url, announce)
        self._trouble = trouble

    @contextlib.contextmanager
    def read(self) -> Iterator[Transaction]:
        self._trouble.seam()
        with super().read() as tx:
            yield tx

    @contextlib.contextmanager
    def write(self) -> Iterator[Transaction]:
        self._trouble.seam()
        self._trouble.meet(self._trouble.database)
        with super().write() as tx:
            yield tx


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

    def load(
        self, archive: Archive, names: Sequence[str] = (), *, progress: Callable[[str], None] = lambda line: None
    ) -> Sequence[Image]:
        """Read the archive, and make programs of these names that copy names."""
        size = 0
        while block := archive.read(1 << 20):
            size += len(block)
        progress(f"received {size} bytes")
        self.programs |= dict.fromkeys(names, copy_inputs)
        return [self.resolve(name) for name in names]

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

    def runs(self, attempt: AttemptId) -> bool:
        """Whether the program has been started here and has not ended."""
        return attempt in self._ended and not self._ended[attempt].done()

    def stop(self, attempt: AttemptId) -> None:
        """End the program as a signal would."""
        future = self._ended.get(attempt)
        if future is not None and not future.done():
            future.set_result(Observation(phase=Phase.FAILED, code=137, reason="(container main) Killed"))

    def end(self, attempt: AttemptId, seen: Observation = OK) -> None:
        """Let an endless program end by itself; from any thread."""
        future = self._ended[attempt]
        future.get_loop().call_soon_threadsafe(lambda: None if future.done() else future.set_result(seen))

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
    trouble: Trouble | None = None,
) -> Iterator[Context]:
    """Open a Knit on `home` (SQLite unless `url` names another database), without a scheduler."""
    trouble = trouble or Trouble()
    for name in ("runs", "uploads"):
        (home / name).mkdir(parents=True, exist_ok=True)
    signals = Signals()
    db = _TroubledDatabase(url or f"sqlite:///{home / 'knit.db'}", signals.announce, trouble)
    db.open()
    ctx = Context(
        db=db,
        store=_TroubledStore(str(home / "store"), trouble),
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


PATIENCE = 30.0
"""Seconds after which `until` gives up: far more than anything takes that works."""


def until(ctx: Context, condition: Callable[[], object], what: str = "", patience: float = PATIENCE) -> None:
    """Return when `condition` holds. It is looked at after each commit; raises `AssertionError` if it never holds."""
    changed = threading.Event()
    unsubscribe = ctx.signals.subscribe(lambda topics: changed.set())
    deadline = time.monotonic() + patience
    try:
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, f"not in {patience:g} s: {what or condition}"
            changed.wait(min(left, _POLL))  # few commits announce anything: what nobody acts on is only polled
            changed.clear()
    finally:
        unsubscribe()


_POLL = 0.02


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
