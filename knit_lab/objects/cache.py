"""Files of Data on this machine: fetched once, verified, read-only, named by what they hold.

A Data is fetched as a whole (and verified by its content id) into `<cache>/trees/<content id>`; it appears there by
renaming, so what is there is whole. Two Data with the same content (names, bytes, modes and
times) share it.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from uuid import uuid4

from knit_lab.display import progress as bars
from knit_server.content.door import show, translated
from knit_server.content.restore import remove_tree
from knit_server.domain.errors import InvalidInput

if TYPE_CHECKING:
    from knit_lab.objects.data import Data
    from knit_lab.session import Session


def path(session: Session, data: Data, name: str | None) -> Path:
    """Return where `name` in `data` (or all of it) lies on this machine. Raises `NotFound`, `KnitError`."""
    from knit_lab.objects.data import missing

    tree = _tree(session, data)
    if name is None:
        return tree
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts:
        raise InvalidInput(f"not the name of a file in a Data: {name!r}", advice="See the names: .files")
    if not os.path.lexists(tree / inside):
        raise missing(data, name)
    return tree / inside


def _tree(session: Session, data: Data) -> Path:
    details = data.details
    content_id = str(details["contentId"])
    place = session.cache / "trees" / re.sub(r"[^A-Za-z0-9_-]", "-", content_id)
    if place.is_dir():
        return place
    with translated(f"making the cache {show(str(place.parent))}"):
        place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(f".{place.name}-{uuid4().hex}")
    try:
        with bars.shown(True, int(details.get("size") or 0), "fetched") as tell:
            session.client.pull(data.id, fresh, progress=tell)
        with translated(f"writing to the cache {show(str(place.parent))}"):
            _protect(fresh)
        with contextlib.suppress(OSError):  # somebody else was faster: theirs is the same
            fresh.rename(place)
    finally:
        if fresh.exists():
            remove_tree(fresh)
    return place


def _protect(tree: Path) -> None:
    """Take the right to write from all files: several Data may share them."""
    for folder, _, names in os.walk(tree):
        for name in names:
            file = os.path.join(folder, name)
            mode = os.lstat(file).st_mode
            if stat.S_ISREG(mode):
                os.chmod(file, stat.S_IMODE(mode) & ~0o222)
