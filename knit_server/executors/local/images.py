"""The images of this machine, without a container engine.

A built image is the Python at hand, a virtual environment, files at absolute paths, and settings; a loaded one is a
whole root file system, and settings. On disk, below `root`:

    tags.json             {name: digest}; replaced as a whole
    lock                  held while names or images change
    <hex>/                one image, named by its digest
        config.json       everything but the files; written before the folder gets its name
        files/            what was copied, at its absolute path below here; or the root file system
    venvs/<key>/          an environment that images share (see `venvs`), usable once knit-lock.json is in it
    venvs/<key>.lock      held while it is built
    new/<random>/         a build under way; the folder is locked by its builder, so that leftovers are told apart

The digest of a loaded image is that of its configuration, as everywhere. That of a built one is taken over what really
runs: the Python, the packages installed, the files (content and whether they are programs) and the settings. Equal
builds are one image under several names.
"""

from __future__ import annotations

import difflib
import fcntl
import hashlib
import json
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knit_server.domain import images as image_names
from knit_server.domain.errors import Conflict, NotFound, Unavailable
from knit_server.executors.base import Archive, Image
from knit_server.executors.local import environment, loading, trees, venvs
from knit_server.executors.local import recipe as recipes
from knit_server.executors.local.context import Context
from knit_server.executors.local.locks import locked, try_lock
from knit_server.executors.local.pip_lines import PipInstall
from knit_server.executors.local.recipe import Copy, MakeDirectory, Recipe

SMALL_ENTRIES = 256  # copying costs about 0.1 ms each, for every attempt
SMALL_BYTES = 16 * 1024 * 1024
_SYSTEM_LINK = re.compile(r"bin|sbin|lib\w*")
_HEX_DIGITS = 64  # of a SHA-256
_LIST = "List the images: knit image ls"
"""What to do where a name was meant to be there already."""

PipStep = Callable[[PipInstall, Path], None]


@dataclass(frozen=True)
class LocalImage:
    """An image as an executor uses it: what people see of it, where its parts lie, and whether it is small.

    A small image's files are copied for each attempt, so that a program may write to them; those of a larger one are
    shown read-only. An image without a `venv` is a root file system: nothing of this machine is put into it.
    """

    image: Image
    files: Path
    venv: Path | None
    small: bool


