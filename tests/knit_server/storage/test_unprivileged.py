"""Storage works for an ordinary user, whom modes such as 0555 or 0000 really hinder.

Elsewhere the tests may run as root, who may do anything; here a child process gives its rights up first.
"""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from knit_server.content.restore import remove_tree
from knit_server.domain.errors import InvalidInput
from knit_server.storage import Store, TreeCache, copy_tree

NOBODY = 65534


def as_nobody(place: Path, work: Callable[[Path], None]) -> None:
    """Run `work` in a child without privileges, in the directory `place`, which is made its own."""
    if os.geteuid() == 0:
        os.chown(place, NOBODY, NOBODY)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        _run(place, work, write)
    os.close(write)
    with open(read, encoding="utf-8") as report:
        trouble = report.read()
    os.waitpid(child, 0)
    assert not trouble, trouble


def _run(place: Path, work: Callable[[Path], None], write: int) -> None:
    trouble = ""
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        work(place)
    except BaseException:
        trouble = traceback.format_exc()
    os.write(write, trouble.encode())
    os._exit(0)


def locked(root: Path) -> Path:
    """Make a tree that forbids almost everything."""
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "f").write_text("bytes")
    (root / "a" / "b" / "f").chmod(0o400)
    (root / "a" / "link").symlink_to("b/f")
    (root / "a" / "b").chmod(0o555)
    (root / "a").chmod(0o500)
    return root


def round_trip(place: Path) -> None:
    store = Store(place / "store")
    with store.writer() as writer:
        stored = writer.add_directory(locked(place / "source"))
    assert stored.manifest_key is not None
    manifest = store.manifest(stored.manifest_key)
    cache = TreeCache(place / "cache")
    path = cache.get(stored.content_id, lambda dest: store.materialise(manifest, dest))
    (place / "copy").mkdir()
    copy_tree(path, place / "copy")
    for made in (path, place / "copy"):
        with store.writer() as writer:
            assert writer.add_directory(made).content_id == stored.content_id
    assert cache.trim(0) > 0
    assert cache.find(stored.content_id) is None
    adopted = cache.adopt(stored.content_id, place / "source")
    assert adopted == cache.find(stored.content_id)
    assert cache.trim(0) > 0
    cache.close()


def unreadable(place: Path) -> None:
    (place / "source").mkdir()
    (place / "source" / "secret").write_text("x")
    (place / "source" / "secret").chmod(0)
    with pytest.raises(InvalidInput, match=r"'secret'.*permission denied"), Store(place / "store").writer() as writer:
        writer.add_directory(place / "source")
    (place / "source" / "secret").unlink()
    (place / "source" / "closed").mkdir(mode=0)
    with pytest.raises(InvalidInput, match=r"'closed'.*permission denied"), Store(place / "store").writer() as writer:
        writer.add_directory(place / "source")


@pytest.mark.parametrize("work", [round_trip, unreadable])
def test_as_an_ordinary_user(work: Callable[[Path], None]) -> None:
    """Locked trees are stored, restored, cached, copied, moved and deleted; what cannot be read is told by name."""
    import blake3  # noqa: F401 - the child may not be able to read where libraries are
    import zstandard  # noqa: F401

    place = Path(tempfile.mkdtemp(prefix="knit-test-"))  # tmp_path lies below a directory of root's alone
    try:
        as_nobody(place, work)
    finally:
        remove_tree(place)
