"""Tar headers: one 512-byte block with the PAX and GNU extensions that come before it, within bounds."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import dataclass

from knit_server.content.door import show
from knit_server.domain.errors import InvalidInput, Unsupported

RECORD = 512
REPACK = "Pack the files again, for example with `tar -czf`."

_MAX_EXTENSIONS = 8  # extended headers before one member; real archives have at most three
_HEADER_ONLY = frozenset({tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE,
                          tarfile.FIFOTYPE})  # fmt: skip
_WANTED = frozenset({b"path", b"linkpath", b"size", b"mtime", b"sparse"})
_MAX_NUMBER = 2**63 - 1

Read = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Header:
    """One member as the archive describes it. `type` is tar's type flag, `size` the bytes of data that follow."""

    name: str
    type: bytes
    mode: int
    mtime_ns: int
    size: int
    link: str


class Headers:
    """Reads header after header. `read(n)` gives exactly `n` bytes or raises; at most `max_extension` bytes of
    extended headers are held in memory at once."""

    def __init__(self, read: Read, *, max_extension: int) -> None:
        self._read = read
        self._max_extension = max_extension
        self._global: dict[str, bytes] = {}

    def next(self) -> Header | None:
        """Return the next member's header; None at the end mark. Raises `InvalidInput`."""
        local: dict[str, bytes] = {}
        for _ in range(_MAX_EXTENSIONS + 1):
            block = self._read(RECORD)
            if not any(block):
                return self._end(local)
            info = _parse(block)
            if info.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
                local |= _records(self._extension(info))
            elif info.type == tarfile.XGLTYPE:
                self._global |= _records(self._extension(info))
            elif info.type == tarfile.GNUTYPE_LONGNAME:
                local["path"] = self._extension(info).partition(b"\0")[0]
            elif info.type == tarfile.GNUTYPE_LONGLINK:
                local["linkpath"] = self._extension(info).partition(b"\0")[0]
            else:
                return _merge(info, {key: value for key, value in (self._global | local).items() if value})
        raise InvalidInput("the archive has too many extended headers in a row", advice=REPACK)

    @staticmethod
    def _end(local: dict[str, bytes]) -> None:
        if local:
            raise InvalidInput("the archive ends after an extended header", advice=REPACK)

    def _extension(self, info: tarfile.TarInfo) -> bytes:
        if not 0 <= info.size <= self._max_extension:
            raise InvalidInput(
                f"the archive has an extended header of {info.size} bytes; at most {self._max_extension} are read",
                advice="Use shorter names and no extended attributes.",
            )
        padded = -(-info.size // RECORD) * RECORD
        return self._read(padded)[: info.size]


def _parse(block: bytes) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as err:
        raise InvalidInput(f"the archive has a broken header ({err})", advice=REPACK) from err


def _records(data: bytes) -> dict[str, bytes]:
    """Split PAX records: "LENGTH KEY=VALUE\\n", the length counting itself."""
    records: dict[str, bytes] = {}
    at = 0
    while at < len(data):
        blank = data.find(b" ", at, at + 20)
        length = data[at:blank] if blank > at else b""
        if not length.isdigit():
            raise _broken_pax()
        end = at + int(length)
        key, equals, value = data[blank + 1 : end - 1].partition(b"=")
        if end > len(data) or not equals or data[end - 1 : end] != b"\n":
            raise _broken_pax()
        if key.startswith(b"GNU.sparse."):
            key = b"sparse"
        if key in _WANTED:  # others cost no memory, however many headers an archive has
            records[key.decode("ascii")] = value
        at = end
    return records


def _broken_pax() -> InvalidInput:
    return InvalidInput("the archive has a broken PAX header", advice=REPACK)


def _merge(info: tarfile.TarInfo, pax: dict[str, bytes]) -> Header:
    name = _text(pax["path"]) if "path" in pax else info.name
    if info.type == tarfile.GNUTYPE_SPARSE or "sparse" in pax:
        raise Unsupported(f"{show(name)} is stored as a sparse file", advice="Pack without `--sparse`.")
    kind = info.type
    if name.endswith("/") and kind in (tarfile.REGTYPE, tarfile.AREGTYPE):
        kind = tarfile.DIRTYPE  # as archives older than USTAR mark directories
    size = _number(pax["size"], name) if "size" in pax else info.size
    if not 0 <= size <= _MAX_NUMBER:
        raise InvalidInput(f"{show(name)} has an impossible size in the archive", advice=REPACK)
    return Header(
        name=name,
        type=kind,
        mode=info.mode & 0o777,
        mtime_ns=_time(pax["mtime"], name) if "mtime" in pax else int(info.mtime) * 1_000_000_000,
        size=0 if kind in _HEADER_ONLY else size,
        link=_text(pax["linkpath"]) if "linkpath" in pax else info.linkname,
    )


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _number(value: bytes, name: str) -> int:
    if not value.isdigit() or len(value) > 19:
        raise InvalidInput(f"{show(name)} has a broken number in the archive", advice=REPACK)
    return int(value)


def _time(value: bytes, name: str) -> int:
    """Read a PAX time ("-12.345") exactly, in ns."""
    sign, text = (-1, value[1:]) if value.startswith(b"-") else (1, value)
    seconds, _, fraction = text.partition(b".")
    if not seconds.isdigit() or len(seconds) > 19 or not (fraction.isdigit() or not fraction):
        raise InvalidInput(f"{show(name)} has a broken time in the archive", advice=REPACK)
    return sign * (int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, b"0") or b"0"))
