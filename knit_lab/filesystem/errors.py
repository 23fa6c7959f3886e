"""Knit's errors as libraries expect them of files: each is the `KnitError` it was, and an `OSError`.

`errno` stands in the classes, so that pickled errors keep it, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EAGAIN, ECONNREFUSED, EINVAL, EIO, EISDIR, ENOENT, EROFS

from knit_server.domain.errors import Conflict, Damaged, InvalidInput, KnitError, NotFound, Unavailable
from knit_server.wire import errors


class NoSuchFile(NotFound, FileNotFoundError):
    """There is no such Data, or no such name in it."""

    errno = ENOENT


class NotAFile(InvalidInput, IsADirectoryError):
    """A directory was opened."""

    errno = EISDIR


class Denied(InvalidInput, PermissionError):
    """The server did not take the token."""

    errno = EACCES


class Refused(InvalidInput, OSError):
    """The address, or where the server is, cannot be understood."""

    errno = EINVAL


class ReadOnly(InvalidInput, OSError):
    """Something was to be written."""

    errno = EROFS


class NotNow(Conflict, OSError):
    """The Data has no content (yet), or several ids begin so."""

    errno = EAGAIN


class NotReached(Unavailable, ConnectionError):
    """The server does not answer."""

    errno = ECONNREFUSED


class Broken(Damaged, OSError):
    """The bytes are not those that were stored."""

    errno = EIO


class Failed(KnitError, OSError):
    """Anything else."""

    errno = EIO


_KINDS: tuple[tuple[type[KnitError], type[KnitError]], ...] = (
    (NotFound, NoSuchFile),
    (Conflict, NotNow),
    (Unavailable, NotReached),
    (Damaged, Broken),
    (InvalidInput, Refused),
    (KnitError, Failed),
)
"""What it was, and what it becomes."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise `KnitError`s as what they are to libraries."""
    try:
        yield
    except KnitError as err:
        if isinstance(err, OSError):
            raise
        raise of(err) from err


def of(err: KnitError) -> KnitError:
    """Return the error that is also an `OSError`; its words are the same."""
    denied = errors.code_of(err) in (401, 403)
    kind = Denied if denied else next(kind for was, kind in _KINDS if isinstance(err, was))
    return kind(err.reason, advice=err.advice, see=err.see)


def no_file(path: str, kind: str) -> KnitError:
    """Return the error for opening what is a `kind`: directory or link."""
    return NotAFile(f"{path} is a {kind}, not a file", advice="See the names in it: fs.ls(path)")


def read_only(path: str) -> KnitError:
    """Return the error for any attempt to write."""
    return ReadOnly(
        f"{path or 'knit://'} cannot be written to: a Data never changes",
        advice='Push a new Data: knit.push({"table.csv": df}, ["type:raw"])',
    )
