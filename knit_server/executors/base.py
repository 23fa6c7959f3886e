"""The executor protocol: what the scheduler asks of whatever runs a Plan's image.

An attempt is named by (run id, number); the name is all that is needed to observe or stop it, also after a crash of
the server between starting the attempt and recording that it was started.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol


class AttemptId(NamedTuple):
    """Which try of which Run."""

    run_id: str
    number: int

    def __str__(self) -> str:
        return f"{self.run_id}-{self.number}"


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A directory a program sees: `path` as the Plan names it, `host` where it lies on this machine."""

    path: str
    host: Path


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try of a Run, ready to start on an executor whose staging is `host`.

    `entrypoint` and `args` are the Plan's; empty means that the image's own stays, with container semantics.
    `inputs` are shown read-only; `outputs` are existing, empty, writable directories. `log` is the file that receives
    stdout and stderr as they come, or None where the Plan keeps no log. `folder` belongs to this attempt alone (scratch
    space, /tmp of the program). `cpu` is in cores, `memory` in bytes; None means no limit.
    """

    id: AttemptId
    image: str
    entrypoint: Sequence[str] = ()
    args: Sequence[str] = ()
    inputs: Sequence[Mount] = ()
    outputs: Sequence[Mount] = ()
    log: Path | None = None
    folder: Path
    cpu: float | None = None
    memory: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)


class Phase(enum.Enum):
    """What an executor sees of an attempt."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    VANISHED = "vanished"  # never started, or gone without an exit code


@dataclass(frozen=True, kw_only=True)
class Observation:
    """An attempt as seen now. `code` is 0-255 once ended; `reason` is one word or sentence for people."""

    phase: Phase
    code: int | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Started:
    """What really runs: the image's identity and the sandbox around it, to be recorded with the Run."""

    image_digest: str
    sandbox: str


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What one machine offers to Runs: cores and bytes of memory."""

    cpu: float
    memory: int


@dataclass(frozen=True, kw_only=True)
class Description:
    """What an executor enforces, for `knit serve` and the health page. `notes` gives the reasons, one a line."""

    name: str
    sandbox: str
    memory_limit: str  # "cgroup-v1", "cgroup-v2", "watchdog" or "none"
    cpu_limit: str  # "cgroup-v1", "cgroup-v2" or "none"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Image:
    """A local image. `created` is in milliseconds since the epoch, `size` in bytes without what images share.

    `python` is the version that a built image runs on, "" for a loaded one, which brings its own programs. `volumes`
    are the paths that a loaded image declares; they are a hint for people only.
    """

    digest: str
    names: tuple[str, ...]
    created: int
    size: int
    python: str
    workdir: str
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


class Archive(Protocol):
    """The bytes of an archive of images."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, b"" at the end."""
        ...


class ImageStore(Protocol):
    """Images by name. Every name is `[host[:port]/][ns/]name:tag`; no tag means `latest`."""

    def build(
        self,
        context: Path,
        name: str,
        *,
        dockerfile: str = "Dockerfile",
        build_args: Mapping[str, str] | None = None,
        progress: Callable[[str], None] = lambda line: None,
    ) -> Image:
        """Build `context` (a directory) as `name`. Raises `InvalidInput` or `Unsupported` with line and advice."""
        ...

    def load(
        self, archive: Archive, names: Sequence[str] = (), *, progress: Callable[[str], None] = lambda line: None
    ) -> Sequence[Image]:
        """Load the images of a docker-save or OCI archive under `names`, else under their own.

        Raises `InvalidInput` or `Unsupported`; then nothing of the archive is left.
        """
        ...

    def list(self) -> list[Image]:
        """All images, newest last."""
        ...

    def resolve(self, name: str) -> Image:
        """The image of that name. Raises `NotFound` with advice."""
        ...

    def tag(self, name: str, new: str) -> Image:
        """Give the image `name` the further name `new`. Raises `NotFound`."""
        ...

    def remove(self, name: str) -> None:
        """Take a name away; an image without names is deleted. Raises `NotFound`."""
        ...


class Executor(Protocol):
    """Runs attempts. All calls but `wait` return at once and may be made from the scheduler's own thread only."""

    @property
    def staging(self) -> Literal["host", "self"]:
        """Who brings inputs and takes outputs: this machine's directories, or the attempt by itself."""
        ...

    @property
    def images(self) -> ImageStore:
        """The images it can run."""
        ...

    def describe(self) -> Description:
        """What it is and what it enforces."""
        ...

    def capacity(self) -> Capacity:
        """What it can give to Runs in all."""
        ...

    def start(self, attempt: Attempt) -> Started:
        """Start the attempt. Raises `KnitError` (unknown image, program not found) if it cannot start at all."""
        ...

    async def wait(self, attempt: AttemptId) -> Observation:
        """Return when the attempt has ended. An attempt this process did not start is VANISHED once nothing is left."""
        ...

    def observe(self, attempt: AttemptId) -> Observation:
        """See how the attempt is doing, without waiting."""
        ...

    def stop(self, attempt: AttemptId) -> None:
        """Kill whatever is left of the attempt, background children included. Unknown attempts are fine."""
        ...

    def close(self) -> None:
        """Stop everything that this process started."""
        ...
