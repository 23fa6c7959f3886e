"""Virtual environments that images share: equal `RUN pip install` lines over equal files give one environment.

An environment is built at its final path, because it cannot be moved, and is usable only once its lock file lists what
it holds: that file is written last, by rename. Whoever builds or uses one for a build holds its file lock meanwhile.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from knit_server.domain.errors import InvalidInput, Unavailable
from knit_server.executors.local import environment, trees
from knit_server.executors.local.locks import locked, try_lock
from knit_server.executors.local.pip_lines import PipInstall, PipWord

_LOCK = "knit-lock.json"
_MENTIONS_FILES = re.compile(r"^\s*(-r|-c|-f|-e|--req|--con|--find|--edit|[./])|file:|\.whl|\.zip|\.tar", re.MULTILINE)
_KEPT = re.compile(r"PATH|HOME|USER|TMPDIR|LANG|LC_\w+|PIP_\w+|SSL_\w+|REQUESTS_CA_BUNDLE|NETRC|(?i:\w+_proxy)")
_QUIET = ("--no-input", "--disable-pip-version-check", "--progress-bar=off", "--no-warn-script-location",
          "--root-user-action=ignore")  # fmt: skip
_TOLD_LINES = 15
_ABOUT_PLACES = ("Looking in indexes: ", "Looking in links: ")  # of this machine's pip, not of the image
_BY_OTHER_PYTHON = (22, 3)  # since this version, pip installs into an environment that has no pip itself


@dataclass(frozen=True)
class Venv:
    """A complete environment: its key, where it lies, and what it holds, as `name==version`."""

    key: str
    path: Path
    lock: tuple[str, ...]


def python_version() -> str:
    """The version of the Python at hand, such as 3.11.7."""
    return ".".join(map(str, sys.version_info[:3]))


def host_words(install: PipInstall, stage: Path) -> list[tuple[PipWord, list[Path]]]:
    """pip's arguments, each with the staged files or directories it names. Raises `InvalidInput` for missing ones."""
    found = []
    for word in install.words:
        places: list[Path] = []
        if word.path:
            place = trees.inside(stage, f"{install.workdir}/{word.text}" if word.text[:1] != "/" else word.text)
            places = sorted(place.parent.glob(place.name)) if set(place.name) & set("*?[") else [place]
            if not places or not all(place.exists() for place in places):
                install.at.wrong(
                    f"{word.text} is not in the image at this line", "COPY it before, or correct the path."
                )
        found.append((word, places))
    return found


def key_part(install: PipInstall, stage: Path) -> list[object]:
    """What makes this line's outcome: the arguments, and the content of all files it may read."""
    part: list[object] = []
    for word, places in host_words(install, stage):
        if not places:
            part.append(word.text)
        for place in places:
            if place.is_dir():
                part.append([word.before, word.after, trees.describe(place)[0]])
                continue
            name = "" if word.before else place.name
            part.append([word.before, name, word.after, trees.file_hash(place)])
            if word.before and _MENTIONS_FILES.search(place.read_text(encoding="utf-8", errors="replace")):
                part.append(trees.describe(stage)[0])
    return part


def key_of(parts: Sequence[list[object]], env: Mapping[str, str]) -> str:
    """The name of the environment that these lines make with the Python at hand."""
    settings = {name: value for name, value in env.items() if name.startswith("PIP_")} if parts else {}
    what = [sys.version, sys.base_prefix, list(parts), settings]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]


