"""Writing a tree below a directory, safely: nothing lands outside, whatever the names and symlinks in it.

Every directory on the way is opened without following symlinks, relative to the one above it; every file is created
anew (`O_EXCL`). Directories are private (0700) until `finish` gives them their modes and times.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from knit_server.content.door import show, translated
from knit_server.content.paths import Names, check_target, leaves_tree
from knit_server.content.tree import Entry, Tree
from knit_server.content.walk import Warn, silent
from knit_server.domain.errors import Conflict

Blocks = Callable[[Entry], Iterable[bytes]]
"""Gives a file's bytes in order."""

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_HOLE = 64 * 1024  # bytes; shorter runs of zeros are not worth a hole


class FileSink:
    """A file being written. `descriptor` may be used directly instead of `write` (reflinks)."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def write(self, block: bytes) -> None:
        """Append a block; long runs of zeros become holes."""
        if len(block) >= _HOLE and not block[0] and not block[-1] and block == bytes(len(block)):
            end = os.lseek(self.descriptor, len(block), os.SEEK_CUR)
            os.ftruncate(self.descriptor, end)
            return
        view = memoryview(block)
        while view:
            view = view[os.write(self.descriptor, view) :]


class TreeWriter:
    """Writes entries below the existing directory `root`, which nobody else may write to meanwhile.

    Entries may come in any order, fastest in name order. A symlink that leaves the tree is written as it is and `warn`
    is told. Use as a context manager; `finish` completes the tree. All methods raise `KnitError`: `InvalidInput` for
    names that no tree can have, `OutOfSpace`, `Conflict` where something exists already.
    """

    def __init__(self, root: Path, *, warn: Warn = silent) -> None:
        self._names = Names()
        self._warn = warn
        with translated(f"writing to {show(str(root))}"):
            self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._open: list[tuple[str, int]] = []

    def __enter__(self) -> TreeWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._keep(0)
        os.close(self._root)

    def directory(self, entry: Entry) -> None:
        """Make a directory; its mode and times follow in `finish`."""
        implied = self._names.known(entry.path)
        self._names.claim(entry.path, "dir")
        with translated(f"writing {show(entry.path)}"):
            parent, name = self._parent(entry.path)
            if not implied:
                os.mkdir(name, 0o700, dir_fd=parent)

    def symlink(self, entry: Entry) -> None:
        """Make a symlink with its target verbatim."""
        check_target(entry.path, entry.target)
        self._names.claim(entry.path, entry.kind)
        if leaves_tree(entry.path, entry.target):
            self._warn(f"the symlink {show(entry.path)} points out of the Data: {show(entry.target)}")
        with translated(f"writing {show(entry.path)}"):
            parent, name = self._parent(entry.path)
            os.symlink(entry.target, name, dir_fd=parent)
            os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=parent, follow_symlinks=False)

    @contextmanager
    def file(self, entry: Entry) -> Iterator[FileSink]:
        """Create a file; what the block writes becomes its bytes, and its mode and time are set afterwards."""
        self._names.claim(entry.path, entry.kind)
        with translated(f"writing {show(entry.path)}"):
            parent, name = self._parent(entry.path)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(name, flags, 0o600, dir_fd=parent)
            try:
                yield FileSink(descriptor)
                os.fchmod(descriptor, entry.mode)
                os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
            finally:
                os.close(descriptor)

    def read_back(self, path: str) -> int:
        """Open a file written before, for reading; the caller closes the descriptor."""
        with translated(f"reading {show(path)}"):
            parent, name = self._parent(path)
            return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)

    def finish(self, tree: Tree) -> None:
        """Give the directories of the complete `tree` their modes and times, innermost first."""
        for entry in reversed(tree.entries):
            if entry.kind == "dir":
                with translated(f"writing {show(entry.path)}"):
                    parent, name = self._parent(entry.path)
                    self._settle(parent, name, entry)

    @staticmethod
    def _settle(parent: int, name: str, entry: Entry) -> None:
        descriptor = os.open(name, _OPEN_DIRECTORY, dir_fd=parent)
        try:
            os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
            os.fchmod(descriptor, entry.mode)
        finally:
            os.close(descriptor)

    def _parent(self, path: str) -> tuple[int, str]:
        """Open the directory that holds `path`, making what is missing; returns (descriptor, last name)."""
        *parts, name = path.split("/")
        shared = 0
        for (opened, _), part in zip(self._open, parts, strict=False):
            if opened != part:
                break
            shared += 1
        self._keep(shared)
        for part in parts[shared:]:
            above = self._open[-1][1] if self._open else self._root
            try:
                descriptor = os.open(part, _OPEN_DIRECTORY, dir_fd=above)
            except FileNotFoundError:
                os.mkdir(part, 0o700, dir_fd=above)
                descriptor = os.open(part, _OPEN_DIRECTORY, dir_fd=above)
            self._open.append((part, descriptor))
        return (self._open[-1][1] if self._open else self._root), name

    def _keep(self, count: int) -> None:
        while len(self._open) > count:
            os.close(self._open.pop()[1])


def remove_tree(path: Path) -> None:
    """Delete a directory tree, also one with directories that forbid it. What is gone already is fine."""
    import shutil

    with translated(f"deleting {show(str(path))}"), suppress(FileNotFoundError):
        try:
            shutil.rmtree(path)
        except PermissionError:
            os.chmod(path, 0o700)
            for folder, names, _ in os.walk(path):
                for name in names:
                    if not os.path.islink(os.path.join(folder, name)):
                        os.chmod(os.path.join(folder, name), 0o700)
            shutil.rmtree(path)


@contextmanager
def appearing(dest: Path) -> Iterator[Path]:
    """Give an empty directory beside `dest`, renamed to `dest` when the block ends well and deleted otherwise.

    So nothing half-written ever looks finished. Missing parents are made. Raises `Conflict` if `dest` exists.
    """
    refuse_existing(dest)
    with translated(f"writing to {show(str(dest.parent))}"):
        dest.parent.mkdir(parents=True, exist_ok=True)
        temporary = dest.parent / f".{dest.name[:200]}.{secrets.token_hex(4)}.part"
        temporary.mkdir(mode=0o700)
    try:
        yield temporary
        refuse_existing(dest)
        with translated(f"writing {show(str(dest))}"):
            temporary.chmod(0o777 & ~_umask())
            temporary.rename(dest)
    except BaseException:
        with suppress(OSError):
            remove_tree(temporary)
        raise


def refuse_existing(dest: Path) -> None:
    """Raise `Conflict` if there is anything at `dest`, a dangling symlink included."""
    if os.path.lexists(dest):
        raise Conflict(
            f"{show(str(dest))} exists already", advice="Move it away or delete it, or choose another destination."
        )


def _umask() -> int:
    # The only portable way to read it is to set it; /proc tells without touching what other threads rely on.
    with suppress(OSError, ValueError), open("/proc/self/status", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return 0o022


def write_all(writer: TreeWriter, entries: Iterable[Entry], blocks: Blocks) -> None:
    """Write every entry; `blocks(entry)` gives a file's bytes. Call `finish` afterwards."""
    for entry in entries:
        if entry.kind == "dir":
            writer.directory(entry)
        elif entry.kind == "symlink":
            writer.symlink(entry)
        else:
            with writer.file(entry) as sink:
                for block in blocks(entry):
                    sink.write(block)