class LocalImageStore:
    """Images below one folder, shared by threads and processes. Implements `ImageStore`."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._venvs = venvs.VenvStore(self.root / "venvs")

    def build(
        self,
        context: Path,
        name: str,
        *,
        dockerfile: str = "Dockerfile",
        build_args: Mapping[str, str] | None = None,
        progress: Callable[[str], None] = lambda line: None,
    ) -> Image:
        """Build `context` as `name`. Raises `InvalidInput` or `Unsupported` with line and advice, `OutOfSpace`."""
        name = _full(name)
        source = Context(context, dockerfile)
        recipe = recipes.read(source.text(), build_args)
        for warning in recipe.warnings:
            progress(f"warning: {warning}")
        with trees.told("building an image"), self._stage() as stage:
            parts: list[list[object]] = [["environment", *environment.packages()]] if recipe.environment else []
            self._follow(recipe, source, stage / "files", lambda line, at: parts.append(venvs.key_part(line, at)))
            key = venvs.key_of(parts, recipe.env)
            with self._venvs.held(key):
                venv = self._venvs.get(key) or self._new_venv(key, recipe, source, progress)
                self._commit(stage, recipe, venv, name)
        return self.resolve(name)

    def load(
        self, archive: Archive, names: Sequence[str] = (), *, progress: Callable[[str], None] = lambda line: None
    ) -> Sequence[Image]:
        """Load the images of an archive, all or none. Raises `InvalidInput`, `Unsupported`, `OutOfSpace`."""
        wanted = [_full(name) for name in names]
        with trees.told("loading an image"), ExitStack() as stages:
            received = loading.receive(archive, stages.enter_context(self._stage()))
            choices = loading.choose(received, wanted, progress)
            called = [[_full(name) for name in choice.names] for choice in choices]
            ready: dict[str, Path] = {}
            for choice in choices:
                if not self._folder(choice.digest).is_dir():
                    ready[choice.digest] = stages.enter_context(self._stage())
                    self._unpack(received, choice, ready[choice.digest], progress)
            with self._changing() as tags:
                for choice, of in zip(choices, called, strict=True):
                    self._settle(choice.digest, ready.get(choice.digest))
                    tags.update(dict.fromkeys(of, choice.digest))
                self._sweep(tags)
        for choice, of in zip(choices, called, strict=True):
            progress(f"loaded {', '.join(of)} ({choice.digest[:19]})")
        return [self.resolve(of[0]) for of in called]

    def list(self) -> list[Image]:
        """All images, newest last."""
        tags, found = self._tags(), []
        for digest in set(tags.values()):
            with suppress(NotFound):  # removed meanwhile
                found.append(self._load(digest, tags).image)
        return sorted(found, key=lambda image: (image.created, image.digest))

    def resolve(self, name: str) -> Image:
        """The image of that name. Raises `NotFound` with advice."""
        return self.locate(name).image

    def locate(self, name: str) -> LocalImage:
        """The image of that name and where its parts lie. Raises `NotFound`, `InvalidInput` for an impossible name."""
        tags = self._tags()
        return self._load(self._digest(tags, name), tags)

    def tag(self, name: str, new: str) -> Image:
        """Give the image `name` the further name `new`. Raises `NotFound`."""
        new = _full(new)
        with self._changing() as tags:
            tags[new] = self._digest(tags, name, advice=_LIST)
            self._sweep(tags)
        return self.resolve(new)

    def remove(self, name: str) -> None:
        """Take a name away; an image without names is deleted. Raises `NotFound`, `Conflict` while a Run uses it."""
        with self._changing() as tags:
            digest = self._digest(tags, name, advice=_LIST)
            del tags[_full(name)]
            if digest not in tags.values() and not self._forget(digest):
                raise Conflict(f"a Run uses the image {name}", advice="Remove it when the Run has ended.")

    def use(self, image: LocalImage) -> int:
        """Keep the image from being deleted until the file descriptor returned is closed. Raises `Unavailable`."""
        held = try_lock(image.files.parent, shared=True) if image.files.is_dir() else None
        if held is None:
            raise Unavailable(f"the image {image.image.digest} is being removed", advice="Build it again.")
        return held

    @contextmanager
    def _stage(self) -> Iterator[Path]:
        """A folder for a build, gone afterwards unless it became an image; what earlier crashes left goes first."""
        new = self.root / "new"
        new.mkdir(parents=True, exist_ok=True)
        for left in new.iterdir():
            held = try_lock(left) if left.is_dir() else None
            if held is not None and time.time() - left.stat().st_mtime > 60:  # younger ones may be about to be locked
                trees.remove_tree(left)
            if held is not None:
                os.close(held)
        stage = Path(tempfile.mkdtemp(dir=new))
        held = os.open(stage, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_SH)
            (stage / "files").mkdir()
            yield stage
        finally:
            os.close(held)
            trees.remove_tree(stage)

    def _follow(self, recipe: Recipe, source: Context, files: Path, pip: PipStep) -> None:
        """Do the steps in order below `files`; `pip` is called for each pip install, with the files so far."""
        links = [
            files / name for name in os.listdir("/") if _SYSTEM_LINK.fullmatch(name) and Path("/", name).is_symlink()
        ]
        for link in links:  # /bin is /usr/bin here: the image's files have to go there as well
            link.symlink_to(os.readlink(Path("/", link.name)))
        for step in recipe.steps:
            if isinstance(step, Copy):
                source.copy(step, files)
            elif isinstance(step, MakeDirectory):
                trees.inside(files, step.path).mkdir(parents=True, exist_ok=True)
            else:
                pip(step, files)
        for link in links:
            link.unlink()

    def _new_venv(self, key: str, recipe: Recipe, source: Context, progress: Callable[[str], None]) -> venvs.Venv:
        """Build an environment, over files of its own: building a package may write beside its sources."""

        def fill(path: Path) -> None:
            with self._stage() as stage:
                self._follow(recipe, source, stage / "files", lambda line, at: run(path, line, at))

        def run(path: Path, line: PipInstall, files: Path) -> None:
            progress(f"line {line.at.line}: {line.at.word} {line.at.value}")
            venvs.install(path, line, files, recipe.env, progress)

        return self._venvs.create(key, fill, like_ours=recipe.environment)

    def _commit(self, stage: Path, recipe: Recipe, venv: venvs.Venv, name: str) -> str:
        """Make what was staged an image, or find that it is one already, and name it."""
        entries, size = trees.describe(stage / "files")
        settings = {
            "workdir": recipe.workdir, "env": recipe.env, "entrypoint": recipe.entrypoint, "cmd": recipe.cmd,
        }  # fmt: skip
        base = f"{platform.python_implementation()} {venvs.python_version()} {sys.platform} {platform.machine()}"
        identity = json.dumps([base, venv.lock, entries, settings], sort_keys=True)
        digest = "sha256:" + hashlib.sha256(identity.encode()).hexdigest()
        small = len(entries) <= SMALL_ENTRIES and size <= SMALL_BYTES
        warnings = list(recipe.warnings)
        if not small:
            warnings.append(f"the image holds {len(entries)} files and {size} bytes: programs see them read-only")
        config = {
            **settings, "digest": digest, "created": time.time_ns() // 1_000_000, "size": size, "base": base,
            "python": venvs.python_version(), "venv": venv.key, "lock": venv.lock, "warnings": warnings, "small": small,
        }  # fmt: skip
        (stage / "config.json").write_text(json.dumps(config, indent=1))
        with self._changing() as tags:
            self._settle(digest, stage)
            tags[name] = digest
            self._sweep(tags)
        return digest

    def _unpack(
        self, received: loading.Received, choice: loading.Choice, stage: Path, progress: Callable[[str], None]
    ) -> None:
        """Make a stage ready to become an image: the root file system, and what its configuration says."""
        made, config = loading.unpack(received, choice, stage / "files", progress), choice.config
        about = {
            "workdir": config.workdir, "env": dict(config.env), "entrypoint": config.entrypoint, "cmd": config.cmd,
            "digest": choice.digest, "created": time.time_ns() // 1_000_000, "size": made.size, "base": config.platform,
            "python": "", "venv": None, "warnings": loading.notes(choice, made), "small": False,
            "volumes": config.volumes,
        }  # fmt: skip
        (stage / "config.json").write_text(json.dumps(about, indent=1))

    def _settle(self, digest: str, stage: Path | None) -> None:
        """Let a stage become the image, unless there is that image already. Call it while the names are held."""
        if self._folder(digest).is_dir():
            return
        if stage is None:
            raise Conflict(f"the image {digest} was removed meanwhile", advice="Load it again.")
        stage.chmod(0o755)
        stage.rename(self._folder(digest))

    def _sweep(self, tags: Mapping[str, str]) -> None:
        """Delete the images that lost their last name; one that a Run uses goes another time."""
        for digest in self._digests() - set(tags.values()):
            self._forget(digest)

    def _forget(self, digest: str) -> bool:
        """Delete an image, and its environment if no other image has it; False while a Run uses it."""
        held = try_lock(self._folder(digest))
        if held is None:
            return False
        try:
            key = self._config(digest)["venv"]
            trees.remove_tree(self._folder(digest))
            if key is not None and all(self._config(other)["venv"] != key for other in self._digests()):
                self._venvs.remove(key)
        finally:
            os.close(held)
        return True

    def _digests(self) -> set[str]:
        """Of all images here, named or not."""
        return {f"sha256:{path.name}" for path in self.root.iterdir() if len(path.name) == _HEX_DIGITS}

    @contextmanager
    def _changing(self) -> Iterator[dict[str, str]]:
        """The names, to be changed: stored when the block ends well, seen by others all at once."""
        self.root.mkdir(parents=True, exist_ok=True)
        with trees.told("changing the image store"), locked(self.root / "lock"):
            tags = self._tags()
            yield tags
            new = self.root / "tags.json.new"
            with new.open("w") as file:
                json.dump(tags, file, indent=1, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.root / "tags.json")

    def _tags(self) -> dict[str, str]:
        try:
            tags: dict[str, str] = json.loads((self.root / "tags.json").read_text())
        except FileNotFoundError:
            return {}
        return tags

    def _digest(self, tags: Mapping[str, str], name: str, advice: str | None = None) -> str:
        wanted = _full(name)
        if wanted not in tags:
            near = difflib.get_close_matches(wanted, tags, n=1, cutoff=0.5)
            raise NotFound(
                f"there is no image {wanted} on this machine" + (f"; did you mean {near[0]}?" if near else ""),
                advice=advice
                or f"Build it: knit image build -t {wanted} DIR\n"
                f"or load it from an archive: knit image load -t {wanted} FILE\n"
                f"or name an image of yours so: knit image tag {near[0] if near else 'EXISTING'} {wanted}",
            )
        return tags[wanted]

    def _folder(self, digest: str) -> Path:
        return self.root / digest.removeprefix("sha256:")

    def _config(self, digest: str) -> dict[str, Any]:
        config: dict[str, Any] = json.loads((self._folder(digest) / "config.json").read_text())
        return config

    def _load(self, digest: str, tags: Mapping[str, str]) -> LocalImage:
        try:
            config = self._config(digest)
        except FileNotFoundError as err:
            raise NotFound(f"the image {digest} is gone", advice="Build it again: knit image build") from err
        image = Image(
            digest=digest,
            names=tuple(sorted(name for name, of in tags.items() if of == digest)),
            created=config["created"],
            size=config["size"],
            python=config["python"],
            workdir=config["workdir"],
            entrypoint=tuple(config["entrypoint"]),
            cmd=tuple(config["cmd"]),
            env=config["env"],
            warnings=tuple(config["warnings"]),
            volumes=tuple(config.get("volumes", ())),
        )
        venv = None if config["venv"] is None else self.root / "venvs" / config["venv"]
        return LocalImage(image, self._folder(digest) / "files", venv, config["small"])


def _full(name: str) -> str:
    """The name with its tag, `latest` where it has none. Raises `InvalidInput` for what is no image name."""
    return str(image_names.parse(name))
