"""What both sandboxes share: a job to do, and the command that does it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from knit_server.domain.errors import InvalidInput
from knit_server.executors.base import Attempt, Mount
from knit_server.executors.local import trees
from knit_server.executors.local.images import LocalImage

_KERNEL = re.compile(r"/(?:proc|dev|sys)(?:/.*)?")


@dataclass(frozen=True)
class Job:
    """An attempt in its image. `root` becomes the program's private `/`, as far as the sandbox can show it one."""

    attempt: Attempt
    image: LocalImage
    command: list[str]
    root: Path


@dataclass(frozen=True)
class Command:
    """A command of this machine, ready to start.

    `inherit` are file descriptors that it needs, to be closed after the start; `status` is one to read from when the
    command has ended, or None.
    """

    argv: list[str]
    env: Mapping[str, str]
    cwd: Path
    inherit: tuple[int, ...] = ()
    status: int | None = None


class Sandbox(Protocol):
    """One way to keep a program in its place."""

    name: str

    def command(self, job: Job) -> Command:
        """The command that runs `job`. Raises `KnitError`."""
        ...


def mount_path(mount: Mount) -> str:
    """The path of a mount. Raises `InvalidInput` where nothing can be mounted."""
    path = mount.path
    if path != posixpath.normpath(path) or not path.startswith("/") or path.startswith("//") or path == "/":
        raise InvalidInput(f"{path!r} is not a clean absolute path", advice="Write it like /in/images.")
    if _KERNEL.fullmatch(path):
        raise InvalidInput(f"{path} belongs to the kernel", advice="Mount below a directory of your own, like /in.")
    return path


def checked(words: Iterable[str]) -> None:
    """Raise `InvalidInput` for what no command line can hold: a NUL would end a word early."""
    for word in words:
        if "\0" in word:
            raise InvalidInput(f"{word!r} has a NUL in it", advice="Take it out of the Plan, the image or the setting.")


def prepare_root(root: Path, image: LocalImage | None, *, copy: bool, workdir: str | None = None) -> None:
    """Make the program's private tree: with `copy` the image's files, then /tmp and the working directory.

    `workdir` is where that lies in an image with links of its own.
    """
    trees.remove_tree(root)
    root.mkdir(parents=True)
    if image is not None and copy:
        trees.copy_tree(image.files, root)
    linked = image is not None and (image.files / "var").is_symlink()
    for folder in ("tmp",) if linked else ("tmp", "var/tmp"):
        place = trees.inside(root, folder)
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o1777)
    if image is not None:
        trees.inside(root, workdir or image.image.workdir).mkdir(parents=True, exist_ok=True)
