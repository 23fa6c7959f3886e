"""The cache of materialised trees: what Runs on this machine see as their inputs, keyed by content id.

A cached tree is exactly what its manifest says: modes and times are never altered to protect it. The cache's own folder
is private instead (0700), and executors show trees read-only or work on a private copy (`copy_tree`).
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from knit_server.content.door import show, translated
from knit_server.content.restore import remove_tree
from knit_server.content.tree import is_id
from knit_server.domain.errors import InvalidInput

Fill = Callable[[Path], object]
"""Writes a tree into an empty directory; what it returns is ignored."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_BLOCK = 512  # bytes; the unit of st_blocks


class Pin:
    """Keeps one tree from being trimmed, by any process, until it is released; a context manager."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let go; doing it twice is fine."""
        if self._descriptor is not None:
            os.close(self._descriptor)  # closing ends the lock
            self._descriptor = None

    def __enter__(self) -> Pin:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class TreeCache:
    """Materialised trees below `root`, for all threads and processes of this machine.

    `trees/<hex>/tree` is the tree, the time of `trees/<hex>` its last use; `pins/<hex>` is locked (shared) by users and
    (exclusively) while a tree is trimmed; `work/` holds what is being made. Nothing is synced, as anything can be made
    again: so that a power cut cannot leave a tree of half its bytes, the cache is emptied after each boot (`boot`).
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._guard = threading.Lock()
        self._filling: dict[str, threading.Lock] = {}
        with translated(f"preparing the cache {show(str(root))}"):
            for folder in (root, root / "trees", root / "pins", root / "work"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
            self._work, self._lock = self._open_work()
            self._empty_after_boot()

    def close(self) -> None:
        """Give up this process's place; pins stay until they are released."""
        with suppress(OSError):
            remove_tree(self._work)
        os.close(self._lock)

    def find(self, content_id: str) -> Path | None:
        """Return the tree if it is here. Hold a pin while using it."""
        place = self._root / "trees" / _hex(content_id)
        try:
            os.utime(place)
        except FileNotFoundError:
            return None
        return place / "tree"

    def get(self, content_id: str, fill: Fill) -> Path:
        """Return the tree, filled first if it is not here; callers of one id wait for one fill.

        Take a pin before, so that the tree stays. What `fill` raises is raised, and nothing is kept.
        """
        found = self.find(content_id)
        if found is not None:
            return found
        with self._alone(content_id):
            found = self.find(content_id)
            if found is not None:
                return found
            with self._making() as place, translated(f"filling the cache {show(str(self._root))}"):
                (place / "tree").mkdir(mode=0o755)
                fill(place / "tree")
                return self._install(content_id, place)

    def adopt(self, content_id: str, directory: Path) -> Path:
        """Move a directory, on the cache's file system, into the cache; only if its `Snapshot` was `exact`.

        If the tree is here already, or cannot be moved, the directory stays where it is. Returns the tree's place
        now, in the cache or not. Whoever made the directory must have ended.
        """
        found = self.find(content_id)
        if found is not None:
            return found
        with self._making() as place:
            try:
                directory.chmod(0o755)
                directory.rename(place / "tree")
            except OSError:
                return directory  # another file system, or not ours: it is a cache, and may do without
            with translated(f"moving into the cache {show(str(self._root))}"):
                return self._install(content_id, place)

    def pin(self, content_id: str) -> Pin:
        """Keep the tree, present or not yet, from being trimmed until the pin is released."""
        path = self._root / "pins" / _hex(content_id)
        with translated(f"pinning in the cache {show(str(self._root))}"):
            while True:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                if _same(descriptor, path):
                    return Pin(descriptor)
                os.close(descriptor)  # trimmed while we waited: the file under the name is another one

    def ids(self) -> list[str]:
        """Return the content ids of all trees that are here."""
        with translated(f"listing the cache {show(str(self._root))}"):
            names = ["b3:" + item.name for item in os.scandir(self._root / "trees")]
        return [name for name in names if is_id(name)]

    def drop(self, content_id: str) -> bool:
        """Delete a tree, unless it is pinned; returns whether it is gone by this."""
        with translated(f"trimming the cache {show(str(self._root))}"):
            return self._evict(_hex(content_id))

    def trim(self, max_bytes: int) -> int:
        """Delete trees, longest unused first, until at most `max_bytes` are taken; returns the bytes freed.

        Pinned trees stay, whichever process pinned them.
        """
        with translated(f"trimming the cache {show(str(self._root))}"):
            trees = sorted(self._measure(), key=lambda tree: tree.used)
            excess = sum(tree.size for tree in trees) - max_bytes
            freed = 0
            for tree in trees:
                if freed >= excess:
                    break
                if self._evict(tree.name):
                    freed += tree.size
            return freed

    def _measure(self) -> Iterator[_Cached]:
        for item in os.scandir(self._root / "trees"):
            with suppress(FileNotFoundError):
                yield _Cached(item.name, item.stat(follow_symlinks=False).st_mtime_ns, _disk_usage(Path(item.path)))

    def _evict(self, name: str) -> bool:
        path = self._root / "pins" / name
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _same(descriptor, path):
                return False
            with self._making() as place:
                (self._root / "trees" / name).rename(place / "evicted")
            path.unlink()
        except (BlockingIOError, FileNotFoundError):
            return False
        finally:
            os.close(descriptor)
        return True

    def _install(self, content_id: str, place: Path) -> Path:
        final = self._root / "trees" / _hex(content_id)
        try:
            place.rename(final)
        except OSError:
            if not final.is_dir():
                raise
            # another process was faster; its tree is as good as ours
        return final / "tree"

    @contextmanager
    def _making(self) -> Iterator[Path]:
        place = self._work / secrets.token_hex(8)
        with translated(f"writing to the cache {show(str(self._root))}"):
            place.mkdir(mode=0o700)
        try:
            yield place
        finally:
            if place.exists():
                remove_tree(place)

    @contextmanager
    def _alone(self, content_id: str) -> Iterator[None]:
        with self._guard:
            lock = self._filling.setdefault(content_id, threading.Lock())
        with lock:
            try:
                yield
            finally:
                with self._guard:
                    self._filling.pop(content_id, None)

    def _open_work(self) -> tuple[Path, int]:
        """Make this process's own folder for unfinished trees; the lock on it tells others that it is in use."""
        while True:
            place = self._root / "work" / secrets.token_hex(8)
            place.mkdir(mode=0o700)
            descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if _same(descriptor, place):
                return place, descriptor
            os.close(descriptor)  # another process swept it away before it was locked

    def _empty_after_boot(self) -> None:
        """Drop trees that were made before this machine started; its disk may have lost some of their bytes."""
        try:
            boot = _BOOT.read_text(encoding="utf-8")
        except OSError:
            boot = "unknown"  # then trees are kept: this is a safeguard, not what the cache works by
        with open(self._root / "boot", "a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            if file.read() != boot:
                self.trim(0)
                file.truncate(0)
                file.write(boot)

    def _sweep(self) -> None:
        """Delete what processes left that are no more."""
        for place in (self._root / "work").iterdir():
            descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_tree(place)
            except BlockingIOError:
                continue
            finally:
                os.close(descriptor)


@dataclass(frozen=True)
class _Cached:
    name: str
    used: int
    size: int


def _hex(content_id: str) -> str:
    if not is_id(content_id):
        raise InvalidInput(f"{content_id!r} is no content id", advice="Ask for the tree of a Data that has content.")
    return content_id[3:]


def _same(descriptor: int, path: Path) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))


def _disk_usage(folder: Path) -> int:
    total = 0
    for item in os.scandir(folder):
        total += item.stat(follow_symlinks=False).st_blocks * _BLOCK
        if item.is_dir(follow_symlinks=False):
            total += _disk_usage(Path(item.path))
    return total