class VenvStore:
    """The environments below one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def held(self, key: str) -> Iterator[None]:
        """Keep others from building or removing the environment meanwhile."""
        self._root.mkdir(parents=True, exist_ok=True)
        with locked(self._root / f"{key}.lock"):
            yield

    def get(self, key: str) -> Venv | None:
        """The complete environment of that key, or None."""
        path = self._root / key
        try:
            stored = json.loads((path / _LOCK).read_text())
        except (OSError, ValueError):
            return None
        return Venv(key, path, tuple(stored))

    def create(self, key: str, fill: Callable[[Path], None], *, like_ours: bool = False) -> Venv:
        """Make an environment and have `fill` install into it; to be called while it is held.

        With `like_ours` it begins with the packages that this process has (see `environment`).
        """
        path = self._root / key
        trees.remove_tree(path)  # a build that was killed
        try:
            options = environment.venv_options() if like_ours else []
            _run([sys.executable, "-I", "-m", "venv", "--without-pip", *options, str(path)], _environment({}))
            if like_ours:
                environment.fill(path)
            fill(path)
            lock = sorted({*_installed(path), *(environment.packages() if like_ours else ())})
            new = path / f"{_LOCK}.new"
            new.write_text(json.dumps(lock))
            new.replace(path / _LOCK)
        except BaseException:
            trees.remove_tree(path)
            raise
        return Venv(key, path, tuple(lock))

    def remove(self, key: str) -> None:
        """Delete an environment that no image uses; one that a build holds stays."""
        held = try_lock(self._root / f"{key}.lock")
        if held is None:
            return
        try:
            (self._root / key / _LOCK).unlink(missing_ok=True)
            trees.remove_tree(self._root / key)
        finally:
            os.close(held)


def install(path: Path, line: PipInstall, stage: Path, env: Mapping[str, str], progress: Callable[[str], None]) -> None:
    """Run one pip install into the environment at `path`. Raises `InvalidInput` with pip's last lines."""
    arguments = [
        f"{word.before}{text}{word.after}"
        for word, places in host_words(line, stage)
        for text in ([str(place) for place in places] or [word.text])
    ]
    command = [*_pip(path), "install", *_QUIET, *arguments]
    settings = {name: value for name, value in env.items() if name.startswith("PIP_")}
    last: deque[str] = deque(maxlen=_TOLD_LINES)
    with subprocess.Popen(
        command, cwd=trees.inside(stage, line.workdir), env=_environment(settings), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace",
    ) as pip:  # fmt: skip
        assert pip.stdout is not None
        try:
            for text in pip.stdout:
                if not text.startswith(_ABOUT_PLACES):
                    last.append(text.rstrip().replace(str(stage), ""))
                    progress(last[-1])
        except BaseException:
            pip.kill()
            raise
    if pip.returncode != 0:
        raise InvalidInput(
            f"line {line.at.line}: RUN: pip install failed\n" + "\n".join(last),
            advice="pip's last lines say why: often a misspelt name, a version that Python "
            f"{python_version()} has no package of, or an index that cannot be reached from here.",
        )


def _pip(path: Path) -> list[str]:
    """A pip that installs into the environment at `path`: Knit's own where it has one, else one put in there."""
    if importlib.util.find_spec("pip") is not None:
        version = importlib.metadata.version("pip").split(".")
        if tuple(int(part) for part in version[:2]) >= _BY_OTHER_PYTHON:
            return [sys.executable, "-I", "-m", "pip", "--python", str(path / "bin/python")]
    python = str(path / "bin/python")
    if not (path / "bin/pip").exists():
        _run([python, "-I", "-m", "ensurepip", "--default-pip"], _environment({}))
    return [python, "-I", "-m", "pip"]


def _run(command: list[str], env: Mapping[str, str]) -> None:
    done = subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode != 0:
        raise Unavailable(
            f"this Python cannot make a virtual environment: {done.stdout.decode(errors='replace').strip()}",
            advice="Install its modules venv and pip (on Debian: the packages python3-venv, python3-pip).",
        )


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """What pip and the build scripts of packages see of this process: settings of network and pip, no secrets."""
    return {**{name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}, **more}


def _installed(path: Path) -> list[str]:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folders = [str(path / lib / version / "site-packages") for lib in ("lib", "lib64")]
    found = importlib.metadata.distributions(path=folders)
    return sorted({f"{dist.metadata['Name']}=={dist.version}" for dist in found})
