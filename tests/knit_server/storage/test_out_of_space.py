"""A full disk is told as such, leaves nothing that looks finished, and harms nothing that is."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from knit_server.content import tarball
from knit_server.content.tree import Entry, digest
from knit_server.domain.errors import OutOfSpace
from knit_server.storage import Snapshot, Store, TreeCache, copy_tree

ROOM = 4 * 1024 * 1024


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(place)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"NOT TESTED: a full disk, as this user may not mount a tmpfs ({made.stderr.strip()})")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def put(store: Store, data: bytes) -> Snapshot:
    with store.writer() as writer:
        return writer.add_files([(Entry("f", "file"), [data])])


def test_storing(small: Path) -> None:
    """A pack that does not fit is OutOfSpace; what was stored before stays sound, and no part is left."""
    store = Store(small / "store")
    stored = put(store, b"before")
    with pytest.raises(OutOfSpace) as caught:
        put(store, os.urandom(ROOM * 2))
    assert caught.value.advice
    assert len(list(store.packs())) == 1
    assert list(store.strays()) == []
    assert stored.manifest_key is not None
    assert store.verify(store.manifest(stored.manifest_key)) == []
    put(store, b"after")


def test_materialising_and_extracting(small: Path, store: Store) -> None:
    """Trees that do not fit are OutOfSpace, and nothing half-written looks finished."""
    stored = put(store, os.urandom(ROOM * 2))
    assert stored.manifest_key is not None
    manifest = store.manifest(stored.manifest_key)
    cache = TreeCache(small / "cache")
    with pytest.raises(OutOfSpace):
        cache.get(stored.content_id, lambda place: store.materialise(manifest, place))
    assert cache.find(stored.content_id) is None
    with pytest.raises(OutOfSpace):
        tarball.extract_to(io.BytesIO(b"".join(store.tar(manifest))), small / "pulled")
    assert [path.name for path in small.iterdir()] == ["cache"]
    cache.get(digest(b"small"), lambda place: (place / "f").write_bytes(bytes(ROOM // 2)))
    cache.close()


def test_copying(small: Path, tmp_path: Path) -> None:
    """A copy that does not fit is OutOfSpace."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "f").write_bytes(os.urandom(ROOM * 2))
    (small / "copy").mkdir()
    with pytest.raises(OutOfSpace):
        copy_tree(tmp_path / "src", small / "copy")
