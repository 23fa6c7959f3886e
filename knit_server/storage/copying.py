"""Copying a tree on one machine, sharing blocks where the file system can."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from knit_server.content.door import show, translated
from knit_server.content.restore import TreeWriter
from knit_server.content.tree import Builder, Entry
from knit_server.content.walk import Found, Warn, scan, silent

_FICLONE = 0x40049409  # _IOW(0x94, 9, int) of linux/fs.h
_STEP = 1 << 30  # bytes per copy_file_range
_NOT_HERE = {errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY, errno.EPERM, errno.EBADF}
"""How kernels and file systems say that they cannot share or copy between these two files."""


def copy_tree(src: Path, dest: Path, *, warn: Warn = silent) -> None:
    """Copy the tree below `src` into the existing, empty directory `dest`: modes, ns times and symlinks are kept.

    For a private, writable copy of a cached tree. Raises `KnitError`; then `dest` holds a part.
    """
    directories = Builder()
    with TreeWriter(dest, warn=silent) as writer:
        for found in scan(src, warn=warn):
            entry = found.entry
            if entry.kind == "dir":
                writer.directory(entry)
                directories.add(entry)
            elif entry.kind == "symlink":
                writer.symlink(entry)
            else:
                _copy_file(found, entry, writer)
        writer.finish(directories.build())


def _copy_file(found: Found, entry: Entry, writer: TreeWriter) -> None:
    source = found.open()
    try:
        with writer.file(entry) as sink, translated(f"copying {show(entry.path)}"):
            target = sink.descriptor
            if entry.size and not (_reflink(source, target) or _in_kernel(source, target, entry.size)):
                for block in found.blocks():
                    sink.write(block)
    finally:
        os.close(source)


def _reflink(source: int, target: int) -> bool:
    import fcntl

    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as err:
        if err.errno in _NOT_HERE:
            return False
        raise
    return True


def _in_kernel(source: int, target: int, size: int) -> bool:
    """Let the kernel copy; false if it cannot, with nothing written."""
    left = size
    while left:
        try:
            done = os.copy_file_range(source, target, min(left, _STEP))
        except OSError as err:
            if err.errno in _NOT_HERE and left == size:
                return False
            raise
        if not done:
            return _rewind(target) if left == size else True
        left -= done
    return True


def _rewind(target: int) -> bool:
    os.lseek(target, 0, os.SEEK_SET)
    return False
