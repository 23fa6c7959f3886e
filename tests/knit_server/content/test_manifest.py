"""Packs and manifests: what is written can be read, and what is not ours is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
import zstandard

from knit_server.content import manifest
from knit_server.content.manifest import Manifest
from knit_server.content.packs import BadFrame, Compressor, Location, PackBuilder, PackId, unsqueeze
from knit_server.content.tree import CHUNK_SIZE, Entry, Tree, chunk_id, digest
from knit_server.domain.errors import Damaged, InvalidInput, Unsupported

CHUNK = chunk_id(b"bytes")
PACK = PackId(digest(b"a pack"))
MANIFEST = Manifest(
    Tree.of([Entry("d/\udcff\n", "file", size=5, chunks=(CHUNK,))]), {CHUNK: Location(PACK, 7, 5, False)}
)


def document(**changes: Any) -> bytes:
    """Give a manifest's bytes with some members changed."""
    loaded = json.loads(zstandard.ZstdDecompressor().decompress(manifest.encode(MANIFEST)))
    loaded.update(changes)
    return zstandard.ZstdCompressor().compress(json.dumps(loaded).encode())


def test_round_trip() -> None:
    """A manifest comes back equal, and only under its own name."""
    stored = manifest.encode(MANIFEST)
    assert manifest.decode(stored, expect=manifest.name(stored)) == MANIFEST
    with pytest.raises(Damaged, match=r"the manifest b3:.* is damaged: its bytes have another hash"):
        manifest.decode(stored, expect=manifest.name(b"other"))


NONE = "this is no manifest"
PART = "this is no manifest of format 1: a part is missing or wrong"
ORDER = "the manifest's names are not in order, or a directory is missing"


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        (b"", NONE),
        (b"text", NONE),
        (zstandard.ZstdCompressor().compress(b"[]"), "this is no manifest: not an object"),
        (zstandard.ZstdCompressor().compress(b"not json"), NONE),
        (zstandard.ZstdCompressor().compress(b"[" * 100_000), NONE),
        (document(tree=[["../x", "file", 420, 0, 0, "", []]]), "has a part '..'"),
        (document(tree=[["x", "file", 420, 0, 5, "", []]]), PART),
        (document(tree=[["x", "file", 420, 0.5, 0, "", []]]), PART),
        (document(tree=[["x", "file", 420, True, 0, "", []]]), PART),
        (document(tree=[["x", "file", 420, 0, 0, ""]]), PART),
        (document(tree=[["x", "file", 420, 0, 5, "", ["b3:short"]]]), PART),
        (
            document(tree=[["x", "file", 420, 0, 5, "", [chunk_id(b"elsewhere")]]]),
            "the manifest does not say where chunk ",
        ),
        (document(tree=[["b", "dir", 493, 0, 0, "", []], ["a", "dir", 493, 0, 0, "", []]]), ORDER),
        (document(tree=[["a/b", "dir", 493, 0, 0, "", []]]), ORDER),
        (document(tree=[["a", "dir", 493, 0, 0, "", []], ["a", "dir", 493, 0, 0, "", []]]), "'a' appears twice"),
        (document(packs=["../../etc/passwd"]), PART),
        (document(packs=[]), PART),
        (document(chunks={CHUNK: [0, -1, 5, 0]}), PART),
        (document(chunks={CHUNK: [0, 0, CHUNK_SIZE + 1, 0]}), PART),
        (document(chunks={CHUNK: [0, 0]}), PART),
        (document(chunks=7), PART),
    ],
)
def test_what_is_no_manifest(stored: bytes, told: str) -> None:
    """Bytes from elsewhere are InvalidInput, and it is said what is wrong with them and what to do."""
    with pytest.raises(InvalidInput) as info:
        manifest.decode(stored)
    assert told in info.value.reason
    assert info.value.advice


def test_newer_formats_are_told() -> None:
    """A manifest of a later Knit is Unsupported, with the advice to update."""
    with pytest.raises(Unsupported, match="the manifest has format 2; this Knit reads 1"):
        manifest.decode(document(format=2))


def test_manifest_bombs() -> None:
    """A manifest that unpacks to more than allowed is refused before it is unpacked."""
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 24))
    with pytest.raises(InvalidInput, match="larger"):
        manifest.decode(bomb, max_bytes=1 << 20)


@pytest.mark.parametrize(("raw", "compressed"), [(b"x" * 1000, True), (b"short", False), (b"", False)])
def test_squeezing(raw: bytes, compressed: bool) -> None:
    """What shrinks rests compressed; everything comes back."""
    stored, squeezed = Compressor().squeeze(raw)
    assert squeezed is compressed
    assert unsqueeze(stored, len(raw), squeezed) == raw


def test_frames_that_lie() -> None:
    """A frame of another length than the chunk's is refused before memory is taken for it."""
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 26))
    for stored in (bomb, b"junk", bomb[:50]):
        with pytest.raises(BadFrame):
            unsqueeze(stored, 100, compressed=True)


def test_packs_share() -> None:
    """Chunks follow each other in a pack that is named by its bytes; an empty one is none."""
    builder = PackBuilder()
    assert builder.seal() is None
    builder.add(chunk_id(b"one"), b"one")
    builder.add(chunk_id(b"three"), b"three")
    pack = builder.seal()
    assert pack is not None
    assert b"".join(pack.parts) == b"onethree"
    assert pack.id == digest(b"onethree")
    assert pack.locations[chunk_id(b"three")] == Location(pack.id, 3, 5, False)
    assert builder.seal() is None
