"""Bytes that may be compressed: gzip and zstd are told by their first bytes, anything else is taken as it is."""

from __future__ import annotations

import gzip
import hashlib
import io
from typing import Any, Protocol

from knit_server.domain.errors import InvalidInput, Unsupported

_STEP = 256 * 1024  # bytes read at once where nobody wants them
_LONGEST_MAGIC = 6
_REFUSED = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}
AGAIN = "Make the archive anew: docker save NAME -o FILE, or skopeo copy docker://NAME oci-archive:FILE."
"""What to do about an archive that is no use."""


class Source(Protocol):
    """Anything bytes can be read from, in blocks of any size; b"" means the end."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes."""
        ...


class _Raw(io.RawIOBase):
    """A source with the bytes that were looked at put back in front, as the raw file that decompressors want."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self.head = b""
        while len(self.head) < _LONGEST_MAGIC and (block := source.read(_LONGEST_MAGIC - len(self.head))):
            self.head += block
        self._front = self.head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        if self._front:
            block, self._front = self._front[: len(view)], self._front[len(view) :]
        else:
            block = self._source.read(len(view))
        view[: len(block)] = block
        return len(block)


class Stream:
    """The uncompressed bytes of a source. `name` says in errors what it is ("the archive", "layer 2").

    `sha256` is the digest of what has been read so far, in hexadecimal digits; of all of it after `drain`.
    """

    def __init__(self, source: Source, name: str = "the archive") -> None:
        self.name = name
        self._hash = hashlib.sha256()
        raw = _Raw(source)
        for magic, kind in _REFUSED.items():
            if raw.head.startswith(magic):
                raise Unsupported(
                    f"{name} is compressed with {kind}, which is not read here",
                    advice="Compress with gzip or zstd, or not at all.",
                )
        self._errors: tuple[type[Exception], ...] = ()
        self._file: Any = raw
        if raw.head.startswith(b"\x1f\x8b"):
            self._gzip(raw)
        elif raw.head.startswith(b"\x28\xb5\x2f\xfd"):
            self._zstd(raw)

    @property
    def sha256(self) -> str:
        """The digest of what has been read, in hexadecimal digits."""
        return self._hash.hexdigest()

    def upto(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end. Raises `InvalidInput` if the compression is broken."""
        parts: list[bytes] = []
        while size > 0 and (block := self._read(size)):
            parts.append(block)
            size -= len(block)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def exactly(self, size: int) -> bytes:
        """Return `size` bytes. Raises `InvalidInput` if there are fewer."""
        block = self.upto(size)
        if len(block) < size:
            raise InvalidInput(f"{self.name} is cut off, or no tar archive", advice=AGAIN)
        return block

    def drain(self) -> None:
        """Read up to the end, so that the digest is that of all of it."""
        while self._read(_STEP):
            pass

    def _read(self, size: int) -> bytes:
        try:
            block: bytes = self._file.read(size)
        except self._errors as err:
            raise InvalidInput(f"{self.name} is cut off, or its compression is broken: {err}", advice=AGAIN) from err
        self._hash.update(block)
        return block

    def _gzip(self, raw: _Raw) -> None:
        from isal import igzip, isal_zlib

        broken: Any = isal_zlib.error  # isal's type hints call the class an instance
        # OverflowError: a gzip header (its file name, say) longer than isal's buffer
        self._errors = (gzip.BadGzipFile, broken, EOFError, OverflowError)
        opener: Any = igzip.IGzipFile  # has no type hints
        self._file = opener(fileobj=raw, mode="rb")

    def _zstd(self, raw: _Raw) -> None:
        import zstandard

        source: Any = raw  # any object with a `read` will do
        self._errors = (zstandard.ZstdError,)
        # The window, and so the memory, is bounded by zstd's own default for decompression: 128 MiB.
        self._file = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True, closefd=False)
