"""Damage to any stored object is always told, and never served as good."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from knit_server.content.manifest import Manifest
from knit_server.content.tree import Entry
from knit_server.domain.errors import Damaged
from knit_server.storage import Store

Harm = Callable[[Path], None]


def flip_first(path: Path) -> None:
    _flip(path, 0)


def flip_last(path: Path) -> None:
    _flip(path, path.stat().st_size - 1)


def flip_any(path: Path) -> None:
    _flip(path, random.Random(7).randrange(path.stat().st_size))


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def delete(path: Path) -> None:
    path.unlink()


harms = pytest.mark.parametrize("harm", [flip_first, flip_last, flip_any, truncate, empty, delete])


@pytest.fixture
def sound(store: Store) -> tuple[str, Manifest]:
    """A stored tree of two files, one of which rests compressed."""
    with store.writer() as writer:
        noise = random.Random(1).randbytes(500)
        stored = writer.add_files([(Entry("plain", "file"), [noise]), (Entry("small", "file"), [b"text " * 900])])
    assert stored.manifest_key is not None
    return stored.manifest_key, store.manifest(stored.manifest_key)


@harms
def test_damaged_manifest(harm: Harm, store: Store, sound: tuple[str, Manifest]) -> None:
    """A manifest that is not what was stored is not read."""
    [(_, seen)] = store.manifests()
    harm(Path(store.url) / seen.key)
    with pytest.raises(Damaged, match=sound[0]):
        store.manifest(sound[0])


@harms
def test_damaged_pack(harm: Harm, store: Store, sound: tuple[str, Manifest], tmp_path: Path) -> None:
    """Each way of reading a damaged pack fails, naming the pack; verify names the file."""
    manifest = sound[1]
    [(pack, seen)] = store.packs()
    harm(Path(store.url) / seen.key)
    problems = store.verify(manifest)
    assert problems
    for problem in problems:
        assert pack in problem.reason
        with pytest.raises(Damaged, match=f"'{problem.path}' cannot be read: pack {pack} is damaged "):
            store.read(manifest, problem.path)
    with pytest.raises(Damaged):
        store.materialise(manifest, tmp_path)
    with pytest.raises(Damaged):
        list(store.tar(manifest))
    for problem in problems:
        for file in tmp_path.glob(problem.path):
            assert file.read_bytes() == b""


def test_every_byte_counts(store: Store, sound: tuple[str, Manifest]) -> None:
    """Whichever byte of a pack is flipped, verify notices."""
    [(_, seen)] = store.packs()
    path = Path(store.url) / seen.key
    good = path.read_bytes()
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        assert store.verify(sound[1]), f"byte {at} may change unseen"
    path.write_bytes(good)
    assert store.verify(sound[1]) == []


def test_swapped_packs(store: Store) -> None:
    """A pack in another's place is damage, though it is sound in itself."""
    keys = []
    for data in (b"one", b"two"):
        with store.writer() as writer:
            stored = writer.add_files([(Entry("f", "file"), [data])])
        keys.append(stored.manifest_key)
    one, two = (Path(store.url) / seen.key for _, seen in store.packs())
    one.write_bytes(two.read_bytes())
    reports = [store.verify(store.manifest(key or "")) for key in keys]
    assert sorted(map(len, reports)) == [0, 1]
