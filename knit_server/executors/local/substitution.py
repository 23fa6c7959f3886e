"""The sandbox without any: the Plan's paths are replaced by real ones wherever the command and environment name them.

For machines without bubblewrap. The program sees the machine as the user that runs Knit; inputs are private copies, so
that whatever it does to them harms nothing else. Paths that a program has in its own text are not replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from knit_server.domain.errors import Unsupported
from knit_server.executors.local import trees
from knit_server.executors.local.images import LocalImage
from knit_server.executors.local.program import LAUNCH, REFUSED, environment, with_python
from knit_server.executors.local.sandbox import Command, Job, checked, mount_path, prepare_root

# Directories that an image fills together with the machine: only what the image itself puts there is replaced.
_SHARED = {
    "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root", "/run",
    "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var",  # noqa: S108
}  # fmt: skip


class Substitution:
    """Programs as plain processes, with paths replaced in entrypoint, arguments and environment."""

    name = "substitution"

    def command(self, job: Job) -> Command:
        """The command that runs `job`, after copying its inputs. Raises `InvalidInput`, `OutOfSpace`."""
        attempt, image = job.attempt, job.image
        if image.venv is None:
            raise Unsupported(
                f"{attempt.image} is a loaded image, a system of its own, and this server has no sandbox to run it in",
                advice="Install bubblewrap on the server and start it again, or build the image from a Dockerfile with "
                "FROM python: knit image build",
            )
        places = {mount_path(mount): mount.host for mount in attempt.outputs}
        with trees.told("copying a Run's inputs"):
            prepare_root(job.root, image, copy=True)
            for number, mount in enumerate(attempt.inputs):
                places[mount_path(mount)] = job.root.with_name("inputs") / str(number)
                trees.remove_tree(places[mount.path])
                trees.copy_tree(mount.host, places[mount.path], read_only=True)
        for path, host in places.items():
            _link(job.root, path, host)
        for path in own_paths(image, ""):
            places.setdefault(path, job.root / path[1:])
        replace = Replacer(places)
        tmp = str(job.root / "tmp")
        env = {"TMPDIR": tmp, **environment(image.image, attempt, image.venv, tmp, replace)}
        command = with_python([replace(word) for word in job.command], image.venv)
        argv = ["/bin/sh", "-c", LAUNCH, str(job.root / REFUSED), *command]
        checked([*argv, *env, *env.values()])
        return Command(argv, env, trees.inside(job.root, image.image.workdir))


def _link(root: Path, path: str, host: Path) -> None:
    """Let a relative path lead to a mount as well, where the image has nothing of its own in that place."""
    place = trees.inside(root, path)
    with suppress(
        OSError
    ):  # a directory with content, or a file on the way: the mount is reached by its full path only
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            place.rmdir()
        place.symlink_to(host)


class Replacer:
    """Replaces paths in a text: whole components only, also inside of words, the longest path first, once."""

    def __init__(self, places: Mapping[str, Path]) -> None:
        self._places = {path: str(place) for path, place in places.items()}
        paths = "|".join(re.escape(path) for path in sorted(self._places, key=len, reverse=True))
        # Before a path: nothing, no part of another path, `file://`, or a short option such as -I.
        before = r"(?:(?<![\w./~+)}\]-])|(?<=://)|(?<=^-[A-Za-z]))"
        self._pattern = re.compile(rf"{before}(?:{paths})(?![\w.~+@%-])") if paths else None

    def __call__(self, text: str) -> str:
        """The text with every known path replaced."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._places[found[0]], text)


def own_paths(image: LocalImage, folder: str) -> Iterator[str]:
    """The absolute paths that only the image has: its own directories, and its files in shared ones."""
    for entry in (image.files / folder[1:]).iterdir():
        path = f"{folder}/{entry.name}"
        shared = path in _SHARED or (folder != "" and Path(path).is_dir())
        if shared and entry.is_dir() and not entry.is_symlink():
            yield from own_paths(image, path)
        else:
            yield path
