"""What a Dockerfile asks for: its instructions, read in order, become a few plain steps and the image's settings."""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from knit_server.domain.errors import InvalidInput
from knit_server.executors.local.dockerfile import Instruction, parse
from knit_server.executors.local.pip_lines import PipInstall, exec_form, pip_installs
from knit_server.executors.local.words import expand, split

DEFAULT_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED_OVER = {"LABEL", "EXPOSE", "VOLUME", "HEALTHCHECK", "STOPSIGNAL", "MAINTAINER", "SHELL"}
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_ENVIRONMENT = re.compile(r"knit/environment(?::[\w.-]+)?")
_PYTHON = re.compile(r"(?:[\w.:-]+/)*python(?::(?P<tag>[\w.-]+))?(?:@sha256:[0-9a-f]+)?")


@dataclass(frozen=True)
class Copy:
    """COPY or ADD: sources relative to the context, and where they go in the image (absolute)."""

    at: Instruction
    sources: tuple[str, ...]
    target: str
    into: bool  # the target was written with a slash at its end: it is a directory
    mode: int | None = None


@dataclass(frozen=True)
class MakeDirectory:
    """WORKDIR makes its directory where it is missing."""

    path: str


Step = Copy | MakeDirectory | PipInstall


@dataclass
class Recipe:
    """A whole Dockerfile, understood."""

    steps: list[Step] = field(default_factory=list)
    workdir: str = "/"
    env: dict[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    warnings: list[str] = field(default_factory=list)
    environment: bool = False
    """Whether it begins with the packages of the server's own environment (FROM knit/environment)."""


def read(text: str, build_args: Mapping[str, str] | None = None) -> Recipe:
    """Understand the text of a Dockerfile. Raises `InvalidInput` or `Unsupported` with line and advice."""
    return _Reader(build_args or {}).read(parse(text))


class _Reader:
    """Goes through the instructions once, keeping the variables as they stand."""

    def __init__(self, build_args: Mapping[str, str]) -> None:
        self._given = dict(build_args)
        self._args: dict[str, str] = {}
        self._global_args: dict[str, str] = {}
        self._started = False
        self._recipe = Recipe()
        self._do: dict[str, Callable[[Instruction], None]] = {
            "FROM": self._from, "ARG": self._arg, "ENV": self._env, "WORKDIR": self._workdir, "COPY": self._copy,
            "ADD": self._add, "RUN": self._run, "ENTRYPOINT": self._entrypoint, "CMD": self._cmd, "USER": self._user,
            "ONBUILD": self._onbuild,
        }  # fmt: skip

    def read(self, instructions: list[Instruction]) -> Recipe:
        for instruction in instructions:
            if not self._started and instruction.word not in {"FROM", "ARG"}:
                instruction.wrong("there is no FROM before it", "Begin the Dockerfile with FROM python:3.")
            if instruction.word in _PASSED_OVER:
                self._warn(instruction, "is noted and has no effect here")
            elif instruction.word in self._do:
                self._do[instruction.word](instruction)
            else:
                instruction.wrong("there is no such instruction", "Check the spelling, or the \\ of the line before.")
        if not self._started:
            raise InvalidInput("the Dockerfile has no FROM", advice="Begin it with FROM python:3.")
        return self._recipe

    @property
    def _variables(self) -> dict[str, str]:
        return {"PATH": DEFAULT_PATH, **self._args, **self._recipe.env}

    def _warn(self, instruction: Instruction, text: str) -> None:
        self._recipe.warnings.append(f"line {instruction.line}: {instruction.word} {text}")

    def _expand(self, instruction: Instruction, text: str) -> str:
        try:
            return expand(text, self._variables)
        except ValueError as err:
            instruction.wrong(str(err), "Check the quotes and variables of this line.")

    def _split(self, instruction: Instruction, text: str) -> list[str]:
        try:
            return split(text, self._variables)
        except ValueError as err:
            instruction.wrong(str(err), "Check the quotes and variables of this line.")

    def _from(self, instruction: Instruction) -> None:
        if self._started:
            instruction.unsupported(
                "several build stages are not offered", "Do the work of the earlier stages before, and COPY the result."
            )
        self._started = True
        words = [word for word in self._split(instruction, instruction.value) if not word.startswith("--")]
        self._global_args, self._args = self._args, {}
        if words and _ENVIRONMENT.fullmatch(words[0]):
            self._recipe.environment = True
            return
        base = _PYTHON.fullmatch(words[0]) if words else None
        if base is None:
            instruction.unsupported(
                f"a local image is built from python only, not from {' '.join(words)}",
                "Write FROM python:3, and bring the rest as packages (RUN pip install) and files (COPY); "
                "FROM knit/environment has the packages of the server's own environment.",
            )
        self._check_version(instruction, base["tag"] or "")

    def _check_version(self, instruction: Instruction, tag: str) -> None:
        asked = re.match(r"(\d+)(?:\.(\d+))?", tag)
        if asked is None:
            return
        if asked[1] != str(sys.version_info.major):
            instruction.unsupported(f"this machine has no Python {asked[1]}", "Write FROM python:3.")
        if asked[2] is not None and int(asked[2]) != sys.version_info.minor:
            here = ".".join(map(str, sys.version_info[:3]))
            self._warn(instruction, f"asks for Python {asked[0]}; this image runs on Python {here}")

    def _arg(self, instruction: Instruction) -> None:
        for word in self._split(instruction, instruction.value):
            name, equals, default = word.partition("=")
            if name in self._given:
                self._args[name] = self._given[name]
            elif equals:
                self._args[name] = default
            elif self._started and name in self._global_args:
                self._args[name] = self._global_args[name]

    def _env(self, instruction: Instruction) -> None:
        first = instruction.value.split(maxsplit=1)
        if "=" not in first[0]:
            if len(first) < 2:
                instruction.wrong(f"{first[0]} has no value", "Write ENV NAME=value.")
            self._recipe.env[first[0]] = self._expand(instruction, first[1])
            return
        pairs = {}
        for word in self._split(instruction, instruction.value):
            name, equals, value = word.partition("=")
            if not (name and equals):
                instruction.wrong(f"{word!r} is not NAME=value", "Put a value with spaces into quotes.")
            pairs[name] = value
        self._recipe.env.update(pairs)

    def _workdir(self, instruction: Instruction) -> None:
        given = self._expand(instruction, instruction.value)
        self._recipe.workdir = absolute(self._recipe.workdir, given)
        self._recipe.steps.append(MakeDirectory(self._recipe.workdir))

    def _copy(self, instruction: Instruction) -> None:
        value, mode = self._copy_options(instruction)
        words = exec_form(instruction, value) if value.startswith("[") else None
        if words is None:
            if "<<" in value:
                instruction.unsupported("here-documents are not understood", "Put the text into a file of the context.")
            words = self._split(instruction, value)
        else:
            words = [self._expand(instruction, word) for word in words]
        if len(words) < 2:
            instruction.wrong("a source or the target is missing", f"Write {instruction.word} SOURCE... TARGET.")
        *sources, target = words
        into = target.endswith(("/", "/.")) or target in {".", ".."}
        place = absolute(self._recipe.workdir, target)
        self._recipe.steps.append(Copy(instruction, tuple(sources), place, into, mode))

    def _copy_options(self, instruction: Instruction) -> tuple[str, int | None]:
        value, mode = instruction.value, None
        while value.startswith("--"):
            option, _, value = value.partition(" ")
            name, _, given = option.partition("=")
            value = value.lstrip()
            if name == "--chmod" and re.fullmatch(r"0?[0-7]{3}", self._expand(instruction, given)):
                mode = int(self._expand(instruction, given), 8)
            elif name == "--chown":
                self._warn(instruction, "--chown has no effect here: programs run as the user that runs Knit")
            elif name == "--from":
                instruction.unsupported("--from is not offered", "Put the files into the context and COPY them.")
            elif name != "--link":
                instruction.unsupported(f"{option} is not understood", "Leave the option out.")
        return value, mode

    def _add(self, instruction: Instruction) -> None:
        self._copy(instruction)
        step = self._recipe.steps[-1]
        for source in step.sources if isinstance(step, Copy) else ():
            if "://" in source or source.startswith("git@"):
                instruction.unsupported(f"{source} would be downloaded", "Download it into the context and COPY it.")
            if source.endswith(_ARCHIVES):
                instruction.unsupported(
                    f"{source} would be unpacked", "Unpack it in the context and COPY the files, or COPY it as it is."
                )

    def _run(self, instruction: Instruction) -> None:
        self._recipe.steps += pip_installs(instruction, self._variables, self._recipe.workdir)

    def _entrypoint(self, instruction: Instruction) -> None:
        self._recipe.entrypoint = _command(instruction)

    def _cmd(self, instruction: Instruction) -> None:
        self._recipe.cmd = _command(instruction)

    def _user(self, instruction: Instruction) -> None:
        instruction.unsupported(
            "programs run as the user that runs Knit", "Leave USER out; the sandbox keeps the program in its place."
        )

    def _onbuild(self, instruction: Instruction) -> None:
        instruction.unsupported("nothing is built from a local image", "Leave ONBUILD out.")


def absolute(workdir: str, path: str) -> str:
    """`path` as seen from `workdir`, absolute and clean; `..` stops at the root."""
    return "/" + posixpath.normpath(posixpath.join(workdir, path)).lstrip("/")


def _command(instruction: Instruction) -> tuple[str, ...]:
    words = exec_form(instruction, instruction.value) if instruction.value.startswith("[") else None
    return ("/bin/sh", "-c", instruction.value) if words is None else tuple(words)
