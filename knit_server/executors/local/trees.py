"""File trees of images: paths that stay inside a root, hashing, and copies. Links are never followed outside."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from knit_server.domain.errors import InvalidInput, KnitError, OutOfSpace, Unavailable

_MOST_LINKS = 40  # as Linux


def inside(root: Path, path: str) -> Path:
    """Where `path` of an image lies below `root`, symlinks followed as if `root` were `/`: never outside."""
    todo, done, links = deque(path.split("/")), list[str](), 0
    while todo:
        part = todo.popleft()
        if part == "..":
            del done[-1:]
        elif part not in {"", "."}:
            here = root.joinpath(*done, part)
            if not here.is_symlink():
                done.append(part)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise InvalidInput(f"too many symbolic links in {path}", advice="Remove the loop of links.")
            target = os.readlink(here)
            done = [] if target.startswith("/") else done
            todo.extendleft(reversed(target.split("/")))
    return root.joinpath(*done)


def walk(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything below `root` with its path relative to it, parents first, in order of name; links are not followed."""
    todo = deque([""])
    while todo:
        folder = todo.popleft()
        with os.scandir(root / folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            path = f"{folder}/{entry.name}" if folder else entry.name
            yield path, entry
            if entry.is_dir(follow_symlinks=False):
                todo.append(path)


def describe(root: Path) -> tuple[list[tuple[str, str, str]], int]:
    """(path, kind, content) of everything below `root`, for a digest, and the bytes of all files."""
    entries: list[tuple[str, str, str]] = []
    size = 0
    for path, entry in walk(root):
        if entry.is_symlink():
            entries.append((path, "link", os.readlink(entry.path)))
        elif entry.is_dir():
            entries.append((path, "directory", ""))
        else:
            status = entry.stat()
            size += status.st_size
            kind = "program" if status.st_mode & stat.S_IXUSR else "file"
            entries.append((path, kind, file_hash(Path(entry.path))))
    return sorted(entries), size


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_tree(source: Path, target: Path, *, read_only: bool = False) -> None:
    """Copy everything below `source` into `target`, symlinks as they are; `read_only` takes write permission away."""
    target.mkdir(parents=True, exist_ok=True)
    folders = [(target, source.stat().st_mode)]
    for path, entry in walk(source):
        place = target / path
        if entry.is_symlink():
            place.symlink_to(os.readlink(entry.path))
        elif entry.is_dir():
            place.mkdir()
            folders.append((place, entry.stat().st_mode))
        elif entry.is_file():
            shutil.copyfile(entry.path, place)
            status = entry.stat()
            os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
            place.chmod(_bits(status.st_mode, read_only))
    for folder, mode in reversed(folders):  # children first: a directory without write permission takes none
        folder.chmod(_bits(mode, read_only) | stat.S_IRUSR | stat.S_IXUSR)


def _bits(mode: int, read_only: bool) -> int:
    return stat.S_IMODE(mode) & (0o555 if read_only else 0o777)


def remove_tree(path: Path) -> None:
    """Delete a tree, also where directories are read-only; what is not there is fine."""
    try:
        shutil.rmtree(path)
        return
    except FileNotFoundError:
        return
    except OSError:
        _open_up(path)
    shutil.rmtree(path, ignore_errors=True)


def _open_up(folder: Path) -> None:
    """Let the owner into every directory of a tree, links left alone."""
    with suppress(OSError):
        folder.chmod(0o700)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    _open_up(Path(entry.path))


@contextmanager
def told(doing: str) -> Iterator[None]:
    """Turn the operating system's refusals while `doing` something into errors people understand."""
    try:
        yield
    except KnitError:
        raise
    except OSError as err:
        if err.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise OutOfSpace(f"no space left while {doing}", advice="Make room on the disk and try again.") from err
        raise Unavailable(f"{doing} failed: {err}", advice="See to the permissions of the folder named.") from err
