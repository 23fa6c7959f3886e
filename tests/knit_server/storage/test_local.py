"""The order in which a local store makes things durable, and what writing costs."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from pathlib import Path

import pytest

from knit_server.content.tree import CHUNK_SIZE, Entry
from knit_server.storage import Store


def test_synced_before_it_has_a_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is synced before any is renamed, packs are renamed before manifests, and folders are synced last."""
    calls: list[str] = []
    fsync, rename = os.fsync, os.rename

    def watched_fsync(descriptor: int) -> None:
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        calls.append("sync file" if name.endswith(".part") else "sync folder")
        fsync(descriptor)

    def watched_rename(source: Path, target: Path) -> None:
        calls.append("rename " + Path(target).parent.parent.name)
        rename(source, target)

    with store.writer() as writer:  # makes the folders, which is synced too
        first = writer.add_files([(Entry("f", "file"), [b"x"])])
    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "rename", watched_rename)
    with store.writer() as writer:
        again = writer.add_files([(Entry("f", "file"), [b"x"])])
    assert again.manifest_key == first.manifest_key
    assert calls == ["sync file"] * 2 + ["rename packs", "rename manifests"] + ["sync folder"] * 2


def test_folders_that_vanished_are_made_again(store: Store) -> None:
    """Somebody tidying up empty folders does not stop a running store."""
    for _ in range(2):
        with store.writer() as writer:
            stored = writer.add_files([(Entry("f", "file"), [b"x"])])
        assert stored.manifest_key is not None
        assert store.verify(store.manifest(stored.manifest_key)) == []
        shutil.rmtree(store.url)


def test_memory_is_bounded(store: Store, tmp_path: Path) -> None:
    """Storing, materialising and sending a file takes a few packs of memory, not the file's size."""
    source = tmp_path / "source"
    source.mkdir()
    with open(source / "big", "wb") as file:
        for _ in range(20):
            file.write(os.urandom(CHUNK_SIZE))
    (tmp_path / "out").mkdir()
    tracemalloc.start()
    try:
        with store.writer() as writer:
            stored = writer.add_directory(source)
        assert stored.manifest_key is not None
        manifest = store.manifest(stored.manifest_key)
        store.materialise(manifest, tmp_path / "out")
        for _ in store.tar(manifest):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 9 * CHUNK_SIZE  # the file has 20
