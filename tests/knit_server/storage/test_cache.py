"""The cache of materialised trees."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from knit_server.content.tree import digest
from knit_server.domain.errors import Damaged, InvalidInput
from knit_server.storage import Store, TreeCache

Picture = Callable[[Path], list[tuple[object, ...]]]
ONE, TWO, THREE = (digest(name) for name in (b"one", b"two", b"three"))


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[TreeCache]:
    cache = TreeCache(tmp_path / "cache")
    yield cache
    cache.close()


def fill_with(size: int) -> Callable[[Path], object]:
    return lambda place: (place / "f").write_bytes(b"x" * size)


def never(place: Path) -> None:
    pytest.fail("filled again")


def test_a_tree_is_filled_once(cache: TreeCache) -> None:
    """The second caller finds what the first one made."""
    path = cache.get(ONE, fill_with(3))
    assert (path / "f").read_bytes() == b"xxx"
    assert cache.get(ONE, never) == cache.find(ONE) == path
    assert cache.find(TWO) is None


def test_single_trees_are_dropped(cache: TreeCache) -> None:
    """A tree can be dropped by its id, unless it is pinned; the others stay. What is not here is no trouble."""
    cache.get(ONE, fill_with(1))
    cache.get(TWO, fill_with(1))
    (cache._root / "trees" / "stranger").mkdir()
    assert sorted(cache.ids()) == sorted([ONE, TWO])
    with cache.pin(ONE):
        assert not cache.drop(ONE)
    assert cache.drop(ONE)
    assert not cache.drop(ONE)
    assert not cache.drop(THREE)
    assert cache.ids() == [TWO]


def test_concurrent_callers_fill_once(cache: TreeCache) -> None:
    """Callers of one id wait for one fill; another id is not held up."""
    inside, release = threading.Event(), threading.Event()
    fills: list[Path] = []

    def slow(place: Path) -> None:
        fills.append(place)
        inside.set()
        assert release.wait(30)

    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(cache.get, ONE, slow) for _ in range(6)]
        assert inside.wait(30)
        assert pool.submit(cache.get, TWO, fill_with(1)).result(30).is_dir()
        release.set()
        assert len({call.result(30) for call in waiting}) == 1
    assert len(fills) == 1


def test_a_failed_fill_leaves_nothing(cache: TreeCache, tmp_path: Path) -> None:
    """What fill raises is raised; the next caller fills anew; no half tree is seen."""

    def fail(place: Path) -> None:
        (place / "half").write_text("x")
        raise Damaged("broken")

    with pytest.raises(Damaged):
        cache.get(ONE, fail)
    assert cache.find(ONE) is None
    assert sorted(path.name for path in cache.get(ONE, fill_with(1)).iterdir()) == ["f"]
    assert not list((tmp_path / "cache" / "work").glob("*/*"))


def test_adopting_moves(odd_tree: Path, cache: TreeCache, store: Store, picture: Picture) -> None:
    """A finished output directory becomes the cached tree, equal to what its manifest would give."""
    before = picture(odd_tree)
    with store.writer() as writer:
        stored = writer.add_directory(odd_tree)
    path = cache.adopt(stored.content_id, odd_tree)
    assert not odd_tree.exists()
    assert cache.get(stored.content_id, never) == path
    assert picture(path) == before


def test_adopting_what_is_there(cache: TreeCache, tmp_path: Path) -> None:
    """A tree that is cached already stays; the directory is left to its owner."""
    path = cache.get(ONE, fill_with(1))
    (tmp_path / "mine").mkdir()
    assert cache.adopt(ONE, tmp_path / "mine") == path
    assert (tmp_path / "mine").is_dir()


def test_adopting_from_elsewhere(cache: TreeCache, tmp_path: Path) -> None:
    """A directory that cannot be moved is no error: it stays, and the cache does without."""
    assert cache.adopt(ONE, tmp_path / "gone") == tmp_path / "gone"
    assert cache.find(ONE) is None


def test_trimming_takes_the_longest_unused(cache: TreeCache) -> None:
    """Trees go in the order of their last use, only until the rest fits, and pinned ones never."""
    for content in (ONE, TWO, THREE):
        cache.get(content, fill_with(100_000))
    for age, content in enumerate((TWO, ONE, THREE)):
        place = cache.find(content)
        assert place is not None
        os.utime(place.parent, ns=(age, age))
    with cache.pin(TWO):
        assert cache.trim(10**9) == 0
        assert cache.trim(250_000) >= 100_000
        assert [cache.find(content) is None for content in (ONE, TWO, THREE)] == [True, False, False]
        cache.trim(0)
        assert [cache.find(content) is None for content in (ONE, TWO, THREE)] == [True, False, True]
    cache.trim(0)
    assert cache.find(TWO) is None


def test_pins_count(cache: TreeCache) -> None:
    """Every pin must be released before a tree may go; releasing twice is fine; pins may precede the tree."""
    first, second = cache.pin(ONE), cache.pin(ONE)
    cache.get(ONE, fill_with(1))
    first.release()
    first.release()
    cache.trim(0)
    assert cache.find(ONE) is not None
    second.release()
    cache.trim(0)
    assert cache.find(ONE) is None
    with cache.pin(ONE):
        cache.get(ONE, fill_with(1))
        cache.trim(0)
        assert cache.find(ONE) is not None


def test_two_processes_share(cache: TreeCache, tmp_path: Path) -> None:
    """Another process's pins hold, its unfinished trees are not swept, and what it leaves by dying is."""
    code = (
        "import sys; from pathlib import Path; from knit_server.storage import TreeCache\n"
        "cache = TreeCache(Path(sys.argv[1])); pin = cache.pin(sys.argv[2])\n"
        "half = cache._work / 'half'; half.mkdir(); (half / 'f').touch(); half.chmod(0)\n"
        "print(half, flush=True); sys.stdin.read()"
    )
    cache.get(ONE, fill_with(1))
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "cache"), ONE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout is not None
        half = Path(other.stdout.readline().strip())
        cache.trim(0)
        TreeCache(tmp_path / "cache").close()
        assert cache.find(ONE) is not None
        assert half.exists()
        other.kill()
    assert half.exists()
    TreeCache(tmp_path / "cache").close()
    assert not half.exists()
    cache.trim(0)
    assert cache.find(ONE) is None


def test_a_new_boot_empties(cache: TreeCache, tmp_path: Path) -> None:
    """Trees older than the machine's last start may have lost bytes with its power: unless pinned, they are dropped."""
    cache.get(ONE, fill_with(1))
    cache.get(TWO, fill_with(1))
    TreeCache(tmp_path / "cache").close()
    assert cache.find(ONE) is not None
    (tmp_path / "cache" / "boot").write_text("an earlier boot")
    with cache.pin(TWO):
        TreeCache(tmp_path / "cache").close()
    assert [cache.find(content) is None for content in (ONE, TWO)] == [True, False]


def test_only_content_ids_are_names(cache: TreeCache) -> None:
    """Nothing else reaches the file system."""
    for name in ("../x", "", "b3:../x", ONE + "/.."):
        with pytest.raises(InvalidInput, match="is no content id"):
            cache.find(name)
        with pytest.raises(InvalidInput):
            cache.pin(name)


def test_the_cache_is_private(cache: TreeCache, tmp_path: Path) -> None:
    """Others on the machine cannot reach into it, whatever modes the trees have."""
    cache.get(ONE, fill_with(1)).chmod(0o777)
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
