"""What content says of names, entries, manifests and archives that cannot be: the words, and the advice."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from archive_maker import pack, saved  # found by the line above

from knit_server.content import paths, tarball
from knit_server.content.archives import Stream, layout, survey
from knit_server.content.archives.config import read_config
from knit_server.content.archives.members import Bounds, Tally, members
from knit_server.content.tree import Entry, Tree
from knit_server.domain.errors import InvalidInput, KnitError, Unsupported

Said = Callable[..., str]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("a\0b", "the name 'a\\x00b' holds a NUL byte"),
        ("/etc", "the name '/etc' is absolute"),
        ("a/../b", "the name 'a/../b' has a part '..'"),
        ("n" * 256, f"the name '{'n' * 256}' is longer than 255 bytes"),
        ("\ud800", "'\\ud800' is not a name: it holds half a character"),
        ("a/" * 500 + "a", "... has more than 4095 bytes or 400 names"),
    ],
)
def test_names(said: Said, path: str, told: str) -> None:
    """A name that no file system takes is shown with what is wrong about it."""
    assert told in said(lambda: paths.check_path(path))


def test_absolute_name_in_an_archive(said: Said) -> None:
    """It is told as such, not made relative."""
    assert said(lambda: paths.clean("/etc/passwd")) == "the name '/etc/passwd' is absolute"


FILE = Entry("f", "file")


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([Entry("x", "pipe")], "'x' has an unknown kind 'pipe'"),  # type: ignore[arg-type]
        ([Entry("x", "file", mode=0o1000000)], "'x' has an impossible mode, time or size"),
        ([Entry("x", "dir", size=1)], "'x' is a dir, but has bytes"),
        ([Entry("x", "file", target="y")], "'x' is a file, but has a target"),
        ([Entry("x", "file", size=1)], "'x' has 1 bytes, but 0 chunks"),
        ([Entry("x", "symlink")], "the symlink 'x' has an impossible target ''"),
        ([FILE, FILE], "the name 'f' appears twice"),
        ([FILE, Entry("f/g", "file")], "'f/g' lies below 'f', which is a file, not a directory"),
    ],
)
def test_trees(said: Said, entries: list[Entry], told: str) -> None:
    """A tree that cannot be names the entry that is wrong."""
    assert said(lambda: Tree.of(entries)) == told


def test_pushing_what_is_no_file(said: Said, tmp_path: Path) -> None:
    """A pipe is neither a directory nor a file."""
    os.mkfifo(tmp_path / "pipe")
    assert "is neither a directory nor a file" in said(lambda: list(tarball.pack_directory(tmp_path / "pipe")))


def found(**files: bytes) -> list[layout.Found]:
    return list(layout.find(lambda name: files.get(name.replace(".", "_").replace("-", "_"))))


def index(digest: str) -> bytes:
    return f'{{"manifests": [{{"digest": "{digest}"}}]}}'.encode()


@pytest.mark.parametrize(
    ("digest", "told", "kind"),
    [
        (
            "sha256:../../etc",
            "the archive has a descriptor with an impossible digest: 'sha256:../../etc'",
            InvalidInput,
        ),
        ("sha512:" + "a" * 128, "the archive has digests of the kind sha512; sha256 is read", Unsupported),
    ],
)
def test_digests_of_archives(said: Said, digest: str, told: str, kind: type[KnitError]) -> None:
    """A digest is a path in the archive, so it is looked at first."""
    assert said(lambda: found(index_json=index(digest), oci_layout=b"{}"), kind) == told


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"{", "is no JSON: "),
        (b"[]", "the configuration of the image "),
        (b'{"config": {"Env": ["x"]}}', "has 'x' in Env, which is not NAME=value"),
        (b'{"config": {"Cmd": {}}}', "has a Cmd that is no list"),
        (b'{"config": {"Cmd": [1]}}', "has a Cmd with something that is no text"),
        (b'{"config": []}', "that is no object"),
    ],
)
def test_configurations(said: Said, data: bytes, told: str) -> None:
    """A configuration that cannot be says where."""
    assert told in said(lambda: read_config(data))


def test_too_large_an_image(said: Said) -> None:
    """There is an end to what is unpacked."""
    tally = Tally(Bounds(entries=1, bytes=10))
    archive = io.BytesIO(pack({"a": b"", "b": b""}))
    told = said(lambda: list(members(Stream(archive), tally)))
    assert told == "the image has more than 1 entries or 10 bytes"


@pytest.mark.parametrize(
    ("data", "told", "kind"),
    [
        (b"BZh91AY", "the archive is compressed with bzip2, which is not read here", Unsupported),
        (b"\x1f\x8b\x08\x00" + bytes(20), "is cut off, or its compression is broken: ", InvalidInput),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 20, "is cut off, or its compression is broken: ", InvalidInput),
        (b"short", "the archive is cut off, or no tar archive", InvalidInput),
    ],
)
def test_streams(said: Said, data: bytes, told: str, kind: type[KnitError]) -> None:
    """What is compressed in another way, or badly, is told."""
    assert told in said(lambda: list(members(Stream(io.BytesIO(data)))), kind)


def test_too_much_json(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive that is all JSON is given up."""
    monkeypatch.setattr(sys.modules["knit_server.content.archives.survey"], "_MOST", 10)
    assert said(lambda: survey(io.BytesIO(saved([b""], ["x:1"])))) == "the archive has too much JSON in it"
