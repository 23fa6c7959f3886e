"""Reading a tar.gz stream into members, one after the other, without trusting any of it."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Protocol

from knit_server.content.door import show
from knit_server.content.paths import check_target, clean
from knit_server.content.tarball.headers import RECORD, REPACK, Header, Headers
from knit_server.content.tree import Entry, check_entry
from knit_server.domain.errors import InvalidInput, Unsupported

_STEP = 128 * 1024  # bytes read at once where nobody wants them
_MAX_PADDING = 64 * 1024**2  # zeros allowed after the end mark; GNU tar pads to its blocking factor (usually 10 KiB)
_FILES = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE})
_SPECIAL = {tarfile.CHRTYPE: "device", tarfile.BLKTYPE: "device", tarfile.FIFOTYPE: "named pipe"}


class Source(Protocol):
    """Anything bytes can be read from, in blocks of any size; b"" means the end."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes."""
        ...


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an archive may cost: members, bytes of files unpacked, bytes of all names, bytes of one extended header."""

    max_entries: int = 2_000_000
    max_bytes: int = 2 * 1024**4
    max_names: int = 512 * 1024**2
    max_header: int = 1024**2


@dataclass(frozen=True, slots=True)
class Member:
    """One member. `entry` has no chunks. A file has `data`, to be read before the next member is taken, or is a hard
    link (`same_as`) to the earlier file of that path; then the entry's size is not known and 0."""

    entry: Entry
    data: MemberData | None = None
    same_as: str | None = None


class MemberData:
    """The bytes of one file in the stream."""

    def __init__(self, stream: _Unzipped, size: int, path: str) -> None:
        self._stream = stream
        self._left = size
        self._path = path

    def read(self, size: int = -1, /) -> bytes:
        """Return `size` bytes, fewer only at the file's end. Raises `InvalidInput` if the archive is cut off."""
        block = self._stream.exactly(self._left if size < 0 else min(size, self._left))
        self._left -= len(block)
        return block

    def skip(self) -> None:
        """Read over what is left."""
        while self._left:
            self.read(_STEP)


class _Raw(io.RawIOBase):
    """Gives gzip the source's bytes as a raw file."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        block = self._source.read(len(view))
        view[: len(block)] = block
        return len(block)


class _Unzipped:
    """The uncompressed stream."""

    def __init__(self, source: Source) -> None:
        from isal import igzip, isal_zlib

        broken: Any = isal_zlib.error  # isal's type hints call the class an instance
        # OverflowError: a gzip header (its file name, say) longer than isal's buffer
        self._errors: tuple[type[Exception], ...] = (gzip.BadGzipFile, broken, EOFError, OverflowError)
        opener: Any = igzip.IGzipFile  # has no type hints
        self._file: IO[bytes] = opener(fileobj=_Raw(source), mode="rb")

    def exactly(self, size: int) -> bytes:
        block = self.upto(size)
        if len(block) < size:
            raise InvalidInput("the archive is cut off", advice="Send it again, complete.")
        return block

    def upto(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except self._errors as err:
            if isinstance(err, EOFError):
                reason = "the archive is cut off, or something follows its end"
                raise InvalidInput(reason, advice="Send it again, complete.") from err
            raise InvalidInput(f"this is no sound gzip stream: {err}", advice=REPACK) from err


def read(stream: Source, limits: Limits | None = None) -> Iterator[Member]:
    """Read the members of a tar.gz stream, in its order, up to and including the proof that it is complete.

    Names come normalised; the root itself is left out. Duplicates and names below files are for the caller's
    `tree.Builder` to refuse. Raises `InvalidInput` for anything broken, hostile or beyond `limits`.
    """
    limits = limits or Limits()
    unzipped = _Unzipped(stream)
    headers = Headers(unzipped.exactly, max_extension=limits.max_header)
    entries = total = names = 0
    while (header := headers.next()) is not None:
        entries += 1
        total += header.size
        names += len(header.name) + len(header.link)
        _check("entries", entries, limits.max_entries)
        _check("bytes in its files", total, limits.max_bytes)
        _check("bytes in its names", names, limits.max_names)
        member = _member(header, unzipped)
        if member is not None:
            yield member
            if member.data is not None:
                member.data.skip()
                unzipped.exactly(-header.size % RECORD)
    _expect_end(unzipped)


def _check(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise InvalidInput(f"the archive has more than {limit} {what}", advice="Split it into several Data.")


def _member(header: Header, stream: _Unzipped) -> Member | None:
    path = clean(header.name)
    if not path:
        if header.type != tarfile.DIRTYPE:
            raise InvalidInput(f"the archive has an entry without a proper name ({show(header.name)})", advice=REPACK)
        return None
    if header.type in _FILES:
        entry = Entry(path, "file", header.mode, header.mtime_ns, header.size)
        check_entry(entry)
        return Member(entry, MemberData(stream, header.size, path))
    if header.type == tarfile.LNKTYPE:
        entry = Entry(path, "file", header.mode, header.mtime_ns)
        check_entry(entry)
        return Member(entry, same_as=clean(header.link))
    entry = _bare(header, path)
    check_entry(entry)
    return Member(entry)


def _bare(header: Header, path: str) -> Entry:
    if header.type == tarfile.DIRTYPE:
        return Entry(path, "dir", header.mode, header.mtime_ns)
    if header.type == tarfile.SYMTYPE:
        check_target(path, header.link)
        return Entry(path, "symlink", 0o777, header.mtime_ns, target=header.link)
    if header.type in _SPECIAL:
        raise InvalidInput(
            f"{show(path)} is a {_SPECIAL[header.type]}; only files, directories and symlinks can be stored",
            advice="Pack again without it.",
        )
    raise Unsupported(f"{show(path)} has an unknown type {header.type!r} in the archive", advice=REPACK)


def _expect_end(stream: _Unzipped) -> None:
    """Only zeros may follow the end mark, and the gzip stream must be sound up to its last byte."""
    seen = 0
    while block := stream.upto(_STEP):
        seen += len(block)
        if any(block) or seen > _MAX_PADDING:
            raise InvalidInput("something follows the end of the archive", advice=REPACK)


def missing_original(path: str, original: str) -> InvalidInput:
    """Give the error for a hard link to something that is not an earlier file of the archive."""
    return InvalidInput(
        f"{show(path)} is a hard link to {show(original)}, which is no earlier file of the archive", advice=REPACK
    )
