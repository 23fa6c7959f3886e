"""Archives of other programs are read as they mean it; ours are read by other programs."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from knit_server.content import tarball
from knit_server.content.tree import CHUNK_SIZE, Entry
from knit_server.domain.errors import Conflict, InvalidInput


def extract(archive: bytes, dest: Path) -> dict[str, Entry]:
    return {entry.path: entry for entry in tarball.extract_to(io.BytesIO(archive), dest).tree.entries}


def pack(source: Path, *, dereference: bool = False) -> bytes:
    return b"".join(tarball.pack_directory(source, dereference=dereference))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("prefix", ["", "./"])
def test_formats(form: int, prefix: str, tmp_path: Path) -> None:
    """USTAR, GNU and PAX archives, with and without `./`, with a root entry, hard links and long names."""
    buffer = io.BytesIO()
    long = "d" * 90 + "/" + "f" * 60
    with tarfile.open(fileobj=buffer, mode="w:gz", format=form) as tar:
        for name, kind, link, data in (
            (".", tarfile.DIRTYPE, "", b""),
            ("dir", tarfile.DIRTYPE, "", b""),
            ("dir/file", tarfile.REGTYPE, "", b"bytes"),
            ("hard", tarfile.LNKTYPE, "dir/file", b""),
            ("soft", tarfile.SYMTYPE, "dir/file", b""),
            (long, tarfile.REGTYPE, "", b"long"),
        ):
            info = tarfile.TarInfo(name if name == "." else prefix + name)
            info.type, info.size, info.mtime, info.mode = kind, len(data), 1_600_000_000, 0o750
            info.linkname = prefix + link if kind == tarfile.LNKTYPE else link
            tar.addfile(info, io.BytesIO(data))
    found = extract(buffer.getvalue(), tmp_path / "out")
    assert sorted(found) == sorted(["d" * 90, "dir", "dir/file", "hard", "soft", long])
    assert (tmp_path / "out" / "hard").read_bytes() == b"bytes"
    assert (tmp_path / "out" / "hard").stat().st_nlink == 1
    assert found["hard"].chunks == found["dir/file"].chunks
    assert found["dir"].mode == 0o750
    assert found["dir/file"].mtime_ns == 1_600_000_000 * 10**9
    assert os.readlink(tmp_path / "out" / "soft") == "dir/file"
    assert {entry.path: entry for entry in tarball.examine(io.BytesIO(buffer.getvalue())).entries} == found


def test_knitfabs_archives(tmp_path: Path) -> None:
    """No directory entries, as Knitfab packs: directories get mode 0755 and the newest time of what they hold."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, mtime in (("a/b/one", 5), ("a/two", 9)):
            info = tarfile.TarInfo(name)
            info.mtime = mtime
            tar.addfile(info)
    found = extract(buffer.getvalue(), tmp_path / "out")
    assert (found["a"].mode, found["a"].mtime_ns) == (0o755, 9 * 10**9)
    assert (found["a/b"].kind, found["a/b"].mtime_ns) == ("dir", 5 * 10**9)
    assert (tmp_path / "out" / "a" / "b").stat().st_mtime_ns == 5 * 10**9


def test_several_gzip_members(tmp_path: Path) -> None:
    """Concatenated gzip members, as parallel compressors write, are one archive; zero padding may follow."""
    plain = gzip.decompress(_one_file())
    archive = b"".join(gzip.compress(plain[at : at + 700]) for at in range(0, len(plain), 700)) + bytes(100)
    assert list(extract(archive, tmp_path / "out")) == ["f"]


def _one_file() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("f"))
    return buffer.getvalue()


def test_dribbling_streams(tmp_path: Path) -> None:
    """A stream that gives a byte at a time is read as well."""

    class Dribble:
        def __init__(self, data: bytes) -> None:
            self._file = io.BytesIO(data)

        def read(self, size: int, /) -> bytes:
            return self._file.read(1)

    assert [member.entry.path for member in tarball.read(Dribble(_one_file()))] == ["f"]


def test_unread_members_are_skipped() -> None:
    """Taking the next member without reading the last one's bytes is fine."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in "abc":
            info = tarfile.TarInfo(name)
            info.size = 100_000
            tar.addfile(info, io.BytesIO(bytes(100_000)))
    assert [member.entry.path for member in tarball.read(io.BytesIO(buffer.getvalue()))] == ["a", "b", "c"]


def test_tar_reads_ours(tmp_path: Path) -> None:
    """GNU tar and Python's tarfile unpack what we pack, with exact times."""
    source = tmp_path / "source"
    (source / "空 dir" / "empty").mkdir(parents=True)
    (source / "空 dir" / ("n" * 200)).write_text("text")
    os.utime(source / "空 dir" / ("n" * 200), ns=(0, 1_700_000_000_123_456_789))
    (source / "link").symlink_to("空 dir")
    archive = tmp_path / "archive.tar.gz"
    archive.write_bytes(pack(source))
    dest = tmp_path / "dest"
    dest.mkdir()
    subprocess.run(["tar", "-xzf", archive, "-C", dest], check=True)
    assert (dest / "空 dir" / "empty").is_dir()
    assert (dest / "空 dir" / ("n" * 200)).stat().st_mtime_ns == 1_700_000_000_123_456_789
    assert os.readlink(dest / "link") == "空 dir"
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["link", "空 dir", "空 dir/empty", "空 dir/" + "n" * 200]


