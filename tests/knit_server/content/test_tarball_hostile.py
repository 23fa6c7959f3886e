"""Hostile and broken archives, one by one: each is refused clearly, and nothing is written outside."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knit_server.content import tarball
from knit_server.content.restore import remove_tree
from knit_server.content.tarball import Limits
from knit_server.domain.errors import InvalidInput, KnitError


def member(name: str, kind: bytes = tarfile.REGTYPE, *, data: bytes = b"", link: str = "", size: int | None = None,
           pax: dict[str, str] | None = None) -> bytes:  # fmt: skip
    """Give one raw member."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data) if size is None else size
    info.pax_headers = pax or {}
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape") + data + bytes(-len(data) % 512)


END = bytes(1024)


def packed(*members: bytes, end: bytes = END) -> bytes:
    return gzip.compress(b"".join(members) + end)


def header(kind: bytes, size: int) -> bytes:
    """Give one plain header block that claims `size` bytes to follow."""
    info = tarfile.TarInfo("extension")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


HOSTILE: dict[str, tuple[bytes, str]] = {
    "dotdot": (packed(member("../evil", data=b"x")), "'..'"),
    "dotdot inside": (packed(member("a/../../evil", data=b"x")), "'..'"),
    "absolute": (packed(member("/etc/evil", data=b"x")), "is absolute"),
    "absolute by pax": (packed(member("x", data=b"x", pax={"path": "/etc/evil"})), "is absolute"),
    "dotdot by pax": (packed(member("x", data=b"x", pax={"path": "../evil"})), "'..'"),
    "nul by pax": (packed(member("x", data=b"x", pax={"path": "a\0b"})), "holds a NUL byte"),
    "root as file": (packed(member("./", tarfile.SYMTYPE, link="/etc")), "without a proper name"),
    "through symlink": (packed(member("d", tarfile.SYMTYPE, link="/tmp"), member("d/evil", data=b"x")), "symlink"),
    "through inner symlink": (
        packed(member("real/x", data=b"x"), member("d", tarfile.SYMTYPE, link="real"), member("d/evil", data=b"x")),
        "symlink",
    ),
    "below a file": (
        packed(member("f", data=b"x"), member("f/g", data=b"x")),
        "lies below 'f', which is a file, not a directory",
    ),
    "file over directory": (packed(member("d/x", data=b"x"), member("d", data=b"x")), "appears twice"),
    "symlink over directory": (
        packed(member("d/x", data=b"x"), member("d", tarfile.SYMTYPE, link="/")),
        "appears twice",
    ),
    "duplicate file": (packed(member("f", data=b"x"), member("./f", data=b"y")), "appears twice"),
    "file over symlink": (
        packed(member("f", tarfile.SYMTYPE, link="/etc/passwd"), member("f", data=b"y")),
        "appears twice",
    ),
    "duplicate directory": (packed(member("d", tarfile.DIRTYPE), member("d/", tarfile.DIRTYPE)), "appears twice"),
    "hard link outside": (packed(member("h", tarfile.LNKTYPE, link="/etc/passwd")), "is absolute"),
    "hard link to dotdot": (packed(member("h", tarfile.LNKTYPE, link="../x")), "'..'"),
    "hard link to nothing": (packed(member("h", tarfile.LNKTYPE, link="later"), member("later")), "no earlier file"),
    "hard link to symlink": (
        packed(member("s", tarfile.SYMTYPE, link="/etc/passwd"), member("h", tarfile.LNKTYPE, link="s")),
        "no earlier file",
    ),
    "hard link to itself": (packed(member("h", tarfile.LNKTYPE, link="h")), "no earlier file"),
    "device": (packed(member("dev", tarfile.CHRTYPE)), "device"),
    "block device": (packed(member("dev", tarfile.BLKTYPE)), "device"),
    "fifo": (packed(member("pipe", tarfile.FIFOTYPE)), "named pipe"),
    "unknown type": (packed(member("x", b"Z", data=b"x")), "'x' has an unknown type b'Z' in the archive"),
    "sparse": (packed(member("x", data=b"x", pax={"GNU.sparse.major": "1"})), "is stored as a sparse file"),
    "empty symlink": (packed(member("s", tarfile.SYMTYPE)), "has an impossible target"),
    "endless symlink": (packed(member("s", tarfile.SYMTYPE, link="x" * 5000)), "has an impossible target"),
    "long name": (packed(member("n" * 256, data=b"x")), "is longer than 255 bytes"),
    "deep name": (packed(member("d/" * 500 + "f", data=b"x")), "400"),
    "long path": (packed(member(("n" * 250 + "/") * 20 + "f", data=b"x")), "4095"),
    "time of another universe": (packed(member("f", pax={"mtime": "9" * 18})), "has an impossible mode, time or size"),
    "broken time": (packed(member("f", pax={"mtime": "1e9"})), "has a broken time in the archive"),
    "broken size": (packed(member("f", pax={"size": "-1"})), "has a broken number in the archive"),
    "negative size": (packed(header(tarfile.REGTYPE, -1)), "'extension' has an impossible size in the archive"),
    "broken pax": (
        packed(header(tarfile.XHDTYPE, 20) + b"99 path=x\n".ljust(512, b"\0") + member("f")),
        "has a broken PAX header",
    ),
    "pax without number": (
        packed(header(tarfile.XHDTYPE, 9) + b"path=xyz\n".ljust(512, b"\0") + member("f")),
        "has a broken PAX header",
    ),
    "pax of zero length": (
        packed(header(tarfile.XHDTYPE, 9) + b"0 path=x\n".ljust(512, b"\0") + member("f")),
        "has a broken PAX header",
    ),
    "huge pax": (packed(header(tarfile.XHDTYPE, 1 << 40)), "an extended header of 1099511627776 bytes"),
    "huge long name": (packed(header(tarfile.GNUTYPE_LONGNAME, 1 << 40)), "an extended header of 1099511627776 bytes"),
    "many extensions": (packed(*[header(tarfile.GNUTYPE_LONGNAME, 0)] * 50), "too many extended"),
    "extension at the end": (
        packed(header(tarfile.XHDTYPE, 9) + b"9 path=x\n".ljust(512, b"\0")),
        "ends after an extended header",
    ),
    "huge size": (packed(member("f", size=1 << 60)), "bytes in its files"),
    "bad checksum": (packed(member("f").replace(b"0000644", b"0000777", 1)), "has a broken header"),
    "garbage block": (packed(b"garbage!" * 64), "has a broken header"),
    "garbage after the end": (packed(member("f"), end=END + b"more" * 128), "follows the end"),
    "member after the end": (packed(member("f"), end=END + member("g") + END), "follows the end"),
    "garbage after gzip": (packed(member("f")) + b"garbage, not gzip at all", "this is no sound gzip stream"),
    "no end mark": (packed(member("f", data=b"x"), end=b""), "cut off"),
    "cut in a file": (packed(member("f", size=5000), end=b""), "cut off"),
    "cut in a header": (packed(member("f")[:300], end=b""), "cut off"),
    "cut in gzip": (packed(member("f", data=b"x"))[:-5], "cut off"),
    "cut before gzip's trailer": (packed(member("f", data=b"x"))[:-8], "cut off"),
    "flipped checksum": (packed(member("f"))[:-8] + b"\xff" * 8, "this is no sound gzip stream"),
    "no gzip": (b"".join([member("f"), END]), "this is no sound gzip stream"),
    "endless gzip name": (b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * (1 << 20), "this is no sound gzip stream"),
    "nothing": (b"", "cut off"),
    "too many zeros": (packed(end=bytes(65 * 1024 * 1024)), "follows the end"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused(name: str, tmp_path: Path) -> None:
    """The error says what is wrong; nothing lies outside the destination, and no destination appears."""
    archive, reason = HOSTILE[name]
    inside = tmp_path / "inside"
    with pytest.raises(InvalidInput, match=reason):
        tarball.extract_to(io.BytesIO(archive), inside / "data")
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["inside"]


class Zeros:
    """Endless compressed zeros, made as they are read."""

    def __init__(self, first: bytes) -> None:
        self.given = 0
        self._blocks = self._make(first)

    @staticmethod
    def _make(first: bytes) -> Iterator[bytes]:
        from isal import isal_zlib

        squeeze = isal_zlib.compressobj(level=1, wbits=31)
        yield squeeze.compress(first)
        while True:
            yield squeeze.compress(bytes(1 << 20)) + squeeze.flush(isal_zlib.Z_SYNC_FLUSH)

    def read(self, size: int, /) -> bytes:
        block = next(self._blocks)
        self.given += len(block)
        assert len(block) <= size
        return block


@pytest.mark.parametrize("first", [b"", member("bomb", size=100 << 30)], ids=["padding", "file"])
def test_bombs_end_at_the_limit(first: bytes) -> None:
    """A stream that unpacks without end is refused at the limit, not when memory or disk are full."""
    source = Zeros(first)
    with pytest.raises(InvalidInput):
        list(tarball.read(source, Limits(max_bytes=1 << 26)))
    assert source.given < 1 << 24


def test_limits(tmp_path: Path) -> None:
    """Each limit is kept."""
    archive = packed(*[member(f"file{number}", data=b"12345") for number in range(10)])
    for limits in (Limits(max_entries=9), Limits(max_bytes=49), Limits(max_names=49)):
        with pytest.raises(InvalidInput, match="the archive has more than"):
            list(tarball.read(io.BytesIO(archive), limits))
    exact = Limits(max_entries=10, max_bytes=50, max_names=50)
    assert len(list(tarball.read(io.BytesIO(archive), exact))) == 10


def test_global_headers_cost_no_memory() -> None:
    """Thousands of global headers with keys nobody wants are not collected."""
    blocks = []
    for number in range(3000):
        info = tarfile.TarInfo(f"f{number}")
        blocks.append(info.create_pax_global_header({f"key{number}": "x" * 2000}) + info.tobuf())
    assert sum(1 for _ in tarball.read(io.BytesIO(packed(*blocks)))) == 3000


def test_cutting_anywhere_is_noticed() -> None:
    """Whatever length of an archive arrives, only all of it is accepted."""
    archive = packed(member("a", data=b"some bytes"), member("b", tarfile.DIRTYPE))
    for length in range(len(archive)):
        with pytest.raises(KnitError):
            list(tarball.read(io.BytesIO(archive[:length])))
    assert len(list(tarball.read(io.BytesIO(archive)))) == 2


def test_flipping_any_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    """A flipped bit anywhere gives an error for people or the same tree, never another exception or tree."""
    archive = packed(member("a", data=b"some bytes"), member("b", tarfile.SYMTYPE, link="a"))
    good = tarball.extract_to(io.BytesIO(archive), tmp_path / "good").content_id
    for at in range(len(archive)):
        bad = bytearray(archive)
        bad[at] ^= 0x04
        dest = tmp_path / str(at)
        try:
            assert tarball.extract_to(io.BytesIO(bytes(bad)), dest).content_id == good, at
        except KnitError:
            assert not dest.exists()


RAW = b"".join(
    [
        member("dir", tarfile.DIRTYPE),
        member("dir/file", data=b"bytes", pax={"mtime": "1.5"}),
        member("n" * 150, data=b"long name"),
        member("link", tarfile.SYMTYPE, link="dir/file"),
        member("hard", tarfile.LNKTYPE, link="dir/file"),
        END,
    ]
)


def checksummed(raw: bytearray) -> bytes:
    """Give every block of a member's header a right checksum again, so that changes elsewhere are looked at."""
    for at in range(0, len(raw), 512):
        if raw[at + 257 : at + 262] == b"ustar":
            raw[at + 148 : at + 156] = b" " * 8
            raw[at + 148 : at + 156] = b"%06o\0 " % sum(raw[at : at + 512])
    return bytes(raw)


@settings(max_examples=400)
@given(st.lists(st.tuples(st.integers(0, len(RAW) - 1), st.integers(0, 255)), min_size=1, max_size=6), st.booleans())
def test_any_change_of_any_header(changes: list[tuple[int, int]], repaired: bool) -> None:
    """Whatever an archive says, it is extracted inside its place or refused by an error for people."""
    raw = bytearray(RAW)
    for at, value in changes:
        raw[at] = value
    archive = gzip.compress(checksummed(raw) if repaired else bytes(raw), 1)
    with tempfile.TemporaryDirectory() as folder:
        dest = Path(folder) / "dest"
        with contextlib.suppress(KnitError):
            tarball.extract_to(io.BytesIO(archive), dest, limits=Limits(max_bytes=1 << 20))
        assert [path.name for path in Path(folder).iterdir()] in ([], ["dest"])
        remove_tree(dest)
