"""Extension commands: a program `knit-NAME` on PATH is the subcommand `knit NAME`, unless there is one built in.

PATH is read only for a word that is no built-in, and for help. The program takes the place of this process: it has its
stdin, stdout and stderr, and its exit code is the command's. Rules: docs/cli.md, "Extension commands".
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from knit_cli.frame import Root
from knit_server.domain.errors import InvalidInput

PREFIX = "knit-"
_ENDINGS = (".exe", ".bat", ".cmd", ".com")
"""Endings that are no part of a command's name, one of them at most."""


def listed(environ: Mapping[str, str]) -> dict[str, Path]:
    """Return all extension commands by name; of several programs of a name the first on PATH counts."""
    found: dict[str, Path] = {}
    for name, path in _programs(environ.get("PATH", "")):
        found.setdefault(name, path)
    return dict(sorted(found.items()))


def find(name: str, environ: Mapping[str, str]) -> Path | None:
    """Return the program of one extension command."""
    return next((path for each, path in _programs(environ.get("PATH", "")) if each == name), None)


def section(environ: Mapping[str, str], built_in: Sequence[str]) -> str:
    """Return the part of the root's help about extension commands, "" if there are none; hidden ones are warned of."""
    found = listed(environ)
    rows = [f"  {name:<28} (= {path})" for name, path in found.items() if name not in built_in]
    hidden = [
        f"  [WARN] {path} is hidden by the built-in `knit {name}`; give it another name to use it"
        for name, path in found.items()
        if name in built_in
    ]
    return "\n".join(["\n\nExtensions:", *rows, *hidden]) if found else ""


def execute(program: Path, words: Sequence[str], root: Root) -> NoReturn:
    """Become `program`. Raises `InvalidInput` if it cannot be started."""
    surroundings = {**os.environ, **variables(root)}
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and what is ignored stays so in a new program
    try:
        os.execve(program, [str(program), *words], surroundings)  # noqa: S606 - a list of words, no shell text
    except (OSError, ValueError) as err:
        why = err.strerror if isinstance(err, OSError) else str(err)
        raise InvalidInput(
            f"{program} cannot be started: {why}",
            advice="An extension command is a program, or a script that begins with `#!` and its interpreter.",
        ) from err


def variables(root: Root) -> dict[str, str]:
    """Return what an extension is told: the profile's name, the store it is in, and the `knitenv`, "" if there is none.

    No profile needs to be there.
    """
    from knit_server.client import profiles

    selected = profiles.select(name=root.profile, store=root.store)
    knitenv = Path(root.env) if root.env else profiles.nearest(profiles.ENV_FILE, Path.cwd())
    return {
        "KNIT_PROFILE": selected.name,
        "KNIT_PROFILE_STORE": os.path.abspath(selected.store),
        "KNIT_ENV": os.path.abspath(knitenv) if knitenv else "",
    }


def _programs(path: str) -> Iterator[tuple[str, Path]]:
    """Give names and absolute paths of all programs that are extension commands, in the order of PATH."""
    for folder in path.split(os.pathsep) if path else ():
        place = os.path.abspath(folder or ".")
        try:
            with os.scandir(place) as entries:
                files = sorted(entry.name for entry in entries if entry.name.startswith(PREFIX))
        except (OSError, ValueError):  # not there, or not for us: as for shells, no matter
            continue
        for file in files:
            full = os.path.join(place, file)
            if (name := _name(file)) and os.path.isfile(full) and os.access(full, os.X_OK):
                yield name, Path(full)


def _name(file: str) -> str:
    name = file.removeprefix(PREFIX)
    ending = next((each for each in _ENDINGS if name.lower().endswith(each)), "")
    return name[: len(name) - len(ending)]
