"""A root file system, put together from the layers of an image.

Every name is resolved as if the folder were `/`: symlinked directories of the image lead to places in the folder, never
out of it. Owners are not kept, setuid, setgid and sticky bits are dropped, devices and pipes are left out: nothing that
an image holds gives a program other rights than those of the user that runs Knit.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from knit_server.content.archives import Member
from knit_server.content.door import show, translated
from knit_server.content.paths import check_target
from knit_server.domain.errors import InvalidInput, Unsupported
from knit_server.executors.local import trees

_HIDDEN = ".wh."  # a name that begins so hides the rest of the name in the layers below
_OPAQUE = ".wh..wh..opq"  # hides everything in its directory that the layers below put there
_OTHERS = ".wh..wh."  # notes of old storage drivers for themselves
_REMEMBERED = 10_000  # directories whose place is known without looking again
_OWNER = 0o700
_LATEST = 2**33 * 1_000_000_000  # ns; the year 2242: what file systems with 34 bits of seconds hold
_FOLDERS = ("proc", "dev", "etc", "tmp", "var/tmp")
_FILES = ("etc/resolv.conf", "etc/hosts")


class RootFs:
    """Takes layers, the lowest first: for each one `hide`, then `add`; `finish` ends it.

    `size` is the bytes of all files written, `left_out` the paths of devices and pipes (the first few), `odd` their
    number.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.size = 0
        self.odd = 0
        self.left_out: list[str] = []
        self._folders: dict[str, Path] = {}
        self._modes: dict[str, int] = {}  # of directories that would not let their owner in; they are set last

    def hide(self, layer: Iterable[Member]) -> None:
        """Take away what a layer hides of those below it. Raises `InvalidInput`."""
        for member in layer:
            folder, _, name = member.path.rpartition("/")
            if not name.startswith(_HIDDEN):
                continue
            with translated(f"unpacking {show(member.path)}"):
                if name == _OPAQUE:
                    self._empty(trees.inside(self.root, folder))
                elif not name.startswith(_OTHERS):
                    hidden = name.removeprefix(_HIDDEN)
                    if hidden in ("", ".", ".."):
                        raise InvalidInput(
                            f"the layer hides {show(member.path)}, which can be no name",
                            advice="The image is broken; make it anew.",
                        )
                    self._remove(trees.inside(self.root, folder) / hidden)

    def add(self, layer: Iterable[Member]) -> None:
        """Put in what a layer adds. Raises `InvalidInput`, `Unsupported`, `OutOfSpace`."""
        for member in layer:
            if member.path and not member.path.rpartition("/")[2].startswith(_HIDDEN):
                with translated(f"unpacking {show(member.path)}"):
                    self._add(member)

    def finish(self) -> None:
        """Make what a sandbox mounts something on, then give directories their modes, innermost first."""
        with translated("finishing the root file system"):
            for path in _FOLDERS:
                self._furnish(path, is_folder=True)
            for path in _FILES:
                self._furnish(path, is_folder=False)
            self.root.chmod(0o755)
            for path in sorted(self._modes, key=lambda path: path.count("/"), reverse=True):
                place = self.root / path
                if trees.inside(self.root, path) == place and place.is_dir():
                    place.chmod(self._modes[path])

    def _add(self, member: Member) -> None:
        place = self._place(member.path)
        if member.kind == "dir":
            self._directory(place, member.header.mode)
            return
        if member.kind == "link":
            self._link(place, member)
            return
        self._remove(place)
        if member.kind == "file":
            self._file(place, member)
        elif member.kind == "symlink":
            check_target(member.path, member.header.link)
            place.symlink_to(member.header.link)
        elif member.kind in ("device", "pipe"):
            self.odd += 1
            if self.odd <= 5:
                self.left_out.append(member.path)
        else:
            raise Unsupported(
                f"{show(member.path)} has an unknown type {member.header.type!r} in the layer",
                advice="Make the image anew with current tools.",
            )

    def _directory(self, place: Path, mode: int) -> None:
        if not _is_directory(place):
            self._remove(place)
            place.mkdir()
        place.chmod(mode | _OWNER)
        self._modes.pop(self._name(place), None)
        if mode & _OWNER != _OWNER:
            self._modes[self._name(place)] = mode

    def _file(self, place: Path, member: Member) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(place, flags, 0o600)
        try:
            for block in member.blocks():
                self.size += len(block)
                view = memoryview(block)
                while view:
                    view = view[os.write(descriptor, view) :]
            os.fchmod(descriptor, member.header.mode)
            moment = min(max(member.header.mtime_ns, 0), _LATEST)
            os.utime(descriptor, ns=(moment, moment))
        finally:
            os.close(descriptor)

    def _link(self, place: Path, member: Member) -> None:
        """Make a hard link to what is there already, from this layer or one below; a symlink itself is linked to."""
        original = self._place(member.original())
        if not os.path.lexists(original) or _is_directory(original):
            raise InvalidInput(
                f"{show(member.path)} is a hard link to {show(member.header.link)}, which is no file of the image",
                advice="The image is broken; make it anew.",
            )
        if place != original:
            self._remove(place)
            os.link(original, place, follow_symlinks=False)

    def _place(self, path: str) -> Path:
        """Where a name lies: links of its directories followed inside the root, missing ones made."""
        parent, _, name = path.rpartition("/")
        folder = self._folders.get(parent)
        if folder is None:
            folder = trees.inside(self.root, parent)
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError) as err:
                raise InvalidInput(
                    f"{show(path)} lies below something that is no directory",
                    advice="The image is broken; make it anew.",
                ) from err
            if len(self._folders) >= _REMEMBERED:
                self._folders.clear()
            self._folders[parent] = folder
        return folder / name

    def _remove(self, place: Path) -> None:
        """Remove whatever is there, without following it. What is known of places is forgotten where it may change."""
        try:
            mode = place.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return
        if stat.S_ISDIR(mode):
            trees.remove_tree(place)
        else:
            place.unlink()
        if not stat.S_ISREG(mode):
            self._folders.clear()

    def _empty(self, folder: Path) -> None:
        if _is_directory(folder):
            for entry in list(os.scandir(folder)):
                self._remove(Path(entry.path))

    def _furnish(self, path: str, *, is_folder: bool) -> None:
        """Let there be a real directory or file, as container engines do before they start a program."""
        place = self._place(path)
        if is_folder and not _is_directory(place):
            self._remove(place)
            place.mkdir(mode=0o755)
        elif not is_folder and (place.is_symlink() or not place.is_file()):
            self._remove(place)
            place.touch(mode=0o644)

    def _name(self, place: Path) -> str:
        return str(place.relative_to(self.root))


def _is_directory(place: Path) -> bool:
    return place.is_dir() and not place.is_symlink()
