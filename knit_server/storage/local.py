"""Objects in a local folder, durable by fsync: fsspec's own local file system promises nothing after a power cut."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from knit_server.content.door import show, translated
from knit_server.storage.objects import Stored

_PART = ".part"  # ends the name of a file that is still being written; keys never end so
_VECTOR = 1000  # parts per writev; Linux takes at most 1,024


class LocalObjects:
    """Objects as files below `root`: temporary file, fsync, rename, fsync of the folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: set[Path] = set()

    def put(self, objects: Sequence[tuple[str, Sequence[bytes]]]) -> None:
        """Store objects; see `Objects.put`.

        All files are synced before the first is renamed, and folders after the last: the file system then commits its
        journal about twice, however many objects there are.
        """
        written: list[tuple[Path, Path]] = []
        try:
            for key, parts in objects:
                with translated(f"storing {show(key)}"):
                    path = self._root / key
                    temporary = path.with_name(f"{path.name[:16]}-{secrets.token_hex(4)}{_PART}")
                    written.append((temporary, path))
                    self._write(temporary, parts)
            with translated(f"storing in {show(str(self._root))}"):
                for temporary, path in written:
                    temporary.rename(path)
                for folder in dict.fromkeys(path.parent for _, path in written):
                    _sync(folder)
        except BaseException:
            for temporary, _ in written:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
            raise

    def _write(self, path: Path, parts: Sequence[bytes]) -> None:
        self._make(path.parent)
        try:
            _write(path, parts)
        except FileNotFoundError:  # somebody tidied empty folders away
            self._folders.clear()
            self._make(path.parent)
            _write(path, parts)

    def _make(self, folder: Path) -> None:
        """Make a folder and those above it, durably."""
        if folder in self._folders:
            return
        if not folder.is_dir():
            if folder != folder.parent:
                self._make(folder.parent)
            with suppress(FileExistsError):
                folder.mkdir(mode=0o700)
            _sync(folder.parent)
        self._folders.add(folder)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | None:
        """Return a range; see `Objects.get`."""
        with translated(f"reading {show(key)}"):
            try:
                return _read(self._root / key, start, length)
            except FileNotFoundError:
                return None

    def look(self, key: str) -> Stored | None:
        """Return size and time of an object; see `Objects.look`."""
        with translated(f"looking at {show(key)}"):
            try:
                status = (self._root / key).lstat()
            except FileNotFoundError:
                return None
        return Stored(key, status.st_size, status.st_mtime)

    def list(self, prefix: str) -> Iterator[Stored]:
        """List objects; see `Objects.list`."""
        with translated(f"listing {show(prefix)}"):
            yield from self._walk(self._root / prefix, prefix)

    def _walk(self, folder: Path, prefix: str) -> Iterator[Stored]:
        try:
            found = os.scandir(folder)
        except FileNotFoundError:
            return
        with found:
            for item in found:
                if item.is_dir(follow_symlinks=False):
                    yield from self._walk(folder / item.name, f"{prefix}{item.name}/")
                    continue
                with suppress(FileNotFoundError):
                    status = item.stat(follow_symlinks=False)
                    yield Stored(prefix + item.name, status.st_size, status.st_mtime)

    def delete(self, key: str) -> None:
        """Delete an object."""
        with translated(f"deleting {show(key)}"):
            (self._root / key).unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is held open."""


def _read(path: Path, start: int, length: int | None) -> bytes:
    with open(path, "rb", buffering=0) as file:
        if length is None:
            file.seek(start)
            return file.readall()
        parts = []
        while length > 0:
            part = os.pread(file.fileno(), length, start)
            if not part:
                break
            parts.append(part)
            start, length = start + len(part), length - len(part)
        return b"".join(parts)


def _write(path: Path, parts: Sequence[bytes]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        for at in range(0, len(parts), _VECTOR):
            _write_fully(descriptor, parts[at : at + _VECTOR])
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_fully(descriptor: int, parts: Sequence[bytes]) -> None:
    done = os.writev(descriptor, parts)
    for part in parts:
        if done >= len(part):
            done -= len(part)
            continue
        view = memoryview(part)[done:]
        done = 0
        while view:
            view = view[os.write(descriptor, view) :]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
