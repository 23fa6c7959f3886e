"""The environment that Knit itself runs in, as what an image begins with: `FROM knit/environment`.

A notebook and its Plans then have the same packages without any package index. The packages of a virtual environment
are frozen by hard links (a later `pip install` replaces files, it does not change them), or copied where links cannot
reach; those of a Python without one are shown to programs anyway, since they belong to the Python at hand.
"""

from __future__ import annotations

import errno
import functools
import importlib.metadata
import os
import shutil
import sys
import sysconfig
from pathlib import Path

_LEFT_OUT = ("__editable__.*", "*.pth", "*.egg-link")  # ways out of the environment
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES, errno.ENOTSUP)


def packages() -> tuple[str, ...]:
    """Return what is installed beside this Python, as `name==version`, sorted."""
    infos = (info for place in _places() for info in place.glob("*.dist-info") if not _is_editable(info))
    found = map(importlib.metadata.Distribution.at, infos)
    return tuple(sorted({f"{each.metadata['Name']}=={each.version}" for each in found}))


def venv_options() -> list[str]:
    """Return the options of `python -m venv` by which a new environment sees packages that are no environment's own."""
    return [] if _in_venv() else ["--system-site-packages"]


def fill(path: Path) -> None:
    """Put the packages of this process's virtual environment into the one at `path`; nothing where it has none."""
    if not _in_venv():
        return
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    target = path / "lib" / version / "site-packages"
    patterns = shutil.ignore_patterns(*_LEFT_OUT)

    def left_out(folder: str, names: list[str]) -> set[str]:
        return patterns(folder, names) | {name for name in names if _is_editable(Path(folder, name))}

    for place in _places():
        shutil.copytree(
            place, target, symlinks=True, dirs_exist_ok=True, copy_function=_linked, ignore=left_out
        )  # fmt: skip


def _in_venv() -> bool:
    return sys.prefix != sys.base_prefix


@functools.cache
def _places() -> tuple[Path, ...]:
    found = dict.fromkeys(Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib"))
    return tuple(place for place in found if place.is_dir())


def _is_editable(info: Path) -> bool:
    """Whether `info` is the folder that describes a package installed in editable form."""
    if info.suffix != ".dist-info":
        return False
    try:
        return '"editable": true' in (info / "direct_url.json").read_text(encoding="utf-8")
    except OSError:
        return False


def _linked(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError as err:
        if err.errno not in _NO_LINK:
            raise
        shutil.copy2(source, target)
    return target
