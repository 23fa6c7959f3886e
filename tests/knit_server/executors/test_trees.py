"""Trees of files: nothing leads out of them, copies are faithful, and everything can be deleted again."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.domain.errors import InvalidInput, OutOfSpace, Unavailable
from knit_server.executors.local import trees

PARTS = st.lists(st.sampled_from(["a", "b", "up", "root", "out", "..", ".", ""]), max_size=8)


@given(PARTS)
def test_inside(parts: list[str]) -> None:
    """No path leads out of its root, whatever links are on the way."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "x" / "root"
        (root / "a" / "b").mkdir(parents=True)
        for link, target in {"up": "../..", "root": "/", "out": "/etc", "a/up": "../../../b", "a/root": "/a"}.items():
            (root / link).symlink_to(target)
        found = trees.inside(root, "/".join(parts))
        assert found.is_relative_to(root)
        if found.exists():
            assert found.resolve() == found


def test_loop_of_links(tmp_path: Path) -> None:
    """A loop of links is told, not followed for ever."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(InvalidInput, match="too many symbolic links"):
        trees.inside(tmp_path, "/a/x")


def test_copy_and_remove(tmp_path: Path) -> None:
    """A read-only copy has the same content, links and programs, and can be deleted."""
    source, copy = tmp_path / "source", tmp_path / "copy"
    (source / "d" / "empty").mkdir(parents=True)
    (source / "d" / "program").write_text("x")
    (source / "d" / "program").chmod(0o755)
    (source / "link").symlink_to("/nowhere")
    os.mkfifo(source / "pipe")
    trees.copy_tree(source, copy, read_only=True)
    (source / "pipe").unlink()
    assert trees.describe(copy) == trees.describe(source)
    assert (copy / "d").stat().st_mode & 0o777 == 0o555
    (copy / "d").chmod(0)
    trees.remove_tree(copy)
    trees.remove_tree(copy)
    assert not copy.exists()


def test_removing_leaves_targets_of_links(tmp_path: Path) -> None:
    """Deleting a tree does not touch what its links lead to."""
    kept = tmp_path / "kept"
    (tmp_path / "tree" / "d").mkdir(parents=True)
    kept.mkdir(mode=0o555)
    (tmp_path / "tree" / "d" / "link").symlink_to(kept)
    (tmp_path / "tree" / "d").chmod(0o500)
    trees.remove_tree(tmp_path / "tree")
    assert kept.stat().st_mode & 0o777 == 0o555


@pytest.mark.parametrize(
    ("number", "error"), [(errno.ENOSPC, OutOfSpace), (errno.EDQUOT, OutOfSpace), (errno.EACCES, Unavailable)]
)
def test_told(number: int, error: type[Exception]) -> None:
    """The system's refusals become errors that people understand."""
    words = "no space left while copying" if error is OutOfSpace else "copying failed: "
    with pytest.raises(error, match=words), trees.told("copying"):
        raise OSError(number, os.strerror(number))
