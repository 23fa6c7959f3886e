"""The one door to fsspec of notebooks: `KnitFileSystem`, and the files that it opens."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any, NoReturn, cast

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem
from fsspec.utils import isfilelike, tokenize

from knit_lab.filesystem import addresses, doors, errors
from knit_lab.filesystem.doors import Door
from knit_lab.filesystem.tree import Node
from knit_server.domain import times

Info = dict[str, Any]

BLOCK = 1 << 20
"""Bytes that are read ahead: little enough for readers that jump, such as those of Parquet."""


class KnitFileSystem(AbstractFileSystem):  # type: ignore[misc] # fsspec has no types
    """Data as directories, read-only. Several threads may share it; errors are `OSError`s, and `KnitError`s too.

    An address by tags is looked up once: from then on this object means that Data, also after pickling, until
    `invalidate_cache`. fsspec makes a new object for each call that is given an address, so each such call means the
    newest Data of its moment. Connections and listings are shared between objects.
    """

    protocol = addresses.SCHEME
    cachable = False  # a cached object would mean the Data of long ago; see above

    def __init__(
        self, profile: str | os.PathLike[str] | None = None, api_root: str | None = None, token: str | None = None,
        **options: Any,
    ) -> None:  # fmt: skip
        """Use the server of a profile, or at `api_root` with `token`; by default, that of `knit.connect`."""
        super().__init__(profile=profile, api_root=api_root, token=token, **options)
        self._server = (profile, api_root, token)
        self._opened: Door | None = None
        self._pins: dict[str, str] = {}
        self._guard = threading.RLock()

    # --- which Data ---------------------------------------------------------------------------------------------------

    def pinned(self, path: str) -> str:
        """Return the same address by the id of the Data that it means, for whoever shall read the same later."""
        head, inside = addresses.split(self._strip_protocol(path))
        with errors.translated():
            return addresses.url(self._knit_id(head), path=inside)

    def invalidate_cache(self, path: str | None = None) -> None:
        """Look addresses by tags up again, or only that of `path`, when they are next used. Open files stay."""
        with self._guard:
            if path is None:
                self._pins.clear()
            else:
                self._pins.pop(addresses.split(self._strip_protocol(path))[0], None)
        super().invalidate_cache(path)

    @property
    def fsid(self) -> str:
        """Names the server."""
        with errors.translated():
            return f"{addresses.SCHEME}:{self._door.client.api_root}"

    @property
    def _door(self) -> Door:
        with self._guard:
            if self._opened is None:
                self._opened = doors.opened(*self._server)
            return self._opened

    def _knit_id(self, head: str) -> str:
        """Return the id of the Data that `head` names. Threads that ask at once get the same."""
        with self._guard:
            if head not in self._pins:
                tags = addresses.tags(head)
                self._pins[head] = self._door.full_id(head) if tags is None else self._door.newest(tags)
            return self._pins[head]

    def _node(self, path: str) -> tuple[str, Node]:
        head, inside = addresses.split(path)
        knit_id = self._knit_id(head)
        return knit_id, self._door.tree(knit_id).find(inside)

    # --- what there is ------------------------------------------------------------------------------------------------

    def ls(self, path: str, detail: bool = True, *, links: bool = True, **_: Any) -> list[Any]:
        """List a directory of a Data; without a path, all Data that can be read, the newest first.

        Without `links`, symlinks that lead to directories or to nothing are left out. Raises `FileNotFoundError`.
        """
        path = self._strip_protocol(path)
        with errors.translated():
            found = self._listed(path) if path else self._all()
        shown = [each for each in found if links or each["type"] != "link"]
        return shown if detail else [each["name"] for each in shown]

    def _listed(self, path: str) -> list[Info]:
        knit_id, node = self._node(path)
        if node.kind == "file":
            return [_info(path, knit_id, node)]
        head, inside = addresses.split(path)
        return [_info(f"{head}/{each.name}", knit_id, each) for each in self._door.tree(knit_id).within(inside)]

    def _all(self) -> list[Info]:
        found = self._door.client.each_data(transient=False, newest_first=True)
        ids = ((each["knitId"], each["tags"]) for each in found)
        return [{**_DIRECTORY, "name": knit_id, "knitId": knit_id, "tags": tags} for knit_id, tags in ids]

    def info(self, path: str, **_: Any) -> Info:
        """Describe a file or directory: name, type, size in bytes, mtime, mode, and the `knitId` that was found.

        Raises `FileNotFoundError`.
        """
        path = self._strip_protocol(path)
        if not path:
            return {**_DIRECTORY, "name": ""}
        with errors.translated():
            return _info(path, *self._node(path))

    def exists(self, path: str, **_: Any) -> bool:
        """Whether there is such a name. Raises `OSError` where that cannot be known."""
        return self._type(path) is not None

    def isdir(self, path: str) -> bool:
        """Whether it is a directory. Raises `OSError` where that cannot be known."""
        return self._type(path) == "directory"

    def isfile(self, path: str) -> bool:
        """Whether it is a file, or a symlink to one. Raises `OSError` where that cannot be known."""
        return self._type(path) == "file"

    def _type(self, path: str) -> str | None:
        try:
            return cast("str", self.info(path)["type"])
        except FileNotFoundError:
            return None

    def modified(self, path: str) -> datetime:
        """When the file was last written, as it was when it was pushed."""
        return datetime.fromisoformat(times.format_instant(round(self.info(path).get("mtime", 0) * 1000)))

    def walk(
        self, path: str, maxdepth: int | None = None, topdown: bool = True,
        on_error: str | Callable[[OSError], object] = "omit", **options: Any,
    ) -> Iterator[Any]:  # fmt: skip
        """Go through a directory; see `AbstractFileSystem.walk`. Symlinks to directories are left out: they may circle.

        What is not there is omitted; that the server cannot be asked is raised.
        """
        told = _raise_others if on_error == "omit" else on_error
        return cast("Iterator[Any]", super().walk(path, maxdepth, topdown, told, **{**options, "links": False}))

    # --- reading ------------------------------------------------------------------------------------------------------

    def _open(
        self, path: str, mode: str = "rb", block_size: int | None = None, autocommit: bool = True,
        cache_options: dict[str, Any] | None = None, **options: Any,
    ) -> KnitFile:  # fmt: skip
        if mode != "rb":
            raise errors.read_only(path)
        return KnitFile(self, path, mode, block_size or BLOCK, autocommit, cache_options=cache_options, **options)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """Return the bytes of a file, or some of them; positions are as in slices. Raises `FileNotFoundError`."""
        path = self._strip_protocol(path)
        if start is None and end is None:
            return self._read(path, 0, None)
        first, stop, _step = slice(start, end).indices(self._file(path)["size"])
        return self._read(path, first, max(first, stop))

    def get_file(
        self, rpath: str, lpath: Any, callback: Any = DEFAULT_CALLBACK, outfile: IO[bytes] | None = None, **_: Any
    ) -> None:
        """Download a file in one piece; it appears when it is complete. A directory is only made."""
        target: Any = outfile if outfile is not None else lpath
        if not isfilelike(target):
            target = Path(target)
            if self.isdir(rpath):
                target.mkdir(parents=True, exist_ok=True)
                return
        rpath = self._strip_protocol(rpath)
        callback.set_size(self._file(rpath)["size"])
        with errors.translated():
            knit_id, node = self._node(rpath)
            self._door.client.pull_file(
                knit_id, node.place, target, progress=lambda done, _: callback.absolute_update(done)
            )

    def _file(self, path: str) -> Info:
        """Describe a file. Raises `FileNotFoundError`, or `IsADirectoryError` for what is none."""
        found = self.info(path)
        if found["type"] != "file":
            raise errors.no_file(path, found["type"])
        return found

    def _read(self, path: str, start: int, stop: int | None) -> bytes:
        self._file(path)
        with errors.translated():
            knit_id, node = self._node(path)
            return self._door.client.read_range(knit_id, node.place, start, stop)

    # --- writing ------------------------------------------------------------------------------------------------------

    def _refuse(self, path: Any = "", *_: Any, **__: Any) -> NoReturn:
        """Raise `OSError`: a Data never changes; push a new one."""
        raise errors.read_only(self._strip_protocol(path) if isinstance(path, str) else "")

    def _refuse_second(self, _: Any, path: Any = "", *__: Any, **___: Any) -> NoReturn:
        """Raise `OSError`: a Data never changes; push a new one."""
        self._refuse(path)

    mkdir = makedirs = rmdir = rm = rm_file = _rm = touch = pipe = pipe_file = mv = _refuse
    put = put_file = copy = cp_file = _refuse_second

    # --- as a value ---------------------------------------------------------------------------------------------------

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        return addresses.plain(os.fspath(path))

    def __reduce__(self) -> tuple[Any, ...]:
        with self._guard:
            return _again, (type(self), self.storage_args, self.storage_options, dict(self._pins))

    def __dask_tokenize__(self) -> str:
        with self._guard:
            return cast("str", tokenize(self._fs_token, sorted(self._pins.items())))


class KnitFile(AbstractBufferedFile):  # type: ignore[misc] # fsspec has no types
    """An open file: it stays the one that it was, whatever is pushed meanwhile."""

    def __init__(self, fs: KnitFileSystem, path: str, *args: Any, **options: Any) -> None:
        self._details = fs._file(path)
        with errors.translated():
            self._knit_id, node = fs._node(path)
        self._place = node.place
        super().__init__(fs, path, *args, **{**options, "size": self._details["size"]})

    def _fetch_range(self, start: int, end: int) -> bytes:
        with errors.translated():
            return cast("KnitFileSystem", self.fs)._door.client.read_range(self._knit_id, self._place, start, end)


_DIRECTORY: Mapping[str, Any] = {"type": "directory", "size": 0}


def _info(name: str, knit_id: str, node: Node) -> Info:
    found = {**_DIRECTORY, "name": name, "knitId": knit_id, "type": node.kind}
    if node.entry is not None:
        found["size"] = node.entry["size"]
        found["mode"] = int(node.entry["mode"], 8)
        found["mtime"] = times.parse_instant(node.entry["mtime"]) / 1000
        if "target" in node.entry:
            found["destination"] = node.entry["target"]
    return found


def _raise_others(err: OSError) -> None:
    if not isinstance(err, FileNotFoundError):
        raise err


def _again(
    kind: type[KnitFileSystem], args: tuple[Any, ...], options: dict[str, Any], pins: dict[str, str]
) -> KnitFileSystem:
    made = kind(*args, **options)
    made._pins.update(pins)
    return made
