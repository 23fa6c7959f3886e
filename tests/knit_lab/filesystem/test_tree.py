"""Names in a Data without a server: directories, and where symlinks lead."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from knit_lab.filesystem.tree import FileTree
from knit_server.domain.errors import NotFound
from knit_server.wire import shapes


def entry(path: str, kind: str = "file", target: str | None = None) -> shapes.FileEntry:
    made: shapes.FileEntry = {
        "path": path, "kind": kind, "size": len(path), "mode": "0644", "mtime": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    if target is not None:
        made["target"] = target
    return made


TREE = FileTree(
    [
        entry("a.csv"), entry("d", "dir"), entry("d/b.csv"), entry("d/e", "dir"), entry("d/e/c.csv"),
        entry("d/e/up", "symlink", ".."), entry("d/up.csv", "symlink", "../a.csv"), entry("empty", "dir"),
        entry("far.csv", "symlink", "short/e/../b.csv"), entry("gone", "symlink", "nowhere"),
        entry("loop", "symlink", "loop2"), entry("loop2", "symlink", "./loop"), entry("out", "symlink", "../../etc"),
        entry("root", "symlink", "/etc/passwd"), entry("short", "symlink", "d"),
        entry("through", "symlink", "a.csv/../a.csv"),
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind", "place"),
    [
        ("", "directory", ""), ("a.csv", "file", "a.csv"), ("d", "directory", "d"), ("empty", "directory", "empty"),
        ("d/e/c.csv", "file", "d/e/c.csv"), ("d/up.csv", "file", "a.csv"), ("far.csv", "file", "d/b.csv"),
        ("short", "link", "short"), ("short/b.csv", "file", "d/b.csv"), ("short/e", "directory", "d/e"),
        ("d/e/up/e/up/b.csv", "file", "d/b.csv"), ("gone", "link", "gone"), ("loop", "link", "loop"),
        ("out", "link", "out"), ("root", "link", "root"), ("through", "link", "through"),
        ("./d/../a.csv", "file", "a.csv"),
    ],
)  # fmt: skip
def test_found(name: str, kind: str, place: str) -> None:
    """Symlinks to files are these files, other ones are links, and paths lead through those to directories."""
    node = TREE.find(name)
    assert (node.name, node.kind, node.place) == (name, kind, place)
    if kind == "file":
        assert node.entry is not None
        assert node.entry["size"] == len(place)


@pytest.mark.parametrize("name", ["x", "d/x", "a.csv/x", "gone/x", "loop/x", "out/passwd", "root/x", "../a.csv"])
def test_not_there(said: Callable[..., str], name: str) -> None:
    """What is not in it, and what would be outside."""
    assert said(lambda: TREE.find(name), NotFound) == f"there is no {name!r} in this Data"
    assert said(lambda: list(TREE.within(name)), NotFound) == f"there is no {name!r} in this Data"


def test_within() -> None:
    """What is directly in a directory, under the name by which it was asked for."""
    assert [each.name for each in TREE.within("d")] == ["d/b.csv", "d/e", "d/up.csv"]
    assert [(each.name, each.place) for each in TREE.within("short")] == [
        ("short/b.csv", "d/b.csv"), ("short/e", "d/e"), ("short/up.csv", "a.csv"),
    ]  # fmt: skip
    assert list(TREE.within("empty")) == []
    assert {each.name: each.kind for each in TREE.within("")}["gone"] == "link"


def test_a_likely_name_is_told() -> None:
    """One that differs little."""
    with pytest.raises(NotFound) as caught:
        TREE.find("d/b.cvs")
    assert caught.value.advice == "Did you mean d/b.csv?"
    with pytest.raises(NotFound) as caught:
        TREE.find("zzzzzzz")
    assert caught.value.advice == "It holds 16 names; see them: fs.find(path)"


def test_a_path_of_many_links_ends() -> None:
    """As on Linux, 40 symlinks are enough."""
    assert TREE.find("d/e" + "/up/e" * 40).kind == "directory"
    with pytest.raises(NotFound):
        TREE.find("d/e" + "/up/e" * 41)
