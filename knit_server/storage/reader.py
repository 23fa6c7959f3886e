"""Reading stored trees: every chunk is checked against its name before a byte of it is handed out."""

from __future__ import annotations

import io
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator

from knit_server.content.door import show
from knit_server.content.manifest import HEAL, Manifest
from knit_server.content.packs import BadFrame, Location, PackId, unsqueeze
from knit_server.content.recent import Recent
from knit_server.content.tree import CHUNK_SIZE, ChunkId, Entry, chunk_id
from knit_server.domain.errors import Damaged, InvalidInput
from knit_server.storage import keys
from knit_server.storage.objects import Objects

_WINDOW = 16 * 1024 * 1024  # bytes of a pack read at once when a whole tree is wanted
_GAP = 256 * 1024  # bytes not wanted that are read over rather than asked around
_WINDOWS = 2  # held in memory


class Chunks:
    """Fetches single chunks of a manifest's packs, verified."""

    def __init__(self, objects: Objects, manifest: Manifest) -> None:
        self._objects = objects
        self._locations = manifest.locations

    def read(self, entry: Entry, index: int) -> bytes:
        """Return chunk `index` of a file. Raises `Damaged` if it is not what was stored."""
        return self._verified(entry, index)

    def _verified(self, entry: Entry, index: int) -> bytes:
        chunk = entry.chunks[index]
        place = self._locations[chunk]
        stored = self.fetch(place)
        if stored is None:
            raise _damaged(entry, chunk, place, "the pack is missing")
        if len(stored) != place.length:
            raise _damaged(entry, chunk, place, "the pack is cut off")
        try:
            raw = unsqueeze(stored, entry.chunk_length(index), place.compressed)
        except BadFrame as err:
            raise _damaged(entry, chunk, place, str(err)) from err
        if len(raw) != entry.chunk_length(index) or chunk_id(raw) != chunk:
            raise _damaged(entry, chunk, place, "the bytes have another hash")
        return raw

    def blocks(self, entry: Entry) -> Iterator[bytes]:
        """Return a file's bytes, chunk by chunk."""
        return (self.read(entry, index) for index in range(len(entry.chunks)))

    def fetch(self, place: Location) -> bytes | None:
        """Return the stored form of a chunk, None if its pack is missing."""
        return self._objects.get(keys.pack(place.pack), place.offset, place.length)


class RememberedChunks(Chunks):
    """Fetches single chunks, and keeps them for whoever reads on where this reader stopped."""

    def __init__(self, objects: Objects, manifest: Manifest, recent: Recent[ChunkId, bytes]) -> None:
        super().__init__(objects, manifest)
        self._recent = recent

    def read(self, entry: Entry, index: int) -> bytes:
        """Return chunk `index` of a file; see `Chunks.read`."""
        return self._recent.get(entry.chunks[index], lambda: self._verified(entry, index), len)


class WholeTree(Chunks):
    """Fetches all chunks in order: packs are read in large windows that hold many of them."""

    def __init__(self, objects: Objects, manifest: Manifest) -> None:
        super().__init__(objects, manifest)
        self._spans: dict[PackId, list[tuple[int, int]]] = {}
        for place in manifest.locations.values():
            self._spans.setdefault(place.pack, []).append((place.offset, place.offset + place.length))
        for spans in self._spans.values():
            spans.sort()
        self._windows: OrderedDict[tuple[PackId, int], bytes] = OrderedDict()

    def fetch(self, place: Location) -> bytes | None:
        """Return the stored form of a chunk out of a window around it."""
        for (pack, start), window in self._windows.items():
            if pack == place.pack and start <= place.offset and place.offset + place.length <= start + len(window):
                self._windows.move_to_end((pack, start))
                return window[place.offset - start : place.offset - start + place.length]
        end = self._reach(place)
        found = self._objects.get(keys.pack(place.pack), place.offset, end - place.offset)
        if found is None:
            return None
        if end - place.offset > place.length:
            while len(self._windows) >= _WINDOWS:
                self._windows.popitem(last=False)
            self._windows[place.pack, place.offset] = found
        return found[: place.length]

    def _reach(self, place: Location) -> int:
        """Where to stop reading: after the last wanted chunk that is near enough."""
        spans = self._spans[place.pack]
        end = place.offset + place.length
        for start, stop in spans[bisect_left(spans, (place.offset, 0)) :]:
            if start > end + _GAP or stop > place.offset + _WINDOW:
                break
            end = max(end, stop)
        return end


def _damaged(entry: Entry, chunk: ChunkId, place: Location, what: str) -> Damaged:
    return Damaged(
        f"{show(entry.path)} cannot be read: pack {place.pack} is damaged (chunk {chunk}: {what})",
        advice=HEAL,
    )


class TreeFile(io.RawIOBase):
    """A stored file, seekable; reads fetch only the chunks they need, and the last one is kept."""

    def __init__(self, chunks: Chunks, entry: Entry) -> None:
        super().__init__()
        self._chunks = chunks
        self._entry = entry
        self._at = 0
        self._held: tuple[int, bytes] = (-1, b"")

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._entry.size

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Position of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; beyond the end is allowed and reads nothing."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._entry.size}[whence]
        if base + offset < 0:
            raise InvalidInput("a position before the file's start", advice="Positions go from 0.")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: object, /) -> int:
        """Fill the buffer as far as the present chunk goes."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # RawIOBase asks for any writable buffer
        if self._at >= self._entry.size or not view:
            return 0
        index, offset = divmod(self._at, CHUNK_SIZE)
        if self._held[0] != index:
            self._held = (index, self._chunks.read(self._entry, index))
        part = memoryview(self._held[1])[offset : offset + len(view)]
        view[: len(part)] = part
        self._at += len(part)
        return len(part)
