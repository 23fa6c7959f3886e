"""Data as files for other libraries: `pandas.read_csv("knit://type:raw,project:x/table.csv")`.

fsspec finds `KnitFileSystem` by its entry point. It only reads: a Data never changes. It fetches what is asked for of a
file and no more, and keeps nothing on disk (`Data.path` does). Addresses and promises: docs/filesystem.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from knit_lab.filesystem.addresses import url as url
    from knit_lab.filesystem.system import KnitFileSystem as KnitFileSystem

__all__ = ["KnitFileSystem", "url"]


def __getattr__(name: str) -> Any:
    if name == "KnitFileSystem":
        from knit_lab.filesystem.system import KnitFileSystem

        return KnitFileSystem
    if name == "url":
        from knit_lab.filesystem.addresses import url

        return url
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
