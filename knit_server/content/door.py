"""Where the operating system's errors become errors meant for people."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from knit_server.domain.errors import Conflict, InvalidInput, KnitError, OutOfSpace, Unavailable

_TABLE: dict[int, tuple[type[KnitError], str, str]] = {
    errno.ENOSPC: (OutOfSpace, "no space is left", "Free some space, then try again."),
    errno.EDQUOT: (OutOfSpace, "the disk quota is used up", "Free some space or raise the quota, then try again."),
    errno.EFBIG: (OutOfSpace, "the file is larger than the file system allows", "Use another file system."),
    errno.EACCES: (InvalidInput, "permission denied", "Change the permissions, or do it as another user."),
    errno.EPERM: (InvalidInput, "not permitted", "Change the permissions, or do it as another user."),
    errno.EROFS: (InvalidInput, "the file system is read-only", "Choose a writable place."),
    errno.ENOENT: (InvalidInput, "it does not exist", "Check the path."),
    errno.ENOTDIR: (InvalidInput, "part of the path is not a directory", "Check the path."),
    errno.EISDIR: (InvalidInput, "it is a directory", "Check the path."),
    errno.ELOOP: (InvalidInput, "symlink loop detected", "Remove the symlink, or leave symlinks as they are."),
    errno.ENAMETOOLONG: (InvalidInput, "the name is too long for this file system", "Choose a shorter name."),
    errno.EILSEQ: (InvalidInput, "the name is not allowed on this file system", "Choose another name or file system."),
    errno.EEXIST: (Conflict, "it exists already", "Remove it, or choose another place."),
    errno.ENOTEMPTY: (Conflict, "it exists already and is not empty", "Remove it, or choose another place."),
    errno.EMFILE: (Unavailable, "too many files are open", "Raise the limit (`ulimit -n`), or try again later."),
    errno.ENFILE: (Unavailable, "too many files are open on this machine", "Try again later."),
}


def translate(err: OSError, doing: str) -> KnitError:
    """Give the error for people that says what failed while `doing` ("writing 'a/b'"), and what to do next."""
    fallback = (Unavailable, err.strerror or str(err), "Check the disk, then try again.")
    kind, what, advice = _TABLE.get(err.errno or 0, fallback)
    return kind(f"{doing}: {what}", advice=advice)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise every `OSError` of the block as the `KnitError` of the table above."""
    try:
        yield
    except OSError as err:
        raise translate(err, doing) from err


def show(path: str) -> str:
    """Write a path so that a terminal or a JSON text can take it, whatever bytes it has and however long it is."""
    if len(path) > 300:
        path = f"{path[:200]}...{path[-60:]}"
    return f"'{path}'" if path.isprintable() else ascii(path)
