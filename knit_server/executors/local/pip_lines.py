"""`RUN pip install ...` lines: what is accepted of them, and what they mean for a virtual environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from knit_server.executors.local.dockerfile import Instruction
from knit_server.executors.local.words import Operator, split

_OTHER_RUN = (
    "A local image is this machine's Python with packages, so only `RUN pip install ...` is understood. "
    "Look for the tool as a package on the index, or install it on this machine; for a directory, WORKDIR makes one."
)
_PATH_FLAGS = {"-r": "--requirement", "--requirement": "--requirement", "-c": "--constraint",
               "--constraint": "--constraint", "-f": "--find-links", "--find-links": "--find-links"}  # fmt: skip
_VALUE_FLAGS = {
    "-i", "--index-url", "--extra-index-url", "--trusted-host", "--only-binary", "--no-binary", "--timeout",
    "--default-timeout", "--retries", "--upgrade-strategy", "--config-settings", "-C", "--global-option",
}  # fmt: skip
_FLAGS = {
    "-U", "--upgrade", "--pre", "--no-index", "--no-deps", "--prefer-binary", "--no-build-isolation", "--use-pep517",
    "--force-reinstall", "--require-hashes", "--no-compile", "--compile", "-I", "--ignore-installed", "--no-clean",
    "--check-build-dependencies",
}  # fmt: skip
# These change only what is printed, or keep layers small: they must not make two equal environments different.
_DROPPED = {"--no-cache-dir", "-q", "-qq", "--quiet", "-v", "--verbose", "--disable-pip-version-check", "--no-input",
            "--no-warn-script-location", "--no-color"}  # fmt: skip
_DROPPED_VALUES = {"--progress-bar", "--root-user-action", "--cache-dir"}
_REFUSED = {
    "-e": "An editable package would point at the image's own files; install it without -e.",
    "--editable": "An editable package would point at the image's own files; install it without --editable.",
    "-t": "Packages go into the image's own environment; leave the target out.",
    "--target": "Packages go into the image's own environment; leave the target out.",
    "--prefix": "Packages go into the image's own environment; leave the prefix out.",
    "--root": "Packages go into the image's own environment; leave the root out.",
    "--user": "Packages go into the image's own environment; leave --user out.",
}


@dataclass(frozen=True)
class PipWord:
    """One argument of pip. `path` says that `text` names something in the image; `before` is written before it."""

    text: str
    path: bool = False
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class PipInstall:
    """One `pip install`: where it stands, its arguments, and the directory it runs in, as the image sees it."""

    at: Instruction
    words: tuple[PipWord, ...]
    workdir: str


def pip_installs(instruction: Instruction, variables: Mapping[str, str], workdir: str) -> list[PipInstall]:
    """The pip calls of one RUN. Raises `Unsupported` for anything else, with advice."""
    found, command = [], []
    for word in [*_words(instruction, variables), Operator("&&")]:
        if not isinstance(word, Operator):
            command.append(word)
        elif word == "&&":
            found.append(PipInstall(instruction, tuple(_arguments(instruction, command)), workdir))
            command = []
        elif word in {">", "<"}:
            instruction.unsupported(
                f"the shell reads {word} as a redirection", 'Put the requirement into quotes: pip install "name>=1.0".'
            )
        else:
            instruction.unsupported(f"{word} is not understood", "Join several `pip install` with && only.")
    return found


def _words(instruction: Instruction, variables: Mapping[str, str]) -> list[str]:
    value = instruction.value
    while value.startswith("--"):
        option, _, value = value.partition(" ")
        if not option.startswith("--mount=type=cache"):
            instruction.unsupported(f"{option} is not understood", "Leave it out; only cache mounts are passed over.")
        value = value.lstrip()
    if value.startswith("["):
        return exec_form(instruction, value) or []
    if "<<" in value:
        instruction.unsupported("here-documents are not understood", "Write one `RUN pip install ...` per line.")
    try:
        return split(value, variables, operators=True)
    except ValueError as err:
        instruction.wrong(str(err), "Check the quotes of this line.")


def exec_form(instruction: Instruction, value: str) -> list[str] | None:
    """The list of a JSON form such as `["python", "main.py"]`, or None if it is not one."""
    try:
        parsed = json.loads(value)
    except ValueError:
        return None
    if not isinstance(parsed, list) or not all(isinstance(word, str) for word in parsed):
        instruction.wrong("the list must hold strings only", 'Write it as ["python", "main.py"].')
    return parsed


def _arguments(instruction: Instruction, command: list[str]) -> list[PipWord]:
    """The arguments after `pip install`, checked one by one."""
    if len(command) > 2 and command[0] in {"python", "python3"} and command[1] == "-m":
        command = command[2:]
    if len(command) < 2 or command[0] not in {"pip", "pip3"} or command[1] != "install":
        instruction.unsupported(f"{' '.join(command) or 'an empty command'} is not a pip install", _OTHER_RUN)
    words: list[PipWord] = []
    rest = iter(command[2:])
    for word in rest:
        flag, equals, value = word.partition("=")
        if not word.startswith("-"):
            words.append(_requirement(word))
            continue
        if not word.startswith("--") and word[:2] in {"-r", "-c", "-f", "-i"} and len(word) > 2:
            flag, equals, value = word[:2], "=", word[2:]
        if flag in _REFUSED:
            instruction.unsupported(f"pip's {flag} makes no sense in a local image", _REFUSED[flag])
        if flag in _DROPPED or flag in _FLAGS:
            words += [PipWord(flag)] if flag in _FLAGS else []
            continue
        if flag not in _PATH_FLAGS and flag not in _VALUE_FLAGS and flag not in _DROPPED_VALUES:
            instruction.unsupported(f"pip's {flag} is not understood", "Leave the option out, or ask for it.")
        words += _with_value(instruction, flag, value if equals else next(rest, None))
    return words


def _with_value(instruction: Instruction, flag: str, value: str | None) -> list[PipWord]:
    if value is None:
        instruction.wrong(f"pip's {flag} needs a value", "Give it one, or leave the option out.")
    if flag in _DROPPED_VALUES:
        return []
    if flag in _PATH_FLAGS:
        return [PipWord(value, path="://" not in value, before=f"{_PATH_FLAGS[flag]}=")]
    return [PipWord(flag), PipWord(value)]


def _requirement(word: str) -> PipWord:
    """A package by name, or a file or directory of the image, extras and all."""
    name, bracket, extras = word.partition("[")
    local = name.removeprefix("file://")
    looks_local = (
        local.startswith(("/", "."))
        or ("/" in local and "@" not in local)
        or local.endswith((".whl", ".zip", ".tar.gz"))
    )
    if "://" in local or not looks_local or "@" in name:
        return PipWord(word)
    return PipWord(local, path=True, after=bracket + extras)
