"""Copies of trees: private, equal, and independent of the original."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from knit_server.domain.errors import Conflict
from knit_server.storage import copy_tree

Picture = Callable[[Path], list[tuple[object, ...]]]


def test_copies_are_equal(odd_tree: Path, tmp_path: Path, picture: Picture) -> None:
    """Bytes, modes, times and links of the copy are those of the original."""
    (tmp_path / "copy").mkdir()
    copy_tree(odd_tree, tmp_path / "copy")
    assert picture(tmp_path / "copy") == picture(odd_tree)


def test_copies_are_independent(tmp_path: Path) -> None:
    """Writing to the copy leaves the original; hard links become files of their own."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "f").write_text("original")
    os.link(tmp_path / "src" / "f", tmp_path / "src" / "twin")
    (tmp_path / "copy").mkdir()
    copy_tree(tmp_path / "src", tmp_path / "copy")
    (tmp_path / "copy" / "f").write_text("changed")
    assert (tmp_path / "src" / "f").read_text() == "original"
    assert (tmp_path / "copy" / "twin").read_text() == "original"


@pytest.mark.parametrize("number", [errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP])
def test_kernels_that_cannot_copy(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel cannot copy between two files, the bytes are read and written."""

    def refuse(*_: object) -> int:
        raise OSError(number, "no")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "f").write_bytes(os.urandom(100_000))
    (tmp_path / "copy").mkdir()
    copy_tree(tmp_path / "src", tmp_path / "copy")
    assert (tmp_path / "copy" / "f").read_bytes() == (tmp_path / "src" / "f").read_bytes()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A file that is in the way is a Conflict."""
    for name in ("src", "copy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text(name)
    with pytest.raises(Conflict):
        copy_tree(tmp_path / "src", tmp_path / "copy")
    assert (tmp_path / "copy" / "f").read_text() == "copy"
