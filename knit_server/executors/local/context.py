"""COPY with Docker's semantics: files of a build context into an image's tree."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from knit_server.domain.errors import InvalidInput
from knit_server.executors.local import trees
from knit_server.executors.local.ignore import Ignore, component
from knit_server.executors.local.recipe import Copy, absolute


@dataclass(frozen=True)
class _Found:
    """A source in the context: its path there, and where it lies."""

    path: str
    host: Path


class Context:
    """A directory that an image is built from. Nothing outside of it is ever read."""

    def __init__(self, root: Path, dockerfile: str = "Dockerfile") -> None:
        self.root = root.resolve()
        if not self.root.is_dir():
            raise InvalidInput(f"{root} is not a directory", advice="Name the directory that holds the Dockerfile.")
        self.dockerfile = trees.inside(self.root, dockerfile)
        self.ignore = self._rules()

    def text(self) -> str:
        """The Dockerfile's text. Raises `InvalidInput` where there is none."""
        try:
            if not self.dockerfile.is_file():  # reading a pipe would never end
                raise FileNotFoundError
            return self.dockerfile.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as err:
            name = self.dockerfile.relative_to(self.root)
            raise InvalidInput(
                f"there is no readable {name} in the directory to build",
                advice="Write a Dockerfile that begins with FROM python:3, or name another with --file.",
            ) from err

    def _rules(self) -> Ignore:
        for place in (self.dockerfile.with_name(self.dockerfile.name + ".dockerignore"), self.root / ".dockerignore"):
            if place.is_file() and not place.is_symlink():
                return Ignore.parse(place.read_text(encoding="utf-8", errors="replace"))
        return Ignore()

    def copy(self, step: Copy, stage: Path) -> None:
        """Do what `step` asks, into the image's tree at `stage`. Raises `InvalidInput` with line and advice."""
        found = [source for pattern in step.sources for source in self._sources(step, pattern)]
        target = trees.inside(stage, step.target)
        into = step.into or target.is_dir()
        if len(found) > 1 and not into:
            step.at.wrong(
                f"{len(found)} sources, but {step.target} is no directory", "End the target with a slash: it is one."
            )
        for source in found:
            if source.host.is_dir():
                self._copy_directory(step, source, stage)
            else:
                name = absolute(step.target, source.path.rsplit("/", 1)[-1]) if into else step.target
                _copy_file(step, source.host, trees.inside(stage, name))

    def _sources(self, step: Copy, pattern: str) -> list[_Found]:
        """What a source names: itself, or all that fits its wildcards; at least one."""
        clean = posixpath.normpath(pattern.lstrip("/"))
        if clean.split("/")[0] == "..":
            step.at.wrong(f"{pattern} leaves the context", "Only files of the directory that is built can be copied.")
        clean = "" if clean == "." else clean
        try:
            wild = bool(set(pattern) & set("*?["))
            matches = list(self._matching(component(clean), clean.count("/"))) if wild else [clean]
        except re.error as err:
            step.at.wrong(f"{pattern} is not understood: {err}", "Name the files one by one.")
        found = [_Found(path, self._safe(step, path)) for path in matches if self._there(path)]
        if not found:
            hidden = any(os.path.lexists(self.root / path) for path in matches)
            step.at.wrong(
                f"{pattern} is left out by .dockerignore" if hidden else f"there is no {pattern} in the context",
                "Take it out of .dockerignore." if hidden else "Paths begin at the directory to build.",
            )
        return found

    def _there(self, path: str) -> bool:
        host = self.root / path
        return os.path.lexists(host) and (not self.ignore.covers(path) or (host.is_dir() and self.ignore.may_return))

    def _matching(self, expression: re.Pattern[str], depth: int) -> Iterator[str]:
        """Paths that fit, one component of the pattern per component of the path, in order of name."""
        for path, _ in trees.walk(self.root):
            if path.count("/") == depth and expression.fullmatch(path):
                yield path

    def _safe(self, step: Copy, path: str) -> Path:
        """Where a source lies, links followed within the context only."""
        real = (self.root / path).resolve()
        if not real.is_relative_to(self.root):
            step.at.wrong(
                f"{path} is a link that leaves the context", "Only files of the directory that is built can be copied."
            )
        return real

    def _copy_directory(self, step: Copy, source: _Found, stage: Path) -> None:
        """The content of a directory, not the directory itself, into the target."""
        _make_directory(step, trees.inside(stage, step.target))
        for path, entry in trees.walk(source.host):
            if self.ignore.covers(f"{source.path}/{path}".lstrip("/")):
                continue
            place = trees.inside(stage, f"{step.target}/{path.rpartition('/')[0]}") / entry.name
            if entry.is_dir(follow_symlinks=False):
                _make_directory(step, trees.inside(stage, f"{step.target}/{path}"))
            elif entry.is_symlink():
                _make_directory(step, place.parent)
                place.unlink(missing_ok=True)
                place.symlink_to(os.readlink(entry.path))
            elif entry.is_file():
                _copy_file(step, Path(entry.path), trees.inside(stage, f"{step.target}/{path}"))
            else:
                step.at.wrong(f"{path} is neither file, directory nor link", "Name it in .dockerignore.")


def _make_directory(step: Copy, place: Path) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as err:
        raise InvalidInput(
            f"line {step.at.line}: {step.at.word}: {step.target} is a file already", advice="Choose another target."
        ) from err


def _copy_file(step: Copy, source: Path, place: Path) -> None:
    _make_directory(step, place.parent)
    if place.is_dir():
        step.at.wrong(f"{step.target} holds a directory of that name already", "Choose another target.")
    shutil.copyfile(source, place)
    mode = step.mode if step.mode is not None else stat.S_IMODE(source.stat().st_mode) & 0o777
    place.chmod(mode | stat.S_IRUSR)
