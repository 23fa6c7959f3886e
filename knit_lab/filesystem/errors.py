"""Knit's errors as libraries expect them of files: each is the `KnitError` it was, and an `OSError`."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from knit_server.domain.errors import Conflict, Damaged, InvalidInput, KnitError, NotFound, Unavailable
from knit_server.wire import errors


class NoSuchFile(NotFound, FileNotFoundError):
    """There is no such Data, or no such name in it."""


class NotAFile(InvalidInput, IsADirectoryError):
    """A directory was opened."""


class Denied(InvalidInput, PermissionError):
    """The server did not take the token."""


class Refused(InvalidInput, OSError):
    """The address, or where the server is, cannot be understood."""


class ReadOnly(InvalidInput, OSError):
    """Something was to be written."""


class NotNow(Conflict, OSError):
    """The Data has no content (yet), or several ids begin so."""


class NotReached(Unavailable, ConnectionError):
    """The server does not answer."""


class Broken(Damaged, OSError):
    """The bytes are not those that were stored."""


class Failed(KnitError, OSError):
    """Anything else."""


_KINDS: tuple[tuple[type[KnitError], type[KnitError], int], ...] = (
    (NotFound, NoSuchFile, errno.ENOENT),
    (Conflict, NotNow, errno.EAGAIN),
    (Unavailable, NotReached, errno.ECONNREFUSED),
    (Damaged, Broken, errno.EIO),
    (InvalidInput, Refused, errno.EINVAL),
    (KnitError, Failed, errno.EIO),
)
"""What it was, what it becomes, and the number by which C libraries know it."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise `KnitError`s as what they are to libraries."""
    try:
        yield
    except KnitError as err:
        raise err if isinstance(err, OSError) else of(err) from err


def of(err: KnitError) -> KnitError:
    """Return the error that is also an `OSError`; its words are the same."""
    if errors.code_of(err) in (401, 403):
        return _made(Denied, errno.EACCES, err)
    return next(_made(kind, number, err) for was, kind, number in _KINDS if isinstance(err, was))


def no_file(path: str, kind: str) -> KnitError:
    """Return the error for opening what is a `kind`: directory or link."""
    told = InvalidInput(f"{path} is a {kind}, not a file", advice="See the names in it: fs.ls(path)")
    return _made(NotAFile, errno.EISDIR, told)


def read_only(path: str) -> KnitError:
    """Return the error for any attempt to write."""
    told = InvalidInput(
        f"{path or 'knit://'} cannot be written to: a Data never changes",
        advice='Push a new Data: knit.push({"table.csv": df}, ["type:raw"])',
    )
    return _made(ReadOnly, errno.EROFS, told)


def _made(kind: type[KnitError], number: int, err: KnitError) -> KnitError:
    made = kind(err.reason, advice=err.advice, see=err.see)
    made.errno = number  # type: ignore[attr-defined] # every kind is an OSError
    return made
