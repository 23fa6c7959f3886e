"""Names inside a tree: which are allowed, how they are ordered, and which exclude each other."""

from __future__ import annotations

from typing import Literal

from knit_server.content.door import show
from knit_server.domain.errors import InvalidInput

Kind = Literal["file", "dir", "symlink"]

MAX_NAME = 255  # bytes of one name; what every Linux file system allows
MAX_DEPTH = 400  # names in one path; a writer or walker holds one open directory per level (usual limit: 1,024)
MAX_PATH = 4095  # bytes of a path
MAX_IMPLIED = 500_000  # directories that no entry names; a bound on memory, as one long name may imply hundreds
MAX_TARGET = 4095  # bytes of a symlink's target; PATH_MAX without its NUL


def encode(text: str) -> bytes:
    """Give the bytes of a name or target; the reverse of decoding UTF-8 with `surrogateescape`."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as err:
        raise InvalidInput(f"{text!a} is not a name: it holds half a character", advice="Rename it.") from err


def order_key(path: str) -> bytes:
    """Sort key of name order: depth-first, siblings by the bytes of their names, a directory before what it holds."""
    return encode(path).replace(b"/", b"\0")


def check_path(path: str) -> None:
    """Raise `InvalidInput` unless `path` is relative, normal, and storable on every Linux file system."""
    if "\0" in path:
        raise InvalidInput(f"the name {path!a} holds a NUL byte", advice="Rename it.")
    if path.startswith("/"):
        raise InvalidInput(f"the name {show(path)} is absolute", advice="Use names relative to the root of the Data.")
    parts = path.split("/")
    for part in parts:
        if part in ("", ".", ".."):
            raise InvalidInput(f"the name {show(path)} has a part {part!r}", advice="Use plain relative names.")
        if len(encode(part)) > MAX_NAME:
            raise InvalidInput(f"the name {show(part)} is longer than {MAX_NAME} bytes", advice="Shorten it.")
    if len(parts) > MAX_DEPTH or len(path) > MAX_PATH:
        raise InvalidInput(
            f"the path {show(path[:60])}... has more than {MAX_PATH} bytes or {MAX_DEPTH} names", advice="Shorten it."
        )


def clean(name: str) -> str:
    """Normalise a name found in an archive: no leading `./`, no doubled or trailing slashes. The root becomes "".

    Raises `InvalidInput` for absolute names and for names with `..`.
    """
    if name.startswith("/"):
        raise InvalidInput(f"the name {show(name)} is absolute", advice="Pack the archive with relative names.")
    path = "/".join(part for part in name.split("/") if part not in ("", "."))
    if path:
        check_path(path)
    return path


def check_target(path: str, target: str) -> None:
    """Raise `InvalidInput` unless `target` can be the target of the symlink at `path`."""
    if not target or "\0" in target or len(encode(target)) > MAX_TARGET:
        raise InvalidInput(
            f"the symlink {show(path)} has an impossible target {show(target[:80])}", advice="Remove it, or mend it."
        )


def leaves_tree(path: str, target: str) -> bool:
    """Whether the symlink at `path` points, as written, outside of the tree that holds it."""
    if target.startswith("/"):
        return True
    depth = path.count("/")
    for part in target.split("/"):
        if part == "..":
            depth -= 1
        elif part not in ("", "."):
            depth += 1
        if depth < 0:
            return True
    return False


class Names:
    """The names of a growing tree, in any order. Refuses duplicates and names below a file or symlink."""

    def __init__(self) -> None:
        self._kinds: dict[str, Kind | Literal["implied"]] = {}
        self._implied = 0

    def known(self, path: str) -> bool:
        """Whether `path` is named or implied already."""
        return path in self._kinds

    def claim(self, path: str, kind: Kind) -> list[str]:
        """Take `path`; return the parent directories that nothing named yet, outermost first.

        A directory that was only implied may be named later. Raises `InvalidInput`.
        """
        check_path(path)
        before = self._kinds.get(path)
        if before is not None and not (before == "implied" and kind == "dir"):
            raise InvalidInput(f"the name {show(path)} appears twice", advice="Pack the files again, each once.")
        implied = self._imply(path)
        self._kinds[path] = kind
        return implied

    def _imply(self, path: str) -> list[str]:
        missing: list[str] = []
        at = path.rfind("/")
        while at > 0:
            parent = path[:at]
            kind = self._kinds.get(parent)
            if kind in ("file", "symlink"):
                raise InvalidInput(
                    f"{show(path)} lies below {show(parent)}, which is a {kind}, not a directory",
                    advice="Give one of the two another name.",
                )
            if kind is not None:
                break
            missing.append(parent)
            at = path.rfind("/", 0, at)
        missing.reverse()
        self._kinds.update(dict.fromkeys(missing, "implied"))
        self._implied += len(missing)
        if self._implied > MAX_IMPLIED:
            raise InvalidInput(f"more than {MAX_IMPLIED} directories are only implied by names", advice="Name them.")
        return missing
