"""Objects behind fsspec: memory for tests, S3 and whatever else fsspec reaches."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from knit_server.content.door import translate
from knit_server.domain.errors import InvalidInput, KnitError, Unavailable
from knit_server.storage.objects import Stored

_TIMES = ("LastModified", "last_modified", "created", "mtime", "updated")
"""Where the file systems of fsspec keep the time of the last write."""


class FsspecObjects:
    """Objects below `url`. Listings are never cached: another server may have written meanwhile."""

    def __init__(self, url: str, **options: Any) -> None:
        from fsspec.core import url_to_fs

        options = {"skip_instance_cache": True, "use_listings_cache": False, **options}
        try:
            self._fs, root = url_to_fs(url, **options)
        except (ValueError, ImportError) as err:
            raise InvalidInput(
                f"the store {url!r} cannot be opened: {err}", advice="Use file:///..., or install the extra `s3`."
            ) from err
        self._root = root.rstrip("/")

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    def put(self, objects: Sequence[tuple[str, Sequence[bytes]]]) -> None:
        """Store objects one after the other; see `Objects.put`."""
        for key, parts in objects:
            with _translated(f"storing {key}"):
                self._fs.pipe_file(self._path(key), b"".join(parts))

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | None:
        """Return a range; see `Objects.get`."""
        end = None if length is None else start + length
        with _translated(f"reading {key}"):
            try:
                return bytes(self._fs.cat_file(self._path(key), start=start, end=end))
            except FileNotFoundError:
                return None

    def look(self, key: str) -> Stored | None:
        """Return size and time of an object; see `Objects.look`."""
        with _translated(f"looking at {key}"):
            try:
                info: dict[str, Any] = self._fs.info(self._path(key))
            except FileNotFoundError:
                return None
        return Stored(key, int(info["size"]), _time(info))

    def list(self, prefix: str) -> Iterator[Stored]:
        """List objects; see `Objects.list`."""
        with _translated(f"listing {prefix}"):
            try:
                found: dict[str, dict[str, Any]] = self._fs.find(self._path(prefix).rstrip("/"), detail=True)
            except FileNotFoundError:
                return
        root = self._root.strip("/")
        for path, info in found.items():
            key = path.strip("/").removeprefix(root).lstrip("/")
            yield Stored(key, int(info["size"]), _time(info))

    def delete(self, key: str) -> None:
        """Delete an object."""
        with _translated(f"deleting {key}"):
            try:
                self._fs.rm_file(self._path(key))
            except (FileNotFoundError, KeyError):  # the memory file system says KeyError
                return

    def close(self) -> None:
        """Connections belong to fsspec's own thread and end with it."""


def _time(info: dict[str, Any]) -> float:
    for key in _TIMES:
        value = info.get(key)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
    raise Unavailable("the store's listing does not tell when objects were written", advice="Use another store.")


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    """Raise what fsspec and its file systems raise as a `KnitError`."""
    try:
        yield
    except KnitError:
        raise
    except PermissionError as err:
        raise Unavailable(f"{doing}: the store denies access", advice="Check the store's credentials.") from err
    except OSError as err:
        if err.errno in (errno.ENOSPC, errno.EDQUOT):
            raise translate(err, doing) from err
        raise Unavailable(f"{doing}: {err}", advice="Check that the store can be reached, then try again.") from err
    except Exception as err:
        raise Unavailable(f"{doing}: {type(err).__name__}: {err}", advice="Check the store, then try again.") from err
