"""Moving Data and build contexts between the local disk and the API, as tar.gz streams in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import IO, cast
from urllib.parse import urlencode

from knit_server.client.transport import ANSWER, Transport
from knit_server.domain import tags as domain_tags
from knit_server.domain.errors import Damaged, InvalidInput, KnitError
from knit_server.wire import errors, ranges, shapes
from knit_server.wire.endpoints import CONTENT_ID_HEADER, TAR, TAR_GZ

Progress = Callable[[int, str], None]
"""Told bytes done so far (never fewer than before), and the file it is at."""
Warn = Callable[[str], None]

ARCHIVE = {"Content-Type": TAR_GZ}
PLAIN_ARCHIVE = {"Content-Type": TAR}

_BLOCK = 1024 * 1024
_MAX_QUERY = 8 * 1024  # bytes of tags sent in the URL; servers and proxies refuse longer request lines


def quiet(done: int, path: str) -> None:
    """Take progress and do nothing."""


def silent(message: str) -> None:
    """Take a warning and do nothing."""


def nothing() -> None:
    """Do nothing."""


def tag_change(add: Iterable[str], remove: Iterable[str] = (), remove_keys: Iterable[str] = ()) -> shapes.TagChange:
    """Write a tag change; tags as objects, as every server of this API takes them. Raises `InvalidInput`."""
    return {"add": _pairs(add), "remove": _pairs(remove), "remove_key": list(remove_keys)}


def push(
    http: Transport,
    source: Path,
    tags: Iterable[str],
    *,
    dereference: bool,
    progress: Progress,
    warn: Warn,
    sent: Callable[[], None],
) -> shapes.DataDetail:
    """Upload `source` as a new Data; see `KnitClient.push`."""
    from knit_server.content.tarball import pack_directory

    refuse_empty(source)
    first, later = _fitting([str(domain_tags.parse(tag)) for tag in tags])
    archive = pack_directory(source, progress=progress, dereference=dereference, warn=warn)
    query = [("tag", tag) for tag in first]
    with http.stream("push_data", query, content=_then(archive, sent), headers=ARCHIVE) as response:
        raw = http.drain(response)
    detail = cast("shapes.DataDetail", http.decode(response.status_code, raw))
    if later:
        detail = cast("shapes.DataDetail", http.json("tag_data", body=tag_change(later), knitId=detail["knitId"]))
    return detail


def refuse_empty(source: Path) -> None:
    """Raise `InvalidInput` if there is nothing in the directory `source`, or nothing at all."""
    from knit_server.content.door import translated

    with translated(f"reading '{source}'"):
        if source.is_dir():
            with os.scandir(source) as entries:
                empty = next(entries, None) is None
            if empty:
                raise InvalidInput(f"'{source}' is empty", advice="A Data holds at least one file or directory.")
        else:
            os.stat(source)


def pack_context(context: Path) -> Iterable[bytes]:
    """Pack the directory of an image build. Raises `InvalidInput` if it is none."""
    from knit_server.content.tarball import pack_directory

    if not context.is_dir():
        raise InvalidInput(
            f"'{context}' is not a directory", advice="Give the directory that holds the Dockerfile and its files."
        )
    return pack_directory(context)


@contextmanager
def blocks_of(archive: Path | IO[bytes], progress: Progress) -> Iterator[Iterable[bytes]]:
    """Give the bytes of a file, or of an open stream, block by block. Raises `InvalidInput` if it cannot be read."""
    from knit_server.content.door import translated

    if not isinstance(archive, Path):
        yield _counted(iter(lambda: archive.read(_BLOCK), b""), progress)
        return
    with translated(f"reading '{archive}'"):
        file = archive.open("rb")
    with file:
        yield _counted(iter(lambda: file.read(_BLOCK), b""), progress)


def pull_archive(http: Transport, knit_id: str, target: Path | IO[bytes], *, progress: Progress, warn: Warn) -> None:
    """Download a Data as tar.gz; see `KnitClient.pull_archive`."""
    from knit_server.content.tarball import examine

    with http.stream("pull_data", knitId=knit_id) as response, _writing(target) as write:
        blocks = _written(_counted(http.blocks(response), progress), write)
        promised = response.headers.get(CONTENT_ID_HEADER)
        came = examine(_Blocks(blocks)).content_id if promised else None
        for _ in blocks:  # what stands behind the end of the archive
            pass
        _compare(knit_id, came, promised, warn)


def pull_file(http: Transport, knit_id: str, path: str, target: Path | IO[bytes], *, progress: Progress) -> None:
    """Download one file of a Data; see `KnitClient.pull_file`."""
    with http.stream("data_files", [("path", path)], knitId=knit_id) as response, _writing(target) as write:
        for _ in _written(_counted(http.blocks(response), progress), write):
            pass


def read_range(http: Transport, knit_id: str, path: str, start: int, stop: int | None) -> bytes:
    """Return a part of one file of a Data; see `KnitClient.read_range`."""
    if start < 0 or (stop is not None and stop < start):
        raise InvalidInput(
            f"no range of bytes: {start} to {'the end' if stop is None else stop}",
            advice="Positions go from 0, and upwards.",
        )
    if start == stop:
        return b""
    headers = {"Range": ranges.ask(start, stop)} if start or stop is not None else {}
    try:
        with http.stream("data_files", [("path", path)], headers=headers, patience=ANSWER, knitId=knit_id) as response:
            if response.status_code != HTTPStatus.PARTIAL_CONTENT:  # a server, or a proxy, that knows no ranges
                return _cut(http.blocks(response), start, stop)
            raw, part = http.drain(response), ranges.came(response.headers.get("content-range"))
    except KnitError as err:
        if errors.code_of(err) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return b""
        raise
    if part is None or part.start != start or len(raw) != part.stop - start or (stop is not None and part.stop > stop):
        raise Damaged(
            f"another part of {path!r} came than was asked for", advice="Is there a proxy that changes ranges of bytes?"
        )
    return raw


def _cut(blocks: Iterator[bytes], start: int, stop: int | None) -> bytes:
    """Take a part of what comes, and no more than is needed for that."""
    parts, at = [], 0
    for block in blocks:
        parts.append(block[max(0, start - at) : None if stop is None else max(0, stop - at)])
        at += len(block)
        if stop is not None and at >= stop:
            break
    return b"".join(parts)


@contextmanager
def _writing(target: Path | IO[bytes]) -> Iterator[Callable[[bytes], object]]:
    """Give what writes into the stream, or to the file, which appears when the block ends well."""
    from knit_server.content.door import translated

    if not isinstance(target, Path):
        yield target.write
        return
    with translated(f"writing '{target}'"):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name[:200]}.{os.getpid()}.part")
        try:
            with temporary.open("wb") as file:
                yield file.write
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _written(blocks: Iterator[bytes], write: Callable[[bytes], object]) -> Iterator[bytes]:
    """Write each block, then give it on."""
    for block in blocks:
        write(block)
        yield block


def _compare(knit_id: str, came: str | None, promised: str | None, warn: Warn) -> None:
    """Compare content ids. Raises `Damaged`; where the server promised none, that is told."""
    if not promised:
        warn("the server did not say what the content should be; it could not be verified")
    elif promised != came:
        raise Damaged(
            f"what came for {knit_id} is not what the server stores ({came}, not {promised})",
            advice="Nothing was written. Pull again; if it happens again, the network or the store is at fault.",
        )


def pull(http: Transport, knit_id: str, dest: Path, *, progress: Progress, warn: Warn) -> Path:
    """Download a Data into a new directory; see `KnitClient.pull`."""
    from knit_server.content.restore import appearing, refuse_existing
    from knit_server.content.tarball import extract

    refuse_existing(dest)
    with http.stream("pull_data", knitId=knit_id) as response, appearing(dest) as temporary:
        came = extract(_Blocks(http.blocks(response)), temporary, warn=warn, progress=progress)
        _compare(knit_id, came.content_id, response.headers.get(CONTENT_ID_HEADER), warn)
    return dest


class _Blocks:
    """Gives an iterator of blocks a `read`."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, b"" at the end."""
        if not self._rest:
            self._rest = next(self._blocks, b"")
        block, self._rest = self._rest[:size], self._rest[size:]
        return block


def _counted(blocks: Iterator[bytes], progress: Progress) -> Iterator[bytes]:
    done = 0
    for block in blocks:
        yield block
        done += len(block)
        progress(done, "")


def _then(archive: Iterable[bytes], sent: Callable[[], None]) -> Iterator[bytes]:
    yield from archive
    sent()


def _fitting(tags: list[str]) -> tuple[list[str], list[str]]:
    """Cut off the tags that a URL cannot hold: they are set right after.

    Until then the Data has fewer tags than it shall have, so it fits no input that it would not fit in the end.
    """
    length = 0
    for at, tag in enumerate(tags):
        length += len(urlencode({"tag": tag})) + 1
        if length > _MAX_QUERY:
            return tags[:at], tags[at:]
    return tags, []


def _pairs(texts: Iterable[str]) -> list[shapes.TagPair | str]:
    return [{"key": tag.key, "value": tag.value} for tag in map(domain_tags.parse, texts)]
