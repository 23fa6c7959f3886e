"""The members of a tar archive: names made relative and normal, data read in blocks, counts bounded."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from knit_server.content.archives.stream import Stream
from knit_server.content.paths import clean
from knit_server.content.tarball.headers import RECORD, Header, Headers
from knit_server.domain.errors import InvalidInput

_BLOCK = 256 * 1024
_FILES = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE})
_KINDS = {
    tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "link", tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device", tarfile.FIFOTYPE: "pipe",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What an archive, or all layers of an image, may cost: members, bytes in files, bytes of one extended header."""

    entries: int = 2_000_000
    bytes: int = 2 * 1024**4
    header: int = 1024**2


class Member:
    """One member. `kind` is file, dir, symlink, link (hard), device, pipe or unknown; `path` is "" for the root.

    Names have no `.`, no `..` and no slash in front: what an archive calls /etc is etc below its own root.
    """

    def __init__(self, header: Header, stream: Stream) -> None:
        self.path = clean(header.name.lstrip("/"))
        self.kind = "file" if header.type in _FILES else _KINDS.get(header.type, "unknown")
        self.header = header
        self._stream = stream
        self._left = header.size

    def original(self) -> str:
        """The path that a hard link leads to. Raises `InvalidInput`."""
        return clean(self.header.link.lstrip("/"))

    def read(self, size: int) -> bytes:
        """Return the next bytes of its data, `size` at most, b"" at the end."""
        block = self._stream.exactly(min(size, self._left))
        self._left -= len(block)
        return block

    def blocks(self) -> Iterator[bytes]:
        """Give the rest of its data, block by block."""
        while block := self.read(_BLOCK):
            yield block


class Tally:
    """Counts over several archives what `Bounds` allow for all of them."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.bounds = bounds or Bounds()
        self._entries = self._bytes = 0

    def add(self, header: Header) -> None:
        """Count one member. Raises `InvalidInput` where it is one too many."""
        self._entries += 1
        self._bytes += header.size
        if self._entries > self.bounds.entries or self._bytes > self.bounds.bytes:
            raise InvalidInput(
                f"the image has more than {self.bounds.entries} entries or {self.bounds.bytes} bytes",
                advice="Make a smaller image.",
            )


def members(stream: Stream, tally: Tally | None = None) -> Iterator[Member]:
    """Give the members in their order; what is not read of one is skipped. Reads up to the stream's very end.

    Raises `InvalidInput` for what is broken, hostile or too much.
    """
    tally = tally or Tally()
    headers = Headers(stream.exactly, max_extension=tally.bounds.header)
    while (header := headers.next()) is not None:
        tally.add(header)
        member = Member(header, stream)
        yield member
        for _ in member.blocks():
            pass
        stream.exactly(-header.size % RECORD)
    stream.drain()
