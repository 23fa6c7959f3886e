"""Manifests: a tree, and where each of its chunks lies. Zstd-compressed JSON, named by the hash of the stored bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from knit_server.content.packs import Location, PackId
from knit_server.content.tree import CHUNK_SIZE, ChunkId, Entry, Tree, check_entry, chunk_count, digest, is_id, row
from knit_server.domain.errors import Damaged, InvalidInput, KnitError, Unsupported

FORMAT = 1
MAX_BYTES = 2 * 1024**3  # of JSON; some 20 million entries


@dataclass(frozen=True)
class Manifest:
    """A stored tree: its entries, and the location of each chunk they use."""

    tree: Tree
    locations: Mapping[ChunkId, Location]

    @property
    def packs(self) -> frozenset[PackId]:
        """Every pack that must be kept for this tree."""
        return frozenset(place.pack for place in self.locations.values())


def encode(manifest: Manifest) -> bytes:
    """Give the bytes in which a manifest rests. Equal manifests give equal bytes under one version of zstd."""
    import zstandard

    packs = sorted(manifest.packs)
    index = {pack: at for at, pack in enumerate(packs)}
    chunks = {
        chunk: [index[place.pack], place.offset, place.length, int(place.compressed)]
        for chunk, place in sorted(manifest.locations.items())
    }
    rows = [row(entry) for entry in manifest.tree.entries]
    document = {"format": FORMAT, "tree": rows, "packs": packs, "chunks": chunks}
    return zstandard.ZstdCompressor(level=3).compress(json.dumps(document, separators=(",", ":")).encode("ascii"))


def name(stored: bytes) -> str:
    """Name a manifest by its stored bytes."""
    return digest(stored)


def decode(stored: bytes, *, expect: str | None = None, max_bytes: int = MAX_BYTES) -> Manifest:
    """Read a manifest back; with `expect`, only if that is its name.

    Raises `Damaged` (not the bytes that were stored), `Unsupported` (a newer format) or `InvalidInput` (no manifest).
    """
    if expect is not None and name(stored) != expect:
        raise Damaged(f"the manifest {expect} is damaged: its bytes have another hash", advice=HEAL)
    document = _load(stored, max_bytes)
    version = document.get("format")
    if version != FORMAT:
        raise Unsupported(f"the manifest has format {version!r}; this Knit reads {FORMAT}", advice="Update Knit.")
    try:
        tree = _tree(document["tree"])
        locations = _locations(document["packs"], document["chunks"])
    except KnitError:
        raise
    except (KeyError, TypeError, ValueError, IndexError) as err:
        raise InvalidInput(f"this is no manifest of format {FORMAT}: a part is missing or wrong", advice=HEAL) from err
    missing = next((chunk for _, chunk, _ in tree.chunks() if chunk not in locations), None)
    if missing is not None:
        raise InvalidInput(f"the manifest does not say where chunk {missing} lies", advice=HEAL)
    return Manifest(tree, locations)


HEAL = "If it is at hand, push the Data again: that heals all Data with this content. Else restore the store."
"""What to do about damage; see `service.data.distrusting`."""


def _load(stored: bytes, max_bytes: int) -> dict[str, Any]:
    import zstandard

    try:
        if not 0 <= zstandard.frame_content_size(stored) <= max_bytes:
            raise InvalidInput(f"the manifest is larger than {max_bytes} bytes, or does not say its size", advice=HEAL)
        document = json.loads(zstandard.ZstdDecompressor().decompress(stored))
    except (zstandard.ZstdError, ValueError, RecursionError) as err:
        raise InvalidInput(f"this is no manifest: {err}", advice=HEAL) from err
    if not isinstance(document, dict):
        raise InvalidInput("this is no manifest: not an object", advice=HEAL)
    return document


def _tree(rows: list[list[Any]]) -> Tree:
    tree = Tree.of(_entry(*fields) for fields in rows)
    if [entry.path for entry in tree.entries] != [fields[0] for fields in rows]:
        raise InvalidInput("the manifest's names are not in order, or a directory is missing", advice=HEAL)
    return tree


def _entry(path: str, kind: Any, mode: int, mtime_ns: int, size: int, target: str, chunks: list[str]) -> Entry:
    if not (isinstance(path, str) and isinstance(target, str) and isinstance(chunks, list)):
        raise TypeError(f"unexpected types in the entry {path!r}")
    if any(type(number) is not int for number in (mode, mtime_ns, size)) or not all(map(is_id, chunks)):
        raise TypeError(f"unexpected values in the entry {path!r}")
    entry = Entry(path, kind, mode, mtime_ns, size, target, tuple(ChunkId(chunk) for chunk in chunks))
    check_entry(entry)
    if kind == "file" and len(chunks) != chunk_count(size):
        raise ValueError(f"the entry {path!r} has a wrong number of chunks")
    return entry


def _locations(packs: list[str], chunks: dict[str, list[Any]]) -> dict[ChunkId, Location]:
    if not all(map(is_id, packs)) or not all(map(is_id, chunks)):
        raise ValueError("a pack or chunk has no proper name")
    places: dict[ChunkId, Location] = {}
    for chunk, (pack, offset, length, compressed) in chunks.items():
        if any(type(number) is not int or number < 0 for number in (pack, offset, length, compressed)):
            raise ValueError(f"chunk {chunk} has an impossible location")
        if length > CHUNK_SIZE:
            raise ValueError(f"chunk {chunk} is stored in more bytes than a chunk has")
        places[ChunkId(chunk)] = Location(PackId(packs[pack]), offset, length, bool(compressed))
    return places
