"""Every odd tree survives every way through Knit, byte for byte and nanosecond for nanosecond."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from knit_server.content import manifest, tarball
from knit_server.content.tree import Entry, Tree
from knit_server.storage import Snapshot, Store

Picture = Callable[[Path], list[tuple[object, ...]]]


def snapshot(store: Store, directory: Path) -> Snapshot:
    with store.writer() as writer:
        return writer.add_directory(directory)


def materialise(store: Store, stored: Snapshot, dest: Path) -> Path:
    assert stored.manifest_key is not None
    dest.mkdir()
    store.materialise(store.manifest(stored.manifest_key), dest)
    return dest


def test_walk_store_materialise(odd_tree: Path, store: Store, tmp_path: Path, picture: Picture) -> None:
    """What was stored from a directory comes back equal, and sound."""
    stored = snapshot(store, odd_tree)
    assert picture(materialise(store, stored, tmp_path / "out")) == picture(odd_tree)
    assert stored.manifest_key is not None
    assert store.verify(store.manifest(stored.manifest_key)) == []


def test_walk_tar_add_materialise(odd_tree: Path, store: Store, tmp_path: Path, picture: Picture) -> None:
    """A push as tar.gz gives the same content id as storing the directory, and comes back equal."""
    archive = tarball.pack_directory(odd_tree)
    stream = io.BytesIO(b"".join(archive))
    with store.writer() as writer:
        pushed = writer.add_tar(stream)
    assert pushed.content_id == archive.tree.content_id == snapshot(store, odd_tree).content_id
    assert picture(materialise(store, pushed, tmp_path / "out")) == picture(odd_tree)


def test_store_tar_extract(odd_tree: Path, store: Store, tmp_path: Path, picture: Picture) -> None:
    """A pull as tar.gz unpacks to an equal directory, whose content id the client sees."""
    stored = snapshot(store, odd_tree)
    assert stored.manifest_key is not None
    stream = io.BytesIO(b"".join(store.tar(store.manifest(stored.manifest_key))))
    extracted = tarball.extract_to(stream, tmp_path / "pulled" / "data")
    assert extracted.content_id == stored.content_id
    assert extracted.bytes_id == stored.bytes_id
    assert picture(tmp_path / "pulled" / "data") == picture(odd_tree)


def test_tar_bytes_are_deterministic(odd_tree: Path, store: Store) -> None:
    """One tree always gives one archive, whether it comes from a directory or from the store."""
    stored = snapshot(store, odd_tree)
    assert stored.manifest_key is not None
    from_store = b"".join(store.tar(store.manifest(stored.manifest_key)))
    assert from_store == b"".join(tarball.pack_directory(odd_tree))


def test_tar_blocks_are_worth_sending(odd_tree: Path) -> None:
    """Every block but the last has the promised size."""
    *blocks, _ = tarball.pack_directory(odd_tree)
    assert all(len(block) >= tarball.BLOCK for block in blocks)


names = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..")
)
escaped = names.map(lambda name: name + "\udcff")
times = st.integers(-(2**40), 2**62)


@st.composite
def trees(draw: st.DrawFn) -> tuple[Tree, dict[str, bytes]]:
    """Trees of files, directories and symlinks with any names, times and modes, and the files' bytes."""
    folders = ["", *(f"{name}/" for name in draw(st.lists(names | escaped, max_size=3, unique=True)))]
    entries = [Entry(folder[:-1], "dir", draw(st.integers(0, 0o777)), draw(times)) for folder in folders[1:]]
    taken = {entry.path for entry in entries}
    contents: dict[str, bytes] = {}
    for name in draw(st.lists(names | escaped, max_size=8, unique=True)):
        path = draw(st.sampled_from(folders)) + name
        if path in taken or len(path.encode("utf-8", "surrogateescape")) > 255:
            continue
        taken.add(path)
        if draw(st.booleans()):
            contents[path] = draw(st.binary(max_size=300))
            entries.append(Entry(path, "file", draw(st.integers(0, 0o777)), draw(times), len(contents[path])))
        else:
            entries.append(Entry(path, "symlink", 0o777, draw(times), target=draw(names)))
    return Tree(tuple(entries)), contents


@given(trees())
def test_any_tree_survives_tar_and_manifest(made: tuple[Tree, dict[str, bytes]]) -> None:
    """Tree -> tar.gz -> store -> manifest -> tar.gz keeps everything, for any names, modes and times."""
    tree, contents = made
    archive = b"".join(tarball.write(tree.entries, lambda entry: [contents[entry.path]]))
    store = Store("memory://any-tree")
    with store.writer() as writer:
        by_tar = writer.add_tar(io.BytesIO(archive))
        by_hand = writer.add_files((entry, [contents.get(entry.path, b"")]) for entry in tree.entries)
    assert by_tar.content_id == by_hand.content_id
    assert by_tar.manifest_key is not None
    back = store.manifest(by_tar.manifest_key)
    assert back.tree == by_hand.tree
    assert manifest.decode(manifest.encode(back)) == back
    assert all(store.read(back, path) == content for path, content in contents.items())
    with store.writer() as writer:
        again = writer.add_tar(io.BytesIO(b"".join(store.tar(back))))
    assert again.content_id == by_tar.content_id
