"""Odd trees that every way through Knit must keep, and how two directories are compared."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from knit_server.content.tree import CHUNK_SIZE
from knit_server.storage import Store


def _link(root: Path) -> None:
    (root / "file").write_text("x")
    (root / "link").symlink_to("file")


def _dangling(root: Path) -> None:
    (root / "gone").symlink_to("/nowhere/at all")


def _leaving(root: Path) -> None:
    (root / "out").symlink_to("../../elsewhere")


def _empty_dir(root: Path) -> None:
    (root / "empty").mkdir()
    (root / "a" / "b" / "c").mkdir(parents=True)


def _hard_link(root: Path) -> None:
    (root / "one").write_text("same bytes")
    os.link(root / "one", root / "two")


def _read_only_dir(root: Path) -> None:
    (root / "locked").mkdir()
    (root / "locked" / "file").write_text("x")
    (root / "locked" / "file").chmod(0o400)
    (root / "locked").chmod(0o555)


def _modes(root: Path) -> None:
    modes = [0o755, 0o600, 0o444, 0o777, 0o711]
    if os.geteuid() == 0:
        modes.append(0o000)  # others could not read it
    for mode in modes:
        (root / f"{mode:o}").write_text(oct(mode))
        (root / f"{mode:o}").chmod(mode)
    (root / "private").mkdir(mode=0o700)


def _unicode(root: Path) -> None:
    (root / "データ").mkdir()
    (root / "データ" / "表 (1).csv").write_text("ü")
    (root / "e\u0301").write_text("decomposed")
    (root / "\u00e9").write_text("composed")
    (root / "😀").symlink_to("データ/表 (1).csv")


def _not_utf8(root: Path) -> None:
    with open(os.fsencode(root) + b"/\xff\xfe latin \xe9", "wb") as file:
        file.write(b"x")
    os.symlink(b"\xff target", os.fsencode(root) + b"/link \x80")


def _newline(root: Path) -> None:
    (root / "two\nlines\t\x1b[31m").write_text("x")
    (root / " ").write_text("blank")
    (root / "back\\slash").write_text("x")
    (root / "-rf").write_text("x")


def _long(root: Path) -> None:
    name = "n" * 255
    (root / name).write_text("x")
    deep = root / name[:200] / name[:200] / name[:200]
    deep.mkdir(parents=True)
    (deep / name).write_text("deep")
    (deep / "link").symlink_to("t" * 300)


def _sparse(root: Path) -> None:
    with open(root / "sparse", "wb") as file:
        file.truncate(50 * 1024 * 1024)
        file.seek(30 * 1024 * 1024 + 17)
        file.write(b"island")


def _times(root: Path) -> None:
    for name, ns in (("old", 1), ("before", -1_500_000_001), ("exact", 1_700_000_000_123_456_789), ("whole", 10**18)):
        (root / name).write_text(name)
        os.utime(root / name, ns=(ns, ns))
    (root / "link").symlink_to("old")
    os.utime(root / "link", ns=(7, 1_234_567_890_987_654_321), follow_symlinks=False)
    (root / "dir").mkdir()
    (root / "dir" / "file").write_text("x")
    os.utime(root / "dir", ns=(3, 3_000_000_007))


def _chunk_edges(root: Path) -> None:
    block = os.urandom(1024) * (CHUNK_SIZE // 1024)
    (root / "exact").write_bytes(block)
    (root / "more").write_bytes(block + b"!")
    (root / "less").write_bytes(block[:-1])
    (root / "two").write_bytes(block * 2)


def _empty_file(root: Path) -> None:
    (root / "empty").touch()


def _nothing(root: Path) -> None:
    pass


def _many(root: Path) -> None:
    for folder in range(30):
        (root / f"{folder:02}").mkdir()
        for number in range(100):
            (root / f"{folder:02}" / f"{number}.txt").write_text(f"{folder} {number}\n" * (number % 40))


def _order(root: Path) -> None:
    for name in ("a", "a-b", "a.b", "B", "ab"):
        (root / name).mkdir()
        (root / name / "x").write_text(name)


TREES: dict[str, Callable[[Path], None]] = {
    function.__name__[1:]: function
    for function in (
        _link, _dangling, _leaving, _empty_dir, _hard_link, _read_only_dir, _modes, _unicode, _not_utf8, _newline,
        _long, _sparse, _times, _chunk_edges, _empty_file, _nothing, _many, _order,
    )
}  # fmt: skip


@pytest.fixture(params=sorted(TREES))
def odd_tree(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A directory holding one of the odd trees."""
    root = tmp_path / "odd"
    root.mkdir()
    TREES[request.param](root)
    return root


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store in a local folder."""
    store = Store(tmp_path / "store")
    yield store
    store.close()


def _picture(root: Path) -> list[tuple[object, ...]]:
    """Describe a directory by the operating system's own words, not by our walker."""
    seen: list[tuple[object, ...]] = []
    base = os.fsencode(root)
    for folder, folders, files in os.walk(base):
        for name in folders + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            what: object = None
            if stat.S_ISLNK(status.st_mode):
                what = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    what = file.read()
            seen.append((os.path.relpath(path, base), status.st_mode, status.st_mtime_ns, what))
    return sorted(seen, key=lambda line: str(line[0]))


@pytest.fixture
def picture() -> Callable[[Path], list[tuple[object, ...]]]:
    """Tells what a directory holds: path, mode, time in ns, and bytes or target of everything below it."""
    return _picture
