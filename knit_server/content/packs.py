"""Packs: immutable runs of chunks, named by the hash of all their bytes. Small files share them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, NewType

from knit_server.content.tree import ChunkId

if TYPE_CHECKING:
    import zstandard

PackId = NewType("PackId", str)

PACK_SIZE = 16 * 1024 * 1024  # stored bytes after which a pack is closed; the last chunk may take it up to 24 MiB
KEEP_BELOW = 0.95  # a chunk rests compressed only where that saves 5 %
_WORTH_TRYING = 64  # bytes; below, a zstd frame's own header eats the gain


class Location(NamedTuple):
    """Where the stored form of a chunk lies: bytes `offset` to `offset + length` of a pack."""

    pack: PackId
    offset: int
    length: int
    compressed: bool


class BadFrame(ValueError):
    """A stored chunk cannot be decompressed to the length it must have."""


class Compressor:
    """Zstd level 1, for one thread."""

    def __init__(self) -> None:
        self._zstd: zstandard.ZstdCompressor | None = None

    def squeeze(self, raw: bytes) -> tuple[bytes, bool]:
        """Give the form in which a chunk rests, and whether that is compressed."""
        if len(raw) < _WORTH_TRYING:
            return raw, False
        if self._zstd is None:
            import zstandard

            self._zstd = zstandard.ZstdCompressor(level=1)
        small = self._zstd.compress(raw)
        return (small, True) if len(small) < KEEP_BELOW * len(raw) else (raw, False)


def unsqueeze(stored: bytes, length: int, compressed: bool) -> bytes:
    """Give back the raw chunk of `length` bytes. Raises `BadFrame`; never makes more than `length` bytes."""
    if not compressed:
        return stored
    import zstandard

    try:
        if zstandard.frame_content_size(stored) != length:
            raise BadFrame("the compressed chunk has another length")
        return zstandard.ZstdDecompressor().decompress(stored)
    except zstandard.ZstdError as err:
        raise BadFrame(f"the compressed chunk cannot be read ({err})") from err


class Pack(NamedTuple):
    """A closed pack, ready to be stored as the concatenation of `parts`."""

    id: PackId
    parts: list[bytes]
    size: int
    locations: dict[ChunkId, Location]


class PackBuilder:
    """Collects chunks for one pack after the other; holds one pack's stored bytes in memory."""

    def __init__(self) -> None:
        self._compressor = Compressor()
        self._start()

    def _start(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._chunks: dict[ChunkId, tuple[int, int, bool]] = {}

    def __contains__(self, chunk: ChunkId) -> bool:
        return chunk in self._chunks

    @property
    def full(self) -> bool:
        """Whether it is time to `seal`."""
        return self._size >= PACK_SIZE

    def add(self, chunk: ChunkId, raw: bytes) -> None:
        """Append a chunk that is not in this pack yet."""
        stored, compressed = self._compressor.squeeze(raw)
        self._chunks[chunk] = (self._size, len(stored), compressed)
        self._parts.append(stored)
        self._size += len(stored)

    def seal(self) -> Pack | None:
        """Close the pack and begin a new one; None if it holds nothing."""
        if not self._chunks:
            return None
        import blake3

        hasher = blake3.blake3()
        for part in self._parts:
            hasher.update(part)
        name = PackId("b3:" + hasher.hexdigest())
        places = {chunk: Location(name, *place) for chunk, place in self._chunks.items()}
        pack = Pack(name, self._parts, self._size, places)
        self._start()
        return pack
