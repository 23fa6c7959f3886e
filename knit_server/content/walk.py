"""Walking a directory into entries: name order, one open directory per level, no way out through a symlink.

Directories are held open and names are opened relative to them, so that swapping a directory for a symlink meanwhile
leads nowhere. A file that changes while it is read is an error, never a mixture.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from knit_server.content.door import show, translate, translated
from knit_server.content.paths import MAX_DEPTH, encode
from knit_server.content.tree import CHUNK_SIZE, MODE_BITS, Entry
from knit_server.domain.errors import Conflict, InvalidInput

Warn = Callable[[str], None]

_SPECIAL = {stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}


def silent(message: str) -> None:
    """Take a warning and do nothing: the default where nobody listens."""


@dataclass(frozen=True, slots=True)
class Found:
    """One name met on a walk; `entry` has no chunks yet. Use it before taking the next one.

    `exact` is false where the disk holds more than the entry says: a further hard link, or setuid, setgid, sticky bits.
    """

    entry: Entry
    exact: bool
    status: os.stat_result
    parent: int
    name: str
    follow: bool = False

    def open(self) -> int:
        """Open the file for reading; the caller closes the descriptor. Raises `KnitError`."""
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if self.follow else os.O_NOFOLLOW)
        try:
            descriptor = os.open(self.name, flags, dir_fd=self.parent)
        except FileNotFoundError as err:
            raise _changed(self.entry.path) from err
        except OSError as err:
            raise translate(err, f"reading {show(self.entry.path)}") from err
        if _identity(os.fstat(descriptor)) != _identity(self.status):
            os.close(descriptor)
            raise _changed(self.entry.path)
        return descriptor

    def blocks(self) -> Iterator[bytes]:
        """Read the file in blocks of `CHUNK_SIZE`. Raises `Conflict` if it changes meanwhile; else a `KnitError`."""
        descriptor = self.open()
        try:
            with translated(f"reading {show(self.entry.path)}"):
                yield from self._read(descriptor)
        finally:
            os.close(descriptor)

    def _read(self, descriptor: int) -> Iterator[bytes]:
        left = self.entry.size
        while left > 0:
            block = _read_fully(descriptor, min(left, CHUNK_SIZE))
            left -= len(block)
            if not block or (left and len(block) < CHUNK_SIZE):
                raise _changed(self.entry.path)
            if not left and _identity(os.fstat(descriptor)) != _identity(self.status):
                raise _changed(self.entry.path)
            yield block


def _read_fully(descriptor: int, length: int) -> bytes:
    block = os.read(descriptor, length)
    while len(block) < length:  # network file systems may give less than asked for
        more = os.read(descriptor, length - len(block))
        if not more:
            break
        block += more
    return block


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, stat.S_IFMT(status.st_mode), status.st_size, status.st_mtime_ns


def _changed(path: str) -> Conflict:
    return Conflict(f"{show(path)} changed while it was read", advice="Try again when nothing writes to it.")


@dataclass(slots=True)
class _Level:
    descriptor: int
    prefix: str
    names: Iterator[str]
    identity: tuple[int, int]


def scan(root: Path | str, *, dereference: bool = False, warn: Warn = silent) -> Iterator[Found]:
    """Walk the directory `root` (followed if it is a symlink) in name order; the root itself is not named.

    Symlinks are reported as they are; with `dereference` they are followed, and a loop or a dangling link is
    `InvalidInput`. Named pipes, sockets and devices are skipped, and `warn` is told. Raises `KnitError` for what cannot
    be read.
    """
    return _Walk(dereference, warn).run(os.fspath(root))


class _Walk:
    def __init__(self, dereference: bool, warn: Warn) -> None:
        self._dereference = dereference
        self._warn = warn
        self._levels: list[_Level] = []

    def run(self, root: str) -> Iterator[Found]:
        try:
            self._enter(root, None, "", f"reading {show(root)}")
            while self._levels:
                level = self._levels[-1]
                name = next(level.names, None)
                if name is None:
                    os.close(self._levels.pop().descriptor)
                    continue
                found = self._look(level, name)
                if found is None:
                    continue
                yield found
                if found.entry.kind == "dir":
                    path = found.entry.path
                    self._enter(name, level.descriptor, path + "/", f"reading {show(path)}")
        finally:
            while self._levels:
                os.close(self._levels.pop().descriptor)

    def _enter(self, name: str, parent: int | None, prefix: str, doing: str) -> None:
        if len(self._levels) > MAX_DEPTH:
            raise InvalidInput(
                f"{doing}: nested more than {MAX_DEPTH} directories deep", advice="Pack it into an archive of its own."
            )
        nofollow = 0 if parent is None or self._dereference else os.O_NOFOLLOW
        with translated(doing):
            descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | nofollow, dir_fd=parent)
            try:
                status = os.fstat(descriptor)
                identity = (status.st_dev, status.st_ino)
                if any(level.identity == identity for level in self._levels):
                    raise InvalidInput(f"{doing}: symlink loop detected", advice="Remove the symlink that leads back.")
                names = sorted(os.listdir(descriptor), key=encode)
            except BaseException:
                os.close(descriptor)
                raise
        self._levels.append(_Level(descriptor, prefix, iter(names), identity))

    def _look(self, level: _Level, name: str) -> Found | None:
        path = level.prefix + name
        try:
            status = os.stat(name, dir_fd=level.descriptor, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode) and not self._dereference:
                target = os.readlink(name, dir_fd=level.descriptor)
                entry = Entry(path, "symlink", 0o777, status.st_mtime_ns, target=target)
                return Found(entry, status.st_nlink == 1, status, level.descriptor, name)
            if stat.S_ISLNK(status.st_mode):
                status = self._follow(level, name, path)
        except FileNotFoundError as err:
            raise _changed(path) from err
        except OSError as err:
            raise translate(err, f"reading {show(path)}") from err
        return self._classify(level, name, path, status)

    def _follow(self, level: _Level, name: str, path: str) -> os.stat_result:
        try:
            return os.stat(name, dir_fd=level.descriptor)
        except FileNotFoundError as err:
            target = os.readlink(name, dir_fd=level.descriptor)
            raise InvalidInput(
                f"{show(path)} is a symlink to {show(target)}, which does not exist",
                advice="Remove the symlink, or do not dereference.",
            ) from err

    def _classify(self, level: _Level, name: str, path: str, status: os.stat_result) -> Found | None:
        mode = stat.S_IMODE(status.st_mode)
        plain = mode == mode & MODE_BITS
        if stat.S_ISDIR(status.st_mode):
            entry = Entry(path, "dir", mode & MODE_BITS, status.st_mtime_ns)
            return Found(entry, plain, status, level.descriptor, name, self._dereference)
        if stat.S_ISREG(status.st_mode):
            entry = Entry(path, "file", mode & MODE_BITS, status.st_mtime_ns, status.st_size)
            return Found(entry, plain and status.st_nlink == 1, status, level.descriptor, name, self._dereference)
        self._warn(f"{show(path)} is a {_SPECIAL.get(stat.S_IFMT(status.st_mode), 'special file')}; skipped")
        return None


def total_size(root: Path | str, *, dereference: bool = False) -> int:
    """Bytes of all regular files under `root`, or of the file `root` itself. Raises `KnitError`."""
    with translated(f"reading {show(os.fspath(root))}"):
        status = os.stat(root)
    if not stat.S_ISDIR(status.st_mode):
        return status.st_size
    return sum(found.entry.size for found in scan(root, dereference=dereference))
