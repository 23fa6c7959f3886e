"""The notebooks that come with Knit, and how they get into a folder of the user's.

A file that the user has changed is never overwritten: a list beside the copies says what they were when they were
written (`.knit-notebooks.json`: name -> SHA-256). What is still so is brought up to date, everything else stays.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from knit_server.content.door import show, translated
from knit_server.domain.errors import NotFound

LIST = ".knit-notebooks.json"
_HERE = Path(__file__).parent
_PLACES = (_HERE / "_notebooks", _HERE.parent / "notebooks")
"""Where they are: in an installation from a wheel, and in a checkout."""
_LEFT_OUT = ("__pycache__", ".ipynb_checkpoints")


class Deed(StrEnum):
    """What happened to a file: `kept` is one that the user has changed, and that is another one in this Knit."""

    NEW = "new"
    UPDATED = "updated"
    SAME = "same"
    KEPT = "kept"


class Copied(NamedTuple):
    """One file, by its path in the folder."""

    path: Path
    deed: Deed


def source() -> Path:
    """Return the folder of the notebooks that came with this Knit. Raises `NotFound`."""
    found = next((place for place in _PLACES if (place / "tutorial").is_dir()), None)
    if found is None:
        raise NotFound("there are no notebooks in this installation of Knit", advice="Install it anew, from its wheel.")
    return found


def copy(origin: Path, folder: Path) -> list[Copied]:
    """Copy all files below `origin` into `folder`, which is made. Raises `KnitError` if that cannot be written."""
    known = _known(folder / LIST)
    with translated(f"writing to {show(str(folder))}"):
        folder.mkdir(parents=True, exist_ok=True)
        done = [_copy(name, origin, folder, known) for name in sorted(_files(origin))]
        _write(folder / LIST, json.dumps(known, indent=1, sort_keys=True).encode() + b"\n")
    return done


def _copy(name: str, origin: Path, folder: Path, known: dict[str, str]) -> Copied:
    """Copy one file, unless the user's own is there; `known` learns what it was copied as."""
    path, ours = folder / name, (origin / name).read_bytes()
    digest = hashlib.sha256(ours).hexdigest()
    if not os.path.lexists(path):
        deed = Deed.NEW
    else:
        theirs = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        deed = Deed.SAME if theirs == digest else Deed.UPDATED if theirs == known.get(name) else Deed.KEPT
    if deed in (Deed.NEW, Deed.UPDATED):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, ours)
        shutil.copymode(origin / name, path)
    if deed is not Deed.KEPT:
        known[name] = digest
    return Copied(path, deed)


def _files(origin: Path) -> Iterator[str]:
    for path in origin.rglob("*"):
        name = path.relative_to(origin)
        if path.is_file() and not set(name.parts) & set(_LEFT_OUT) and name.name != LIST:
            yield str(name)


def _known(path: Path) -> dict[str, str]:
    """Return what was written before; nothing if that is not known, so that whatever is there counts as changed."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(digest) for name, digest in held.items()} if isinstance(held, dict) else {}


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is there completely or not at all, and never through a link."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
