"""Writing a tar.gz stream: PAX headers with exact times, ISA-L compression at level 1, blocks worth sending."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator

from knit_server.content.restore import Blocks
from knit_server.content.tree import Entry
from knit_server.domain.errors import Conflict

BLOCK = 256 * 1024  # bytes; every block but the last is at least this long

_STEP = 1024 * 1024  # bytes compressed at once, so that a chunk does not hold the stream up

_TYPES = {"file": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE}
_END = bytes(2 * tarfile.BLOCKSIZE)


def write(entries: Iterable[Entry], blocks: Blocks) -> Iterator[bytes]:
    """Write entries, in the order given, as a tar.gz stream; `blocks(entry)` gives a file's bytes."""
    from isal import isal_zlib

    gzip = isal_zlib.compressobj(level=1, wbits=31)
    waiting: list[bytes] = []
    length = 0
    for part in _plain(entries, blocks):
        small = gzip.compress(part)
        waiting.append(small)
        length += len(small)
        if length >= BLOCK:
            yield b"".join(waiting)
            waiting, length = [], 0
    yield b"".join([*waiting, gzip.flush()])


def _plain(entries: Iterable[Entry], blocks: Blocks) -> Iterator[bytes]:
    for entry in entries:
        yield header(entry)
        if entry.kind == "file":
            written = 0
            for block in blocks(entry):
                written += len(block)
                for at in range(0, len(block), _STEP):
                    yield block[at : at + _STEP]
            if written != entry.size:
                raise Conflict(f"{entry.path!r} changed while it was read", advice="Try again.")
            yield bytes(-written % tarfile.BLOCKSIZE)
    yield _END


def header(entry: Entry) -> bytes:
    """Give the header blocks of an entry; owners are not kept and written as 0."""
    info = tarfile.TarInfo(entry.path)
    info.type = _TYPES[entry.kind]
    info.mode = entry.mode
    info.size = entry.size
    info.linkname = entry.target
    seconds, rest = divmod(entry.mtime_ns, 1_000_000_000)
    info.mtime = seconds
    if rest:
        info.pax_headers = {"mtime": _decimal(entry.mtime_ns)}
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _decimal(nanoseconds: int) -> str:
    sign = "-" if nanoseconds < 0 else ""
    seconds, rest = divmod(abs(nanoseconds), 1_000_000_000)
    return f"{sign}{seconds}.{rest:09d}".rstrip("0")