def test_gnu_tars_archives_are_read(tmp_path: Path) -> None:
    """What GNU tar packs of a directory gives the same bytes id as what we pack."""
    source = tmp_path / "source"
    (source / "a").mkdir(parents=True)
    (source / "a" / ("x" * 150)).write_bytes(os.urandom(70_000))
    (source / "s").symlink_to("a")
    archive = subprocess.run(["tar", "-czf", "-", "-C", source, "."], check=True, capture_output=True).stdout
    theirs = tarball.extract_to(io.BytesIO(archive), tmp_path / "one")
    ours = tarball.extract_to(io.BytesIO(pack(source)), tmp_path / "two")
    assert theirs.bytes_id == ours.bytes_id


def test_a_single_file(tmp_path: Path) -> None:
    """A file is one entry of its basename; a symlink to it is followed and gives its own name."""
    (tmp_path / "model.bin").write_bytes(b"weights")
    (tmp_path / "alias").symlink_to("model.bin")
    assert list(extract(pack(tmp_path / "model.bin"), tmp_path / "one")) == ["model.bin"]
    found = extract(pack(tmp_path / "alias"), tmp_path / "two")
    assert (found["alias"].kind, found["alias"].size) == ("file", 7)


def test_a_symlinked_root_is_followed(tmp_path: Path) -> None:
    """Packing a symlink to a directory packs the directory."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_text("x")
    (tmp_path / "link").symlink_to("real")
    assert list(extract(pack(tmp_path / "link"), tmp_path / "out")) == ["f"]


def test_dereference(tmp_path: Path) -> None:
    """With `dereference`, links become what they point to, outside too."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "f").write_text("x")
    source = tmp_path / "source"
    source.mkdir()
    (source / "dir").symlink_to("../outside")
    (source / "file").symlink_to("../outside/f")
    found = extract(pack(source, dereference=True), tmp_path / "out")
    assert {path: entry.kind for path, entry in found.items()} == {"dir": "dir", "dir/f": "file", "file": "file"}


@pytest.mark.parametrize(("target", "reason"), [("..", "symlink loop"), ("self", "loop"), ("gone", "does not exist")])
def test_dereference_refuses(target: str, reason: str, tmp_path: Path) -> None:
    """Loops and dangling links are told clearly; without `dereference` they are just links."""
    source = tmp_path / "source"
    (source / "dir").mkdir(parents=True)
    (source / "dir" / "self").symlink_to(target)
    with pytest.raises(InvalidInput, match=reason):
        pack(source, dereference=True)
    assert extract(pack(source), tmp_path / "out")["dir/self"].target == target


def test_missing_sources_are_told(tmp_path: Path) -> None:
    """What does not exist, or is neither directory nor file, cannot be packed."""
    with pytest.raises(InvalidInput, match="does not exist"):
        pack(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="neither"):
        pack(tmp_path / "pipe")


def test_progress(tmp_path: Path) -> None:
    """Progress counts bytes of files, up to their sum, and names the file."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(bytes(CHUNK_SIZE + 5))
    (source / "b").write_bytes(b"12")
    seen: list[tuple[int, str]] = []
    list(tarball.pack_directory(source, progress=lambda done, path: seen.append((done, path))))
    assert seen == [(CHUNK_SIZE, "a"), (CHUNK_SIZE + 5, "a"), (CHUNK_SIZE + 7, "b")]


def test_extraction_refuses_what_exists(tmp_path: Path) -> None:
    """An existing target, a dangling symlink included, is a Conflict with advice, and is left alone."""
    (tmp_path / "there").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("there", "dangling"):
        with pytest.raises(Conflict, match="exists already") as caught:
            extract(_one_file(), tmp_path / name)
        assert caught.value.advice
    assert list((tmp_path / "there").iterdir()) == []


def test_leaving_symlinks_are_restored_with_a_warning(tmp_path: Path) -> None:
    """A symlink that points out of the Data comes back verbatim; whoever extracts is told."""
    source = tmp_path / "source"
    (source / "d").mkdir(parents=True)
    (source / "d" / "in").symlink_to("../other")
    (source / "d" / "out").symlink_to("../../other")
    (source / "root").symlink_to("/etc/passwd")
    warnings: list[str] = []
    tarball.extract_to(io.BytesIO(pack(source)), tmp_path / "out", warn=warnings.append)
    assert [warning.split("'")[1] for warning in warnings] == ["d/out", "root"]
    assert os.readlink(tmp_path / "out" / "root") == "/etc/passwd"
