"""Single files of Data, on both databases."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from desk import Desk

from knit_server.content import tarball
from knit_server.content.tree import CHUNK_SIZE
from knit_server.domain.errors import Damaged, InvalidInput, NotFound, NotUsable
from knit_server.service import data, files

BIG = os.urandom(3 << 20)


@pytest.fixture
def pushed(desk: Desk, tmp_path: Path) -> str:
    """A Data with a file of several chunks, an empty one, a directory, a symlink, and a name with blanks."""
    import io

    source = tmp_path / "source"
    (source / "d").mkdir(parents=True)
    (source / "d" / "big").write_bytes(BIG)
    (source / "empty").touch()
    (source / " a b ").write_text("blanks")
    (source / "link").symlink_to("d/big")
    stream = io.BytesIO(b"".join(tarball.pack_directory(source)))
    return data.upload(desk.ctx, stream).data.knit_id


def test_entries(desk: Desk, pushed: str) -> None:
    """All names in order, with kinds, sizes and targets."""
    found = files.entries(desk.ctx, pushed)
    assert [(each.path, each.kind, each.size, each.target) for each in found] == [
        (" a b ", "file", 6, ""), ("d", "dir", 0, ""), ("d/big", "file", len(BIG), ""), ("empty", "file", 0, ""),
        ("link", "symlink", 0, "d/big"),
    ]  # fmt: skip


def test_read(desk: Desk, pushed: str) -> None:
    """The bytes of the one file, whole."""
    for path, content in (("d/big", BIG), ("empty", b""), (" a b ", b"blanks")):
        file = files.read(desk.ctx, pushed, path)
        assert (file.entry.path, file.entry.size) == (path, len(content))
        assert b"".join(file.blocks()) == content


@pytest.mark.parametrize(
    ("path", "error"), [("d", InvalidInput), ("link", InvalidInput), ("nope", NotFound), ("", NotFound),
                        ("../x", NotFound), ("/d/big", NotFound)],
)  # fmt: skip
def test_what_is_no_file(desk: Desk, pushed: str, path: str, error: type[Exception]) -> None:
    """Told before anything is sent."""
    with pytest.raises(error):
        files.read(desk.ctx, pushed, path)


def test_only_what_is_needed_is_read(desk: Desk, pushed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file costs a small range of a pack, however large the Data is."""
    fetched: list[int | None] = []
    objects = desk.ctx.store._objects
    whole = type(objects).get

    def get(self: object, key: str, start: int = 0, length: int | None = None) -> bytes | None:
        if key.startswith("packs"):
            fetched.append(length)
        return whole(objects, key, start, length)

    monkeypatch.setattr(type(objects), "get", get)
    assert b"".join(files.read(desk.ctx, pushed, " a b ").blocks()) == b"blanks"
    assert len(fetched) == 1
    assert (fetched[0] or 1 << 30) < 100


def test_data_without_content(desk: Desk) -> None:
    """A Data that is being made, and one that is not there."""
    desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    desk.push("a:1")
    (made,) = desk.find("b:1")
    for act in (lambda: files.entries(desk.ctx, made), lambda: files.read(desk.ctx, made, "x")):
        with pytest.raises(NotUsable):
            act()
    with pytest.raises(NotFound):
        files.entries(desk.ctx, "ghost")


def test_damage_is_told(desk: Desk, pushed: str) -> None:
    """A changed byte in the pack is never handed out."""
    for pack in Path(desk.ctx.home, "store", "packs").rglob("*"):
        if pack.is_file():
            content = bytearray(pack.read_bytes())
            content[len(content) // 2] ^= 1
            pack.chmod(0o600)
            pack.write_bytes(content)
    with pytest.raises(Damaged):
        b"".join(files.read(desk.ctx, pushed, "d/big").blocks())


@pytest.fixture
def packs_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes of packs were asked for, one number for each time."""
    fetched: list[int] = []
    objects = desk.ctx.store._objects
    whole = type(objects).get

    def get(self: object, key: str, start: int = 0, length: int | None = None) -> bytes | None:
        found = whole(objects, key, start, length)
        if key.startswith("packs"):
            fetched.append(len(found or b""))
        return found

    monkeypatch.setattr(type(objects), "get", get)
    return fetched


@pytest.fixture
def long(desk: Desk, tmp_path: Path) -> tuple[str, bytes]:
    """A Data with a file of four chunks that cannot be compressed, and its bytes."""
    import io

    content = os.urandom((3 * CHUNK_SIZE) + 1000)
    source = tmp_path / "long"
    source.mkdir()
    (source / "f").write_bytes(content)
    stream = io.BytesIO(b"".join(tarball.pack_directory(source)))
    return data.upload(desk.ctx, stream).data.knit_id, content


def test_a_part_costs_its_chunks(desk: Desk, long: tuple[str, bytes], packs_read: list[int]) -> None:
    """Of a long file only the chunks are read that hold the part; the next reader finds them in memory."""
    knit_id, content = long
    for start, stop in ((0, 10), (CHUNK_SIZE - 5, CHUNK_SIZE - 1), (5, 100)):
        assert b"".join(files.read(desk.ctx, knit_id, "f").blocks(start, stop)) == content[start:stop]
    assert packs_read == [CHUNK_SIZE]
    start, stop = 2 * CHUNK_SIZE - 3, 2 * CHUNK_SIZE + 3
    assert b"".join(files.read(desk.ctx, knit_id, "f").blocks(start, stop)) == content[start:stop]
    assert packs_read == [CHUNK_SIZE] * 3
    end = len(content)
    assert b"".join(files.read(desk.ctx, knit_id, "f").blocks(end - 1000, end + 9)) == content[-1000:]
    assert packs_read == [CHUNK_SIZE] * 3 + [1000]


def test_a_part_of_damage_is_told(desk: Desk, pushed: str) -> None:
    """A changed byte is not handed out in a part, either."""
    for pack in Path(desk.ctx.home, "store", "packs").rglob("*"):
        if pack.is_file():
            content = bytearray(pack.read_bytes())
            content[len(content) // 2] ^= 1
            pack.chmod(0o600)
            pack.write_bytes(content)
    with pytest.raises(Damaged):
        b"".join(files.read(desk.ctx, pushed, "d/big").blocks(0, 5))
