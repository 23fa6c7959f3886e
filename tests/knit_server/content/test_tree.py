"""Trees as values: their order, their rules and their two ids."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.content.paths import check_path, clean, leaves_tree, order_key
from knit_server.content.tree import CHUNK_SIZE, Entry, Tree, bytes_id, chunk_id, content_id
from knit_server.domain.errors import InvalidInput, NotFound

TREE = Tree.of(
    [
        Entry("bin", "dir", 0o755, 1),
        Entry("bin/run", "file", 0o755, 1_500_000_000_123_456_789, 5, chunks=(chunk_id(b"bytes"),)),
        Entry("bin/\udcff", "file", 0o644, -5),
        Entry("link", "symlink", 0o777, 2, target="bin/run"),
    ]
)


def changed(which: str, **fields: object) -> Tree:
    entries = [replace(entry, **fields) if entry.path == which else entry for entry in TREE.entries]  # type: ignore[arg-type]
    return Tree.of(entries)


def test_ids_never_change() -> None:
    """The ids of a tree are part of the storage format: if this fails, every store is unreadable by name."""
    assert content_id(Tree()) == "b3:ebf5b21d448174f816dcf89a5be180358cc978a306fd71dea42b9522ecb660f8"
    assert content_id(TREE) == "b3:45f23830d1a67d25356d9db794a3d6c55a123a35391c90c13d9d2af3fc235fb1"
    assert bytes_id(TREE) == "b3:54f23a5e7bcce385b64433f5d45ed17306941098f10ffde45d0d5cb90e231f00"
    assert chunk_id(b"") == "b3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


@pytest.mark.parametrize("path", ["bin", "bin/run", "link"])
def test_times_are_content_but_not_bytes(path: str) -> None:
    """A changed time changes the content id, and leaves the bytes id."""
    other = changed(path, mtime_ns=77)
    assert other.content_id != TREE.content_id
    assert other.bytes_id == TREE.bytes_id


def test_modes_are_content_but_only_executable_is_bytes() -> None:
    """Of all mode bits only the owner's x of a file belongs to the bytes id."""
    assert changed("bin/run", mode=0o700).bytes_id == TREE.bytes_id
    assert changed("bin", mode=0o700).bytes_id == TREE.bytes_id
    assert changed("bin/run", mode=0o655).bytes_id != TREE.bytes_id
    assert changed("bin/run", mode=0o700).content_id != TREE.content_id


def test_bytes_and_targets_are_both() -> None:
    """Other bytes, other targets or other names change both ids."""
    for other in (
        changed("bin/run", chunks=(chunk_id(b"other"),)),
        changed("link", target="bin"),
        changed("link", path="lick"),
    ):
        assert other.content_id != TREE.content_id
        assert other.bytes_id != TREE.bytes_id


def test_order_is_depth_first() -> None:
    """A directory's entries follow it at once, before siblings whose names sort between by plain text."""
    tree = Tree.of([Entry("a-b", "dir"), Entry("a/z", "file"), Entry("a.c", "file"), Entry("B", "dir")])
    assert [entry.path for entry in tree.entries] == ["B", "a", "a/z", "a-b", "a.c"]
    assert tree.entries[1] == Entry("a", "dir", 0o755, 0)


letters = st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"])


@given(st.lists(st.text(letters, min_size=1), max_size=9))
def test_order_of_entries_given_does_not_matter(names: list[str]) -> None:
    """A tree depends on what is in it, not on the order in which it was collected."""
    entries = [Entry("d/" + name, "file") for name in dict.fromkeys(names) if name not in (".", "..")]
    trees = {Tree.of(entries).content_id, Tree.of(reversed(entries)).content_id}
    assert len(trees) == 1


@pytest.mark.parametrize(
    "entries",
    [
        [Entry("a", "file"), Entry("a", "file")],
        [Entry("a", "file"), Entry("a/b", "file")],
        [Entry("a/b", "file"), Entry("a", "symlink", target="x")],
        [Entry("a", "symlink", target="."), Entry("a/b", "file")],
        [Entry("/a", "file")],
        [Entry("a/../b", "file")],
        [Entry("", "dir")],
        [Entry("a/", "dir")],
        [Entry("a\0", "file")],
        [Entry("\ud800", "file")],
        [Entry("a", "file", 0o4755)],
        [Entry("a", "file", size=1)],
        [Entry("a", "file", chunks=(chunk_id(b""),))],
        [Entry("a", "file", size=-1)],
        [Entry("a", "file", target="x")],
        [Entry("a", "dir", size=1)],
        [Entry("a", "symlink")],
        [Entry("a", "file", mtime_ns=2**63)],
        [Entry("a", "fifo")],  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_impossible_trees(entries: list[Entry]) -> None:
    """What no directory can hold is no tree."""
    with pytest.raises(InvalidInput):
        Tree.of(entries)


def test_numbers() -> None:
    """Sizes and counts are of files; chunks are cut at multiples of the chunk size."""
    entry = Entry("f", "file", size=CHUNK_SIZE + 1, chunks=(chunk_id(b"a"), chunk_id(b"b")))
    tree = Tree.of([entry, Entry("d", "dir")])
    assert (tree.size, tree.files) == (CHUNK_SIZE + 1, 1)
    assert [length for _, _, length in tree.chunks()] == [CHUNK_SIZE, 1]
    assert tree.find("f") == entry
    with pytest.raises(NotFound):
        tree.find("g")


def test_clean_names() -> None:
    """Names of archives are normalised, and never lead out."""
    assert [clean(name) for name in ("./a", "a//b/", ".", "./", "a/./b")] == ["a", "a/b", "", "", "a/b"]
    for name in ("..", "a/..", "/", "/a"):
        with pytest.raises(InvalidInput):
            clean(name)


def test_limits_of_paths() -> None:
    """255 bytes a name, 400 names deep: what every Linux file system and a limit of 1,024 open files allow."""
    check_path("é" * 127)
    check_path("/".join("d" * 400))
    for path in ("é" * 128, "/".join("d" * 401), "/".join(["n" * 250] * 20)):
        with pytest.raises(InvalidInput):
            check_path(path)


@pytest.mark.parametrize(
    ("path", "target", "leaves"),
    [("l", "a", False), ("l", "..", True), ("d/l", "..", False), ("d/l", "../..", True), ("l", "/a", True),
     ("d/l", "../x/../..", True), ("l", "a/../..", True), ("l", "./a/..", False)],
)  # fmt: skip
def test_leaving_links(path: str, target: str, leaves: bool) -> None:
    """A link leaves its tree if its text does, even if it would come back."""
    assert leaves_tree(path, target) is leaves


def test_order_key_keeps_bytes() -> None:
    """Names that are not UTF-8 sort by their bytes."""
    assert order_key("\udcff") > order_key("é")


def test_import_is_light() -> None:
    """Importing what the `knit` command's start-up can reach loads no hash, compressor or store library."""
    code = (
        "import sys, knit_server.content.tarball, knit_server.content.manifest, knit_server.content.restore\n"
        "print(sorted(set(sys.modules) & {'blake3', 'zstandard', 'isal', 'fsspec'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
