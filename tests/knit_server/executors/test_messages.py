"""What local images and sandboxes say of what they refuse, where no other test comes across it: words and advice."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from archive_maker import layer, pack, saved

from knit_server.content.archives import Stream, members
from knit_server.domain.errors import Conflict, InvalidInput, Unavailable, Unsupported
from knit_server.executors.local import LocalImageStore, bubblewrap, loading, recipe, sandbox
from knit_server.executors.local.rootfs import RootFs

Said = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path) -> LocalImageStore:
    """A store with the loaded image x:1."""
    made = LocalImageStore(tmp_path / "images")
    list(made.load(io.BytesIO(saved([layer(("file", "a", ""))], ["x:1"])), (), progress=lambda line: None))
    return made


def test_links_above_mounts(said: Said, tmp_path: Path) -> None:
    """A link of the image, where a Plan mounts something, could lead out of the attempt."""
    (tmp_path / "in").symlink_to("/etc")
    (tmp_path / "file").write_text("")
    for path, told in (
        ("/in/x", "the image has a file or link at in, above /in/x"),
        ("/file/x", "the image has a file or link at file, above /file/x"),
        ("/in", "the image has a link at /in"),
    ):
        assert said(lambda path=path: bubblewrap._plain(tmp_path, path)) == told


def test_words_of_a_command(said: Said) -> None:
    """No command line holds a NUL."""
    assert said(lambda: sandbox.checked(["a", "b\0c"])) == "'b\\x00c' has a NUL in it"


def test_an_image_that_goes(said: Said, store: LocalImageStore) -> None:
    """What is removed while it is taken is told."""
    image = store.locate("x:1")
    store.remove("x:1")
    told = f"the image {image.image.digest} is being removed"
    assert said(lambda: store.use(image), Unavailable) == told
    missing = "sha256:" + "0" * 64
    assert said(lambda: store._settle(missing, None), Conflict) == f"the image {missing} was removed meanwhile"


def test_a_loaded_image_needs_a_sandbox(said: Said, store: LocalImageStore, tmp_path: Path) -> None:
    """Where there is none, it is said how to come by one."""
    from knit_server.executors.base import Attempt, AttemptId
    from knit_server.executors.local.sandbox import Job
    from knit_server.executors.local.substitution import Substitution

    attempt = Attempt(id=AttemptId("r", 1), image="x:1", folder=tmp_path)
    job = Job(attempt, store.locate("x:1"), ["a"], tmp_path / "root")
    told = said(lambda: Substitution().command(job), Unsupported)
    assert told == "x:1 is a loaded image, a system of its own, and this server has no sandbox to run it in"


def test_a_dockerfile_without_from(said: Said) -> None:
    """An ARG alone is no recipe."""
    assert said(lambda: recipe.read("ARG A=1\n")) == "the Dockerfile has no FROM"


def test_an_image_without_name(said: Said, store: LocalImageStore) -> None:
    """Whoever loads it names it."""
    archive = io.BytesIO(saved([layer(("file", "b", ""))], []))
    assert said(lambda: list(store.load(archive, (), progress=print))) == "the archive gives an image no name"


def test_long_documents_and_many_members(said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is an end to what is read of an archive."""
    received = loading.receive(io.BytesIO(pack({"manifest.json": b"[]" + bytes(99)})), tmp_path)
    monkeypatch.setattr(loading, "DOCUMENT", 9)
    told = said(lambda: received.read("manifest.json"))
    assert told == "'manifest.json' of the archive is longer than 9 bytes"
    monkeypatch.setattr(loading, "_MOST_MEMBERS", 1)
    archive, further = io.BytesIO(pack({"a": b"", "b": b""})), tmp_path / "further"
    further.mkdir()
    assert said(lambda: loading.receive(archive, further)) == "the archive has more than 1 members"


def test_unknown_members_of_layers(said: Said, tmp_path: Path) -> None:
    """A kind of file that nobody knows is not left out silently."""
    info = tarfile.TarInfo("odd")
    info.type = b"Z"
    block = info.tobuf() + bytes(1024)
    root = RootFs(tmp_path / "root")
    told = said(lambda: root.add(members(Stream(io.BytesIO(block)))), Unsupported)
    assert told == "'odd' has an unknown type b'Z' in the layer"


def test_paths_of_mounts(said: Said) -> None:
    """A path of a mount is clean, and not the kernel's."""
    from knit_server.executors.base import Mount

    for path, told in (("in", "'in' is not a clean absolute path"), ("/proc/x", "/proc/x belongs to the kernel")):
        assert said(lambda path=path: sandbox.mount_path(Mount(path=path, host=Path("/"))), InvalidInput) == told
