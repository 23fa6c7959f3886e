"""Walking and writing trees on a disk that others may have prepared."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from knit_server.content import walk
from knit_server.content.restore import TreeWriter, appearing, remove_tree
from knit_server.content.tree import Entry, Tree
from knit_server.domain.errors import Conflict, InvalidInput


def test_symlinks_in_the_way_are_not_followed(tmp_path: Path) -> None:
    """A symlink already lying in the destination is not written through."""
    outside = tmp_path / "outside"
    dest = tmp_path / "dest"
    outside.mkdir()
    dest.mkdir()
    (dest / "d").symlink_to(outside)
    (dest / "f").symlink_to(outside / "f")
    with TreeWriter(dest) as writer:
        with pytest.raises(Conflict):
            writer.directory(Entry("d", "dir"))
        with pytest.raises(InvalidInput), writer.file(Entry("d/x", "file")):
            pass
        with pytest.raises(Conflict), writer.file(Entry("f", "file")):
            pass
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "a//b", "./a", "", "a\0b"])
def test_names_that_lead_out(path: str, tmp_path: Path) -> None:
    """The writer itself refuses names that are not plain, whoever made the entry."""
    dest = tmp_path / "dest"
    dest.mkdir()
    with TreeWriter(dest) as writer:
        with pytest.raises(InvalidInput):
            writer.directory(Entry(path, "dir"))
        with pytest.raises(InvalidInput):
            writer.symlink(Entry(path, "symlink", target="x"))
        with pytest.raises(InvalidInput), writer.file(Entry(path, "file")):
            pass
    assert list(tmp_path.rglob("*")) == [dest]


def test_any_order_and_modes_last(tmp_path: Path) -> None:
    """Entries may come in any order; a directory's mode comes last, so that it cannot hinder what it holds."""
    locked = Entry("locked", "dir", 0o555, 5)
    entries = [Entry("locked/in/f", "file", 0o444, 7), locked, Entry("locked/in", "dir", 0o500, 6)]
    with TreeWriter(tmp_path) as writer:
        with writer.file(entries[0]) as sink:
            sink.write(b"")
        writer.directory(entries[1])
        writer.directory(entries[2])
        writer.finish(Tree.of(entries))
    statuses = [(tmp_path / name).stat() for name in ("locked", "locked/in", "locked/in/f")]
    assert [(status.st_mode & 0o7777, status.st_mtime_ns) for status in statuses] == [
        (0o555, 5),
        (0o500, 6),
        (0o444, 7),
    ]


def test_zeros_become_holes(tmp_path: Path) -> None:
    """Long runs of zeros take no space, and the file still has its whole length."""
    with TreeWriter(tmp_path) as writer, writer.file(Entry("sparse", "file")) as sink:
        sink.write(bytes(8 << 20))
        sink.write(b"end")
        sink.write(bytes(8 << 20))
    status = (tmp_path / "sparse").stat()
    assert status.st_size == (16 << 20) + 3
    assert status.st_blocks * 512 < 1 << 20
    assert (tmp_path / "sparse").read_bytes() == bytes(8 << 20) + b"end" + bytes(8 << 20)


def test_deep_trees(tmp_path: Path) -> None:
    """Paths longer than the system's PATH_MAX below the root are no obstacle; deeper than the limit is told."""
    root = tmp_path / ("r" * 250)
    root.mkdir()
    path = "/".join(["n" * 200] * 20)
    with TreeWriter(root) as writer, writer.file(Entry(path, "file")) as sink:
        sink.write(b"deep")
    assert [found.entry.path for found in walk.scan(root)][-1] == path
    remove_tree(root)
    assert not root.exists()
    with TreeWriter(tmp_path) as writer:
        writer.directory(Entry("/".join("d" * 400), "dir"))
    held = os.open(tmp_path / "/".join("d" * 400), os.O_RDONLY)
    os.mkdir("d", dir_fd=held)
    os.close(held)
    with pytest.raises(InvalidInput, match="400 directories deep"):
        list(walk.scan(tmp_path))


def test_specials_are_skipped_with_a_warning(tmp_path: Path) -> None:
    """Named pipes and sockets are left out, and whoever listens is told; reading never hangs on them."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        (tmp_path / "file").write_text("x")
        warnings: list[str] = []
        found = [item.entry.path for item in walk.scan(tmp_path, warn=warnings.append)]
    assert found == ["file"]
    assert warnings == ["'pipe' is a named pipe; skipped", "'socket' is a socket; skipped"]


def test_dropped_bits_and_second_names_are_noticed(tmp_path: Path) -> None:
    """Setuid, setgid and sticky are not kept; such trees, and hard links, are not exactly what is on disk."""
    for name, mode in (("suid", 0o4755), ("sgid", 0o2755), ("plain", 0o755)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    (tmp_path / "sticky").mkdir()
    (tmp_path / "sticky").chmod(0o1777)
    (tmp_path / "linked").touch()
    os.link(tmp_path / "linked", tmp_path / "twin")
    found = {item.entry.path: item for item in walk.scan(tmp_path)}
    assert {path for path, item in found.items() if item.exact} == {"plain"}
    assert found["suid"].entry.mode == found["sgid"].entry.mode == 0o755
    assert found["sticky"].entry.mode == 0o777


@pytest.mark.parametrize("swap", ["symlink", "pipe", "bytes", "directory", "nothing"])
def test_files_swapped_while_walking(swap: str, tmp_path: Path) -> None:
    """A file replaced between looking and reading is an error, whatever took its place; nothing hangs."""
    path = tmp_path / "f"
    path.write_text("x")
    for found in walk.scan(tmp_path):
        path.unlink()
        if swap == "symlink":
            path.symlink_to("/etc/passwd")
        elif swap == "pipe":
            os.mkfifo(path)
        elif swap == "bytes":
            path.write_text("xy")
        elif swap == "directory":
            path.mkdir()
        with pytest.raises((Conflict, InvalidInput)):
            list(found.blocks())


def test_appearing_is_all_or_nothing(tmp_path: Path) -> None:
    """The directory appears when the block ends well, and leaves no trace otherwise; parents are made."""
    dest = tmp_path / "a" / "b"
    with appearing(dest) as place:
        (place / "f").write_text("x")
        assert not dest.exists()
    assert [path.name for path in dest.iterdir()] == ["f"]
    with pytest.raises(ZeroDivisionError), appearing(tmp_path / "a" / "c") as place:
        (place / "f").write_text(str(1 / 0))
    with pytest.raises(Conflict), appearing(tmp_path / "a" / "d") as place:
        (tmp_path / "a" / "d").mkdir()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b", "d"]


def test_removing_is_thorough(tmp_path: Path) -> None:
    """Read-only directories can be deleted; symlinks in them are not followed; a missing tree is fine."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "tree" / "locked").mkdir(parents=True)
    (tmp_path / "tree" / "locked" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "tree" / "locked").chmod(0o000)
    for _ in range(2):
        remove_tree(tmp_path / "tree")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_total_size(tmp_path: Path) -> None:
    """The estimate for a progress bar counts files only, and takes a single file too."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"12345")
    (tmp_path / "s").symlink_to("d/f")
    assert walk.total_size(tmp_path) == walk.total_size(tmp_path / "d" / "f") == 5
    assert walk.total_size(tmp_path, dereference=True) == 10
